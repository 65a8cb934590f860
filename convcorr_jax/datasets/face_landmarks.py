"""Faces with the 68 landmarks of 300-W, from prepared folders of LFPW, Helen and their like.

The folder holds ``annotations.npz`` (`_ARRAYS`) and crops of the faces. Landmarks there are 0-based
already. The box is the landmarks' extent; the metric's length is the distance of the outer eye
corners, the official 300-W normaliser; `pupil_distance` gives the other one. "Left" is the
viewer's: landmark 0, the first of the jaw, is at the left of the picture.

Source: Sagonas, Tzimiropoulos, Zafeiriou, Pantic, "300 Faces in-the-Wild Challenge", ICCV-W 2013.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Float

from convcorr_jax import coords
from convcorr_jax.datasets import arrays, roots
from convcorr_jax.datasets.arrays import Expected
from convcorr_jax.datasets.records import Record
from convcorr_jax.errors import InputError

_ARRAYS = {
    "files": Expected(np.str_, ("n",)),
    "landmarks": Expected(np.floating, ("n", 68, 2)),
    "split": Expected(np.str_, ("n",)),
    "crop_size": Expected(np.integer, ("n",)),
}

# The mark-up's groups, in order, with the names of their members from left to right or top to
# bottom.
_GROUPS = {
    "jaw": 17,
    "left_brow": 5,
    "right_brow": 5,
    "nose_bridge": 4,
    "nostril": 5,
    "left_eye": 6,
    "right_eye": 6,
    "outer_lip": 12,
    "inner_lip": 8,
}
NAMES = tuple(f"{group}_{index}" for group, count in _GROUPS.items() for index in range(count))
"""The 68 landmarks: the group, and the index in it."""

LEFT_RIGHT_PAIRS = (
    *((index, 16 - index) for index in range(8)),
    *((index, 43 - index) for index in range(17, 22)),
    *((31, 35), (32, 34)),
    *((36, 45), (37, 44), (38, 43), (39, 42), (40, 47), (41, 46)),
    *((48, 54), (49, 53), (50, 52), (55, 59), (56, 58)),
    *((60, 64), (61, 63), (65, 67)),
)
"""Landmarks that exchange places when a face is mirrored."""

LEFT_EYE = slice(36, 42)
RIGHT_EYE = slice(42, 48)
LEFT_OUTER_EYE_CORNER, RIGHT_OUTER_EYE_CORNER = 36, 45


def read(folder: str | Path) -> tuple[Record, ...]:
    """The faces of a prepared folder, in its order, of all splits.

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


def pupil_distance(points: Float[np.ndarray, "68 2"]) -> float:
    """Distance between the eye centres, each the mean of its six landmarks ("inter-pupil")."""
    return float(np.linalg.norm(points[LEFT_EYE].mean(axis=0) - points[RIGHT_EYE].mean(axis=0)))


def _record(folder: Path, file: str, points: np.ndarray, split: str, side: int) -> Record:
    corners = points[LEFT_OUTER_EYE_CORNER] - points[RIGHT_OUTER_EYE_CORNER]
    return Record(
        image=roots.member(folder, file),
        size=coords.Size(side, side),
        category="face",
        source_id=file,
        split=split,
        names=NAMES,
        points=points,
        visible=~np.isnan(points[:, 0]),
        left_right_pairs=LEFT_RIGHT_PAIRS,
        box=coords.tight_box(points),
        normalizer_px=float(np.linalg.norm(corners)),
    )
