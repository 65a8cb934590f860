"""Faces with the 68 landmarks of 300-W, from compact folders of LFPW, Helen and their like.

The folder holds ``annotations.npz`` (`_ARRAYS`) and crops of the faces. Landmarks there are 0-based
already. The box is the landmarks' extent; the metric's length is the distance of the outer eye
corners, the official 300-W normaliser; `pupil_distance` gives the other one. "Left" is the
viewer's: landmark 0, the first of the jaw, is at the left of the picture.

Source: Sagonas, Tzimiropoulos, Zafeiriou, Pantic, "300 Faces in-the-Wild Challenge", ICCV-W 2013.
"""

from pathlib import Path

import numpy as np

from convcorr_jax import coords
from convcorr_jax.datasets import roots
from convcorr_jax.datasets.official.three_hundred_w import (
    LEFT_OUTER_EYE_CORNER,
    MARKUP,
    RIGHT_OUTER_EYE_CORNER,
)
from convcorr_jax.datasets.records import Record
from convcorr_jax.errors import InputError
from convcorr_jax.io import arrays
from convcorr_jax.io.arrays import Expected

_ARRAYS = {
    "files": Expected(np.str_, ("n",)),
    "landmarks": Expected(np.floating, ("n", 68, 2)),
    "split": Expected(np.str_, ("n",)),
    "crop_size": Expected(np.integer, ("n",)),
}


def read(folder: str | Path) -> tuple[Record, ...]:
    """The faces of a compact folder, in its order, of all splits.

    Raises:
        InputError: ``annotations.npz`` is missing, cut short or of another layout, an image is
            missing or named by a path that leads out of the folder, or the outer eye corners of a
            face coincide.
    """
    folder = Path(folder)
    path = folder / "annotations.npz"
    loaded = arrays.read_arrays(path, _ARRAYS)
    columns = (
        loaded["files"].tolist(),
        loaded["landmarks"].astype(np.float64),
        loaded["split"].tolist(),
        loaded["crop_size"].tolist(),
    )
    try:
        return tuple(_record(folder, *row) for row in zip(*columns, strict=True))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _record(folder: Path, file: str, points: np.ndarray, split: str, side: int) -> Record:
    corners = points[LEFT_OUTER_EYE_CORNER] - points[RIGHT_OUTER_EYE_CORNER]
    return Record(
        image=roots.member(folder, file),
        size=coords.Size(side, side),
        category="face",
        source_id=file,
        split=split,
        names=MARKUP.names,
        points=points,
        visible=~np.isnan(points[:, 0]),
        left_right_pairs=MARKUP.left_right_pairs,
        part_sets=MARKUP.part_sets,
        box=coords.tight_box(points),
        normalizer_px=float(np.linalg.norm(corners)),
    )
