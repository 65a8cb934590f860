"""A small record."""

from typing import Any

import numpy as np

from convcorr_jax import coords
from convcorr_jax.datasets import Record


def record(name: str, category: str = "noise", **options: Any) -> Record:
    """Return a black photograph of 20 x 30 pixels, all in its box, with two keypoints."""
    shown: dict[str, Any] = {"visible": (True, True), "box": coords.Box(-0.5, -0.5, 29.5, 19.5), **options}
    return Record(
        image=np.zeros((20, 30, 3), np.uint8),
        size=coords.Size(20, 30),
        category=category,
        source_id=name,
        split="test",
        names=("a", "b"),
        points=np.array([[3.0, 4.0], [20.0, 10.0]]),
        visible=np.array(shown.pop("visible")),
        **shown,
    )
