"""Random colours and paints: realistic skin, hair and eyes, and cloth of any kind."""

import colorsys

import numpy as np

from convcorr_jax.synthetic.rendering.solids import Color, Paint
from convcorr_jax.synthetic.rendering.textures import CLOTH, Pattern, Rng

BLACK: Color = (0.06, 0.06, 0.07)
WHITE: Color = (0.95, 0.95, 0.93)

_SKIN: tuple[Color, ...] = (
    *((0.96, 0.82, 0.71), (0.89, 0.71, 0.58), (0.78, 0.57, 0.42)),
    *((0.60, 0.41, 0.28), (0.43, 0.28, 0.19), (0.29, 0.19, 0.14)),
)
_HAIR: tuple[Color, ...] = (
    *((0.10, 0.08, 0.07), (0.22, 0.14, 0.09), (0.40, 0.26, 0.15), (0.60, 0.28, 0.13)),
    *((0.80, 0.65, 0.38), (0.62, 0.61, 0.60)),
)
_IRIS: tuple[Color, ...] = ((0.30, 0.18, 0.10), (0.25, 0.42, 0.62), (0.33, 0.45, 0.25), (0.2, 0.2, 0.2))


def any_color(rng: Rng) -> Color:
    """Draw a colour of any hue, from pale to saturated and from dark to light."""
    return colorsys.hsv_to_rgb(rng.uniform(), rng.uniform(0.1, 1.0), rng.uniform(0.2, 1.0))


def darken(color: Color, factor: float) -> Color:
    """Multiply a colour by a factor."""
    return (color[0] * factor, color[1] * factor, color[2] * factor)


def skin(rng: Rng) -> Paint:
    """Draw a nearly uniform paint of one skin tone."""
    tone = _varied(_SKIN[rng.integers(len(_SKIN))], rng)
    return Paint(tone, darken(tone, 0.95), Pattern.BLOTCHES, repeat=0.5)


def hair(rng: Rng) -> Paint:
    """Draw a paint of strands of one hair colour."""
    tone = _varied(_HAIR[rng.integers(len(_HAIR))], rng)
    return Paint(darken(tone, 0.6), darken(tone, 1.3), Pattern.HAIR, repeat=0.3)


def iris(rng: Rng) -> Paint:
    """Draw the colour of an iris."""
    return plain(_IRIS[rng.integers(len(_IRIS))])


def cloth(rng: Rng, *, repeat: float) -> Paint:
    """Draw a cloth of two clearly different colours; ``repeat`` is the median period, in the figure's unit."""
    first, second = any_color(rng), any_color(rng)
    while sum(abs(a - b) for a, b in zip(first, second, strict=True)) < 0.5:
        second = any_color(rng)
    pattern = CLOTH[rng.integers(len(CLOTH))]
    size = repeat * np.exp(rng.normal(0.0, 0.3))
    return Paint(first, second, pattern, size, rng.choice([0.0, 0.0, np.pi / 4, np.pi / 2]))


def plain(color: Color) -> Paint:
    """Return a paint of one colour."""
    return Paint(color, darken(color, 0.85))


def _varied(color: Color, rng: Rng) -> Color:
    """Scale each channel by a random factor of about 6 %."""
    red, green, blue = np.clip(np.array(color) * np.exp(rng.normal(0.0, 0.06, 3)), 0.0, 1.0).tolist()
    return (red, green, blue)
