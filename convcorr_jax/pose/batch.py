"""A batch of training examples: images or features, positions of joints, and those of people's torsos."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Float, UInt8


class Batch(NamedTuple):
    """Examples with images of one size; points are in the input frame (pixels of these images)."""

    images: UInt8[Array, "b h w 3"] | UInt8[np.ndarray, "b h w 3"]
    """8-bit RGB."""
    points: Float[Array, "b j 2"] | Float[np.ndarray, "b j 2"]
    """Joints (x, y) in pixels; NaN where missing."""
    torso: Float[Array, "b 2"] | Float[np.ndarray, "b 2"]
    """The middle of the person's torso (x, y) in pixels; NaN where unknown."""


class FeatureBatch(NamedTuple):
    """Examples of which the coarse maps of a pretrained front are known; points are in the input frame."""

    features: tuple[
        Float[Array, "b _ _ f"] | Float[np.ndarray, "b _ _ f"],
        Float[Array, "b _ _ f"] | Float[np.ndarray, "b _ _ f"],
    ]
    """The maps of `convcorr_jax.pose.front.FrontMaps.coarse`."""
    points: Float[Array, "b j 2"] | Float[np.ndarray, "b j 2"]
    """Joints (x, y) in pixels; NaN where missing."""
    torso: Float[Array, "b 2"] | Float[np.ndarray, "b 2"]
    """The middle of the person's torso (x, y) in pixels; NaN where unknown."""
