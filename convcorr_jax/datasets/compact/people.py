"""Crops of faces with landmarks and of people with joints, from compact folders.

The folder holds ``annotations.npz``, named arrays with one row for each record, and the crops. Positions in it
are 0-based. The box is the extent of the visible points.

- *Landmarks* of faces: the 68 of 300-W, such as LFPW's and Helen's. The metric's length is the distance between
  the outer eye corners, the official normalizer of 300-W. Where the folder has the boxes of the 300-W release,
  they are the box "detector": for some 40 % of the test faces that of a face detector, for all others the
  landmarks' extent. "Left" is the viewer's.
- *Attributes* of faces: the five landmarks and the attributes of MTFL, with values as in
  `convcorr_jax.datasets.official.faces`. The metric's length is the distance between the eyes. MTFL's part has
  no official split; the folder's split divides by person. "Left" is the viewer's.
- *Joints*: the 14 of people of the Leeds Sports Pose Extended set; the crops are in ``images``. Joints that are
  not visible have no position in the source and are NaN in the records. The metric's length is the diagonal of
  the torso: left shoulder to right hip, or right shoulder to left hip where that is not annotated. "Left" is
  the person's own. The split is the folder's: LSPET has no official one.

Source: Sagonas, Tzimiropoulos, Zafeiriou, Pantic, "300 Faces in-the-Wild Challenge", ICCV-W 2013; Zhang, Luo,
Loy, Tang, "Facial Landmark Detection by Deep Multi-task Learning", ECCV 2014; Johnson, Everingham, "Learning
Effective Human Pose Estimation from Inaccurate Annotation", CVPR 2011.
"""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from convcorr_jax import coords
from convcorr_jax.datasets import loading
from convcorr_jax.datasets.official import faces, ibug
from convcorr_jax.datasets.official.faces import Markup
from convcorr_jax.datasets.official.lsp import LEFT_RIGHT_PAIRS, NAMES
from convcorr_jax.datasets.records import Record
from convcorr_jax.io import Expected, naming_file, read_arrays

FILE = "annotations.npz"
ROWS = "n"
"""The letter of the axis that counts records, in the expected shapes of arrays."""


def read_rows(
    folder: Path,
    expected: Mapping[str, Expected],
    record: Callable[[Mapping[str, Any]], Record],
    *,
    optional: Collection[str] = (),
) -> tuple[Record, ...]:
    """Make a record of every row of the arrays; messages name the file.

    Args:
        expected: the kind and the shape of every array by its name. Those whose first axis is `ROWS` are
            divided into rows.
        record: makes the record of one row. Its argument maps the name of an array to the array's row, or to
            the whole array where it is not divided.
        optional: names of arrays that the file may lack.
    """
    path = folder / FILE
    arrays = read_arrays(path, expected, optional=optional)
    divided = {name for name in arrays if expected[name].shape[0] == ROWS}
    count = len(arrays[min(divided)])
    with naming_file(path, kind="compact annotation"):
        return tuple(
            record({name: array[row] if name in divided else array for name, array in arrays.items()})
            for row in range(count)
        )


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
    """Read the faces of a folder with 68 landmarks, in the order of the file, of all splits."""
    return read_rows(
        folder,
        _LANDMARK_ARRAYS,
        lambda row: _face(folder, row, ibug.MARKUP, split=str(row["split"])),
        optional=("bbox_300w",),
    )


def read_attributes(folder: Path) -> tuple[Record, ...]:
    """Read the faces of a folder with attributes, in the order of the file, of both splits."""

    def record(row: Mapping[str, Any]) -> Record:
        names, values = row["attribute_names"].tolist(), map(float, row["attributes"])
        attributes = dict(zip(names, values, strict=True))
        return _face(folder, row, faces.MARKUP, split=str(row["suggested_split"]), attributes=attributes)

    return read_rows(folder, _ATTRIBUTE_ARRAYS, record)


def _face(
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
        image=loading.member_file(folder, file),
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
        other_boxes={} if detected is None else {"detector": coords.Box(*detected.astype(np.float64).tolist())},
        normalizer_px=float(np.linalg.norm(left - right)),
        attributes=attributes or {},
    )


_ARRAYS = {
    "image": Expected(np.str_, ("n",)),
    "split": Expected(np.str_, ("n",)),
    "joints": Expected(np.floating, ("n", 14, 2)),
    "visible": Expected(np.bool_, ("n", 14)),
    "size_wh": Expected(np.integer, ("n", 2)),
    "torso": Expected(np.floating, ("n",)),
}


def read_lspet(folder: Path) -> tuple[Record, ...]:
    """Read the people of a folder, in the order of the file, of both splits."""
    return read_rows(folder, _ARRAYS, lambda row: _person(folder, row))


def _person(folder: Path, row: Mapping[str, Any]) -> Record:
    image, visible = str(row["image"]), row["visible"]
    width, height = row["size_wh"].tolist()
    points = np.where(visible[:, None], row["joints"], np.nan).astype(np.float64)
    return Record(
        image=loading.member_file(folder / "images", image),
        size=coords.Size(height, width),
        category="person",
        source_id=image,
        split=str(row["split"]),
        names=NAMES,
        points=points,
        visible=visible,
        left_right_pairs=LEFT_RIGHT_PAIRS,
        box=coords.tight_box(points),
        normalizer_px=float(row["torso"]),
    )
