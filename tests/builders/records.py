"""Records of images in memory."""

from typing import Any

import numpy as np

from convcorr_jax.coords import Size
from convcorr_jax.datasets import Record


def record_of(image: np.ndarray, *, category: str = "noise", split: str = "train", **fields: Any) -> Record:
    """Return a record of an image; all its points with coordinates are visible."""
    if "points" in fields:
        fields.setdefault("visible", ~np.isnan(fields["points"][:, 0]))
    source_id = fields.pop("source_id", "one")
    size = Size(*image.shape[:2])
    return Record(image=image, size=size, category=category, source_id=source_id, split=split, **fields)
