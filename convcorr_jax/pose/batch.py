"""What the cascade learns from: images, where their joints are, and where the person's torso is."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Float, UInt8


class Batch(NamedTuple):
    """Examples of one size; points are in pixels of their images (the input frame)."""

    images: UInt8[Array, "b h w 3"] | UInt8[np.ndarray, "b h w 3"]
    points: Float[Array, "b j 2"] | Float[np.ndarray, "b j 2"]
    """Joints (x, y); NaN where missing."""
    torso: Float[Array, "b 2"] | Float[np.ndarray, "b 2"]
    """The middle of the person's torso; NaN where it is not given."""
