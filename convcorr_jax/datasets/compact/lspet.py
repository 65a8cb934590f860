"""People of the Leeds Sports Pose Extended set, 14 joints each, from a compact folder.

The folder holds ``annotations.npz`` (`_ARRAYS`) and an ``images`` folder of crops. Joints that are
not visible have no position in the source and are NaN here. The box is the extent of the visible
joints; the metric's length is the torso diagonal (left shoulder to right hip, else the other).
"Left" is the person's own. The split is the compact folder's: LSPET has no official one.

Source: Johnson, Everingham, "Learning Effective Human Pose Estimation from Inaccurate Annotation",
CVPR 2011.
"""

from pathlib import Path

import numpy as np

from convcorr_jax import coords
from convcorr_jax.datasets import roots
from convcorr_jax.datasets.official.lsp import LEFT_RIGHT_PAIRS, NAMES
from convcorr_jax.datasets.records import Record
from convcorr_jax.errors import InputError
from convcorr_jax.io import arrays
from convcorr_jax.io.arrays import Expected

_ARRAYS = {
    "image": Expected(np.str_, ("n",)),
    "split": Expected(np.str_, ("n",)),
    "joints": Expected(np.floating, ("n", 14, 2)),
    "visible": Expected(np.bool_, ("n", 14)),
    "size_wh": Expected(np.integer, ("n", 2)),
    "torso": Expected(np.floating, ("n",)),
}


def read(folder: str | Path) -> tuple[Record, ...]:
    """The people of a compact folder, in its order, of both splits.

    Raises:
        InputError: ``annotations.npz`` is missing, cut short or of another layout, an image is
            missing or named by a path that leads out of the folder, or a person has no visible
            joint or no torso.
    """
    folder = Path(folder)
    path = folder / "annotations.npz"
    loaded = arrays.read_arrays(path, _ARRAYS)
    points = np.where(loaded["visible"][..., None], loaded["joints"], np.nan).astype(np.float64)
    columns = (
        loaded["image"].tolist(),
        loaded["split"].tolist(),
        points,
        loaded["visible"],
        loaded["size_wh"].tolist(),
        loaded["torso"].tolist(),
    )
    try:
        return tuple(_record(folder, *row) for row in zip(*columns, strict=True))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _record(
    folder: Path,
    image: str,
    split: str,
    points: np.ndarray,
    visible: np.ndarray,
    size_wh: list[int],
    torso: float,
) -> Record:
    width, height = size_wh
    return Record(
        image=roots.member(folder / "images", image),
        size=coords.Size(height, width),
        category="person",
        source_id=image,
        split=split,
        names=NAMES,
        points=points,
        visible=visible,
        left_right_pairs=LEFT_RIGHT_PAIRS,
        box=coords.tight_box(points),
        normalizer_px=torso,
    )
