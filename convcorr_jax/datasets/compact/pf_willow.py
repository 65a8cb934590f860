"""PF-WILLOW: 100 images in ten subsets, ten keypoints each, and the 900 official pairs.

The compact folder holds ``annotations.json`` and the images. In it, ``images`` lists the 70
distinct photographs (id, file, category, width, height, keypoints, visible, bbox), ``pairs`` the
ordered pairs ``[subset, source id, target id]``, ``keypoint_names_inferred`` a list of names a
category (the release itself has only part_A ... part_J), and ``left_right_swap`` the mirror map of
a category or null. Coordinates there are 0-based already. The box is the official one, the extent
of the ten keypoints. "Left" is the viewer's; only the wine bottle has left and right keypoints,
since all other objects were mirrored to face right.

Source: Ham, Cho, Schmid, Ponce, "Proposal Flow", CVPR 2016.
"""

from pathlib import Path
from typing import Any

import numpy as np

from convcorr_jax import coords
from convcorr_jax.datasets import roots
from convcorr_jax.datasets.records import Pair, PairSet, Record
from convcorr_jax.errors import InputError
from convcorr_jax.io import json_file


def read(folder: str | Path) -> tuple[Record, ...]:
    """The records of a compact folder, without its pairs.

    Raises:
        InputError: as `read_pairs`.
    """
    return read_pairs(folder).records


def read_pairs(folder: str | Path) -> PairSet:
    """The records and pairs of a compact folder; all are of split "test", as the benchmark is.

    Raises:
        InputError: ``annotations.json`` is missing, cut short or of another layout, or an image is
            missing or named by a path that leads out of the folder.
    """
    folder = Path(folder)
    path = folder / "annotations.json"
    with json_file(path, "PF-WILLOW annotation") as annotations:
        records = [_record(folder, entry, annotations) for entry in annotations["images"]]
        position = {entry["id"]: index for index, entry in enumerate(annotations["images"])}
        pairs = [
            Pair(str(subset), position[source], position[target])
            for subset, source, target in annotations["pairs"]
        ]
    if len(position) != len(records):
        raise InputError(f"{path}: two images have the same id")
    return PairSet(tuple(records), tuple(pairs))


def _record(folder: Path, entry: dict[str, Any], annotations: dict[str, Any]) -> Record:
    category = str(entry["category"])
    points = np.array(entry["keypoints"], dtype=np.float64)
    swap = annotations["left_right_swap"][category] or ()
    box = coords.Box(*(float(edge) for edge in entry["bbox"]))
    return Record(
        image=roots.member(folder, str(entry["file"])),
        size=coords.Size(int(entry["height"]), int(entry["width"])),
        category=category,
        source_id=str(entry["source"]),
        split="test",
        names=tuple(str(name) for name in annotations["keypoint_names_inferred"][category]),
        points=points,
        visible=np.array(entry["visible"], dtype=bool),
        left_right_pairs=tuple(
            (index, int(mirrored)) for index, mirrored in enumerate(swap) if index < mirrored
        ),
        box=box,
        normalizer_px=box.longer_side,
    )
