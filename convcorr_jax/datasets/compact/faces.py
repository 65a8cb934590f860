"""Crops of faces with landmarks, from compact folders in one of two layouts.

The folder holds ``annotations.npz`` and the crops. Landmarks in it are 0-based. The box is the extent of the
landmarks. "Left" is the viewer's.

- *Landmarks*: the 68 of 300-W, such as LFPW's and Helen's. The metric's length is the distance between the
  outer eye corners, the official normalizer of 300-W. Where the folder has the boxes of the 300-W release, they
  are the box "detector": for some 40 % of the test faces that of a face detector, for all others the
  landmarks' extent.
- *Attributes*: the five landmarks and the attributes of MTFL, with values as in
  `convcorr_jax.datasets.official.mtfl`. The metric's length is the distance between the eyes. MTFL's part has
  no official split; the folder's split divides by person.

Sources: Sagonas, Tzimiropoulos, Zafeiriou, Pantic, "300 Faces in-the-Wild Challenge", ICCV-W 2013; Zhang, Luo,
Loy, Tang, "Facial Landmark Detection by Deep Multi-task Learning", ECCV 2014.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from convcorr_jax import coords
from convcorr_jax.datasets import roots
from convcorr_jax.datasets.compact import annotation_arrays
from convcorr_jax.datasets.official import mtfl, three_hundred_w
from convcorr_jax.datasets.official.faces import Markup
from convcorr_jax.datasets.records import Record
from convcorr_jax.io import Expected

_LANDMARK_ARRAYS = {
    "files": Expected(np.str_, ("n",)),
    "landmarks": Expected(np.floating, ("n", 68, 2)),
    "split": Expected(np.str_, ("n",)),
    "crop_size": Expected(np.integer, ("n",)),
    "bbox_300w": Expected(np.floating, ("n", 4)),
}
_ATTRIBUTE_ARRAYS = {
    "files": Expected(np.str_, ("n",)),
    "landmarks": Expected(np.floating, ("n", 5, 2)),
    "attributes": Expected(np.integer, ("n", "m")),
    "attribute_names": Expected(np.str_, ("m",)),
    "suggested_split": Expected(np.str_, ("n",)),
    "crop_size": Expected(np.integer, ("n",)),
}


def read_landmarks(folder: Path) -> tuple[Record, ...]:
    """Read the faces of a folder with 68 landmarks, in the order of the file, of all splits.

    Raises:
        InputError: ``annotations.npz`` is missing, damaged or of another layout; an image is missing or named
            by a path that leads out of the folder; the outer eye corners of a face coincide.
    """
    return annotation_arrays.read(
        folder,
        _LANDMARK_ARRAYS,
        lambda row: _record(folder, row, three_hundred_w.MARKUP, split=str(row["split"])),
        optional=("bbox_300w",),
    )


def read_attributes(folder: Path) -> tuple[Record, ...]:
    """Read the faces of a folder with attributes, in the order of the file, of both splits.

    Raises:
        InputError: ``annotations.npz`` is missing, damaged or of another layout; an image is missing or named
            by a path that leads out of the folder; the eyes of a face coincide.
    """

    def record(row: Mapping[str, Any]) -> Record:
        names, values = row["attribute_names"].tolist(), map(float, row["attributes"])
        attributes = dict(zip(names, values, strict=True))
        split = str(row["suggested_split"])
        return _record(folder, row, mtfl.MARKUP, split=split, attributes=attributes)

    return annotation_arrays.read(folder, _ATTRIBUTE_ARRAYS, record)


def _record(
    folder: Path,
    row: Mapping[str, Any],
    markup: Markup,
    *,
    split: str,
    attributes: Mapping[str, float] | None = None,
) -> Record:
    file, side = str(row["files"]), int(row["crop_size"])
    points = row["landmarks"].astype(np.float64)
    detected = row.get("bbox_300w")
    left, right = (points[list(eye)].mean(axis=0) for eye in markup.eyes)
    return Record(
        image=roots.member_file(folder, file),
        size=coords.Size(side, side),
        category="face",
        source_id=file,
        split=split,
        names=markup.names,
        points=points,
        visible=~np.isnan(points[:, 0]),
        left_right_pairs=markup.left_right_pairs,
        part_sets=markup.part_sets,
        box=coords.tight_box(points),
        other_boxes={}
        if detected is None
        else {"detector": coords.Box(*detected.astype(np.float64).tolist())},
        normalizer_px=float(np.linalg.norm(left - right)),
        attributes=attributes or {},
    )
