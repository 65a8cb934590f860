"""PF-WILLOW from a compact folder: 70 photographs, ten keypoints each, and the 900 official pairs.

The folder holds ``annotations.json`` and the images. ``images`` lists the 70 distinct photographs of the
release's 100 files (id, file, category, source, width, height, keypoints, visible, bbox); ``pairs`` lists the
ordered pairs ``[subset, source id, target id]``; ``keypoint_names_inferred`` maps a category to the names of
its keypoints (the release itself has only part_A ... part_J); ``left_right_swap`` maps a category to the index
of every keypoint's mirror image, or to null. Coordinates are 0-based. The box is the official one, the extent
of the ten keypoints, and the metric's length its longer side. "Left" is the viewer's. Only the wine bottle has
left and right keypoints, since all other objects were mirrored to face right.

Source: Ham, Cho, Schmid, Ponce, "Proposal Flow", CVPR 2016.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from convcorr_jax import coords
from convcorr_jax.datasets import roots
from convcorr_jax.datasets.official import pf_willow
from convcorr_jax.datasets.records import Pair, PairSet, Record, own_lengths
from convcorr_jax.errors import InputError
from convcorr_jax.io import json_array, json_file
from convcorr_jax.metrics import PF_WILLOW

FILE = "annotations.json"


def read(folder: Path) -> tuple[Record, ...]:
    """Read the records of a folder, without its pairs.

    Raises:
        InputError: ``annotations.json`` is missing, damaged or of another layout; an image is missing or named
            by a path that leads out of the folder.
    """
    return read_pairs(folder).records


def read_pairs(folder: Path, *, split: str = "test") -> PairSet:
    """Read the records and pairs of a folder; all are of the split "test", as the benchmark is.

    Args:
        folder: the folder.
        split: "test".

    Raises:
        InputError: there is no such split; ``annotations.json`` is missing, damaged or of another layout; an
            image is missing or named by a path that leads out of the folder.
    """
    pf_willow.check_split(split)
    path = folder / FILE
    with json_file(path, "PF-WILLOW annotation") as annotations:
        records = [_record(folder, entry, annotations) for entry in annotations["images"]]
        position = {entry["id"]: index for index, entry in enumerate(annotations["images"])}
        pairs = [
            Pair(str(subset), position[source], position[target])
            for subset, source, target in annotations["pairs"]
        ]
    if len(position) != len(records):
        raise InputError(f"{path}: two images have the same id")
    return PairSet(tuple(records), tuple(pairs), (own_lengths(records, PF_WILLOW),))


def _record(folder: Path, entry: Mapping[str, Any], annotations: Mapping[str, Any]) -> Record:
    category = str(entry["category"])
    points = json_array(entry["keypoints"], dtype=np.float64)
    swap = annotations["left_right_swap"][category] or ()
    box = coords.Box(*(float(edge) for edge in entry["bbox"]))
    return Record(
        image=roots.member_file(folder, str(entry["file"])),
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
