"""Backgrounds of figures, and occluders in front of them."""

import numpy as np
from jaxtyping import Float

from convcorr_jax import coords, images
from convcorr_jax.datasets.photographs import photographs, surfaces
from convcorr_jax.shapes import Image
from convcorr_jax.synthetic.rendering import palette
from convcorr_jax.synthetic.rendering.solids import Outline, Paint
from convcorr_jax.synthetic.rendering.textures import Pattern

# The fraction of backgrounds with objects; the others show a surface.
_SCENE_RATE = 0.75
# The fraction of images with an occluder.
_OCCLUDER_RATE = 0.3
_SURFACES = (Pattern.BRICK, Pattern.GRASS, Pattern.GRAVEL)


def background(size: coords.Size, rng: np.random.Generator) -> Image:
    """Cut a random part of ``size`` from a photograph or a tinted surface, mirrored half of the time."""
    if rng.uniform() < _SCENE_RATE:
        photograph = photographs()[rng.integers(len(photographs()))].image
        tint = np.ones(3)
    else:
        photograph = surfaces()[rng.integers(len(surfaces()))].image
        tint = 0.4 + 0.6 * np.array(palette.any_color(rng))
    height, width = photograph.shape[:2]
    largest = min(width / size.width, height / size.height)
    sides = largest * rng.uniform(0.4, 1.0) * np.array([size.width, size.height])
    left, top = rng.uniform(0, 1, 2) * (np.array([width, height]) - sides) - 0.5
    box = coords.Box(float(left), float(top), float(left + sides[0]), float(top + sides[1]))
    cut = images.crop_and_resize(photograph, box, size).image
    if rng.uniform() < 0.5:
        cut = images.flip(cut)
    return (cut * tint.astype(np.float32)).astype(np.uint8)


def occluders(extent: Float[np.ndarray, "n 2"], rng: np.random.Generator) -> list[Outline]:
    """Draw a pole or a boulder in front of the figure, or nothing.

    Args:
        extent: positions on the figure in its own unit, projected to the image plane.
        rng: the source of all random choices.

    Returns:
        One outline or none.
    """
    if rng.uniform() > _OCCLUDER_RATE:
        return []
    low, high = extent.min(axis=0), extent.max(axis=0)
    side = (high - low).max()
    middle = low + rng.uniform(0.1, 0.9, 2) * (high - low)
    shape = _pole(rng) if rng.uniform() < 0.5 else _boulder(rng)
    color = palette.any_color(rng)
    repeat = 0.4 * side
    paint = Paint(palette.darker(color, 0.3), color, _SURFACES[rng.integers(3)], repeat)
    return [
        Outline(
            label=None,
            polygon=middle + side * shape,
            depth=-np.inf,
            paint=paint,
            texture=np.array([[1 / repeat, 0.0, 0.0], [0.0, 1 / repeat, 0.0]]),
            across=np.zeros(3),
            shade=(1.0, 0.0, 0.0),
        )
    ]


def _pole(rng: np.random.Generator) -> np.ndarray:
    """Draw a nearly upright bar that extends beyond the image; the unit is the figure's longer side."""
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * [rng.uniform(0.03, 0.07), 2.0]
    angle = rng.normal(0, 0.3)
    cos, sin = np.cos(angle), np.sin(angle)
    return corners @ np.array([[cos, sin], [-sin, cos]])


def _boulder(rng: np.random.Generator) -> np.ndarray:
    """Draw a convex polygon of ten corners on a circle; the unit is the figure's longer side."""
    turns = np.sort(rng.uniform(0, 2 * np.pi, 10))
    return rng.uniform(0.1, 0.2) * np.stack([np.cos(turns), np.sin(turns)], axis=-1)
