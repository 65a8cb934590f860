"""Faces of LFW with MTFL's labels and five landmarks, from a compact folder.

The folder holds ``annotations.npz`` (`_ARRAYS`) and crops of the faces. What the attributes' values
mean, and whose left is left, `convcorr_jax.datasets.official.mtfl` says. The metric's length is the
distance of the eyes. MTFL's part has no official split; the folder's is by person.

Source: Zhang, Luo, Loy, Tang, "Facial Landmark Detection by Deep Multi-task Learning", ECCV 2014.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from convcorr_jax import coords
from convcorr_jax.datasets import roots
from convcorr_jax.datasets.official.mtfl import MARKUP
from convcorr_jax.datasets.records import Record
from convcorr_jax.errors import InputError
from convcorr_jax.io import arrays
from convcorr_jax.io.arrays import Expected

_ARRAYS = {
    "files": Expected(np.str_, ("n",)),
    "landmarks": Expected(np.floating, ("n", 5, 2)),
    "attributes": Expected(np.integer, ("n", "m")),
    "attribute_names": Expected(np.str_, ("m",)),
    "suggested_split": Expected(np.str_, ("n",)),
    "crop_size": Expected(np.integer, ("n",)),
}


def read(folder: Path) -> Iterator[Record]:
    """The faces of a compact folder, in its order, of both splits.

    Raises:
        InputError: ``annotations.npz`` is missing, cut short or of another layout, an image is
            missing or named by a path that leads out of the folder, or the eyes of a face coincide.
    """
    path = folder / "annotations.npz"
    loaded = arrays.read_arrays(path, _ARRAYS)
    names = loaded["attribute_names"].tolist()
    columns = (
        loaded["files"].tolist(),
        loaded["landmarks"].astype(np.float64),
        loaded["attributes"].tolist(),
        loaded["suggested_split"].tolist(),
        loaded["crop_size"].tolist(),
    )
    for file, points, attributes, split, side in zip(*columns, strict=True):
        try:
            yield Record(
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
                normalizer_px=float(np.linalg.norm(points[0] - points[1])),
                attributes=dict(zip(names, map(float, attributes), strict=True)),
            )
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
