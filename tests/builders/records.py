"""Records of images in memory, and a small one."""

from typing import Any

import numpy as np

from convcorr_jax.coords import Box, Size
from convcorr_jax.datasets import Record


def record_of(image: np.ndarray, *, category: str = "noise", split: str = "train", **fields: Any) -> Record:
    """Return a record of an image; all its points with coordinates are visible."""
    if "points" in fields:
        fields.setdefault("visible", ~np.isnan(fields["points"][:, 0]))
    source_id = fields.pop("source_id", "one")
    size = Size(*image.shape[:2])
    return Record(image=image, size=size, category=category, source_id=source_id, split=split, **fields)


def record(name: str, category: str = "noise", **options: Any) -> Record:
    """Return a black photograph of 20 x 30 pixels, all in its box, with two keypoints."""
    fields = {"source_id": name, "names": ("a", "b"), "points": np.array([[3.0, 4.0], [20.0, 10.0]])}
    fields |= {"box": Box(-0.5, -0.5, 29.5, 19.5), **options}
    return record_of(np.zeros((20, 30, 3), np.uint8), category=category, split="test", **fields)
