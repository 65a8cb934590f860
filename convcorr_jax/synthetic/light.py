"""The same scene in another light, taken by another camera: pixels change, points do not.

`GENERATOR_VERSION` changes whenever anything that `convcorr_jax.synthetic` generates does.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from PIL import Image as PillowImage
from PIL import ImageFilter

from convcorr_jax.shapes import Image

GENERATOR_VERSION = 1
"""Version of the rendered instances and warped pairs.

Increase it with every change of the pixels or annotations that a seed gives, so that results and caches
computed from the old ones are not mixed with new ones. A test compares small instances of every category with
stored values.
"""


# The standard deviation of the sum of two uniformly distributed bytes.
_GRAIN_SPREAD = np.sqrt(2 * (256**2 - 1) / 12)


class Light(NamedTuple):
    """The spread of random changes of light and camera; 0 turns a change off."""

    exposure: float = 0.1
    """Standard deviation of the log of the brightness."""
    tint: float = 0.06
    """Standard deviation of the log of each channel's own brightness."""
    gamma: float = 0.15
    """Standard deviation of the log of the exponent."""
    gradient: float = 0.3
    """Greatest relative change of brightness from one border to the opposite one, along a random direction."""
    blur_px: float = 0.8
    """Greatest radius of the lens's box blur in pixels."""
    noise: float = 6.0
    """Greatest standard deviation of the noise in grey levels."""


def relight(image: Image, rng: np.random.Generator, light: Light) -> Image:
    """Compute ``noise + gradient * gain * blur(image) ** gamma`` with parameters drawn from the spreads."""
    gain = np.exp(rng.normal(0.0, light.exposure) + rng.normal(0.0, light.tint, 3))
    gamma = np.exp(rng.normal(0.0, light.gamma))
    slope = rng.uniform(0.0, light.gradient)
    direction = rng.uniform(0.0, 2.0 * np.pi)
    blur_px = rng.uniform(0.0, light.blur_px)
    noise = rng.uniform(0.0, light.noise)

    levels = np.arange(256) / 255.0
    curve = 255.0 * gain[:, None] * levels**gamma
    table = np.clip(curve, 0.0, 255.0).round().astype(np.uint8)
    developed = PillowImage.fromarray(image).filter(ImageFilter.BoxBlur(blur_px))
    developed = developed.point(table.reshape(-1).tolist())
    pixels = np.asarray(developed).astype(np.float32)

    height, width = image.shape[:2]
    across = np.linspace(-0.5, 0.5, width) * np.cos(direction)
    down = np.linspace(-0.5, 0.5, height) * np.sin(direction)
    gradient = 1.0 + slope * (across[None, :] + down[:, None])
    pixels *= gradient[..., None].astype(np.float32)
    pixels += np.float32(noise / _GRAIN_SPREAD) * _grain(image.shape, rng)
    return np.clip(pixels + 0.5, 0.0, 255.0).astype(np.uint8)


def _grain(shape: tuple[int, ...], rng: np.random.Generator) -> Float[np.ndarray, "height width 3"]:
    """Draw centred triangular noise, which replaces normal noise at a quarter of its cost."""
    first, second = rng.integers(0, 256, (2, *shape), dtype=np.uint8)
    return first.astype(np.float32) + second - 255
