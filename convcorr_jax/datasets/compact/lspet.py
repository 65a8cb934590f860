"""Crops of people of the Leeds Sports Pose Extended set, 14 joints each, from a compact folder.

The folder holds ``annotations.npz`` and the crops in ``images``. Joints in it are 0-based; those that are not
visible have no position in the source and are NaN in the records. The box is the extent of the visible joints.
The metric's length is the diagonal of the torso: left shoulder to right hip, or right shoulder to left hip
where that is not annotated. "Left" is the person's own. The split is the folder's: LSPET has no official one.

Source: Johnson, Everingham, "Learning Effective Human Pose Estimation from Inaccurate Annotation", CVPR 2011.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from convcorr_jax import coords
from convcorr_jax.datasets import roots
from convcorr_jax.datasets.compact import annotation_arrays
from convcorr_jax.datasets.official.lsp import LEFT_RIGHT_PAIRS, NAMES
from convcorr_jax.datasets.records import Record
from convcorr_jax.io import Expected

_ARRAYS = {
    "image": Expected(np.str_, ("n",)),
    "split": Expected(np.str_, ("n",)),
    "joints": Expected(np.floating, ("n", 14, 2)),
    "visible": Expected(np.bool_, ("n", 14)),
    "size_wh": Expected(np.integer, ("n", 2)),
    "torso": Expected(np.floating, ("n",)),
}


def read(folder: Path) -> tuple[Record, ...]:
    """Read the people of a folder, in the order of the file, of both splits.

    Raises:
        InputError: ``annotations.npz`` is missing, damaged or of another layout; an image is missing or named
            by a path that leads out of the folder; a person has no visible joint or no torso.
    """
    return annotation_arrays.read(folder, _ARRAYS, lambda row: _record(folder, row))


def _record(folder: Path, row: Mapping[str, Any]) -> Record:
    image, visible = str(row["image"]), row["visible"]
    width, height = row["size_wh"].tolist()
    points = np.where(visible[:, None], row["joints"], np.nan).astype(np.float64)
    return Record(
        image=roots.member_file(folder / "images", image),
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
