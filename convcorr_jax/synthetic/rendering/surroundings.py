"""Painting of a figure over a background, and behind occluders.

Outlines are painted into a buffer of part numbers, which has `SUPERSAMPLING` x `SUPERSAMPLING` cells a pixel,
then every covered cell gets a colour. Far parts are painted first, so that the number of the nearest part stays
in a cell. The numbers give the label map and the visibility of landmarks.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image as PillowImage
from PIL import ImageDraw

from convcorr_jax import coords, images
from convcorr_jax.datasets.selection import photographs, surfaces
from convcorr_jax.shapes import Image
from convcorr_jax.synthetic.rendering import palette
from convcorr_jax.synthetic.rendering.solids import Outline, Paint
from convcorr_jax.synthetic.rendering.textures import TILE, Pattern, Rng, atlas

SUPERSAMPLING = 2
"""Cells along each side of a pixel."""


class Painted(NamedTuple):
    """An image with figures, and the topmost part of every cell.

    That is 1 + the index of the outline, 0 for the background, ``[height * SUPERSAMPLING, width *
    SUPERSAMPLING]``.
    """

    image: Image
    topmost: UInt8[np.ndarray, "rows columns"]


def paint(background: Image, outlines: Sequence[Outline], to_px: coords.Transform) -> Painted:
    """Paint at most 255 outlines over a background; later ones hide earlier ones.

    ``to_px`` maps positions in the outlines' frame to pixels of the background.
    """
    height, width = background.shape[:2]
    fine = coords.resize((height, width), (height * SUPERSAMPLING, width * SUPERSAMPLING))
    to_cells = fine @ to_px
    buffer = PillowImage.new("L", (width * SUPERSAMPLING, height * SUPERSAMPLING))
    draw = ImageDraw.Draw(buffer)
    for number, outline in enumerate(outlines, start=1):
        corners = to_cells(outline.polygon)
        draw.polygon(np.rint(corners).ravel().tolist(), fill=number)
    topmost = np.asarray(buffer)
    colors = _colors(topmost, outlines, to_cells.inverse)
    cover = PillowImage.fromarray(np.where(topmost, np.uint8(255), np.uint8(0)))
    # Cells without a part are black, so the mean of a pixel's cells is colour times opacity.
    covered = np.asarray(PillowImage.fromarray(colors).reduce(SUPERSAMPLING))
    opacity = np.asarray(cover.reduce(SUPERSAMPLING))[..., None].astype(np.uint16)
    behind = background * (255 - opacity) // 255
    return Painted((behind + covered).astype(np.uint8), topmost)


def _colors(
    topmost: UInt8[np.ndarray, "rows columns"], outlines: Sequence[Outline], to_frame: coords.Transform
) -> Image:
    """Compute the colour of every cell; black without a part."""
    parts = topmost.ravel()
    covered = np.flatnonzero(parts)
    # Sorted by part, so that a part's parameters are scalars in `_paint_part`, not lookups.
    covered = covered[np.argsort(parts[covered], kind="stable")]
    ends = np.cumsum(np.bincount(parts[covered], minlength=len(outlines) + 1))
    rows, columns = np.divmod(covered.astype(np.int32), np.int32(topmost.shape[1]))
    cells = columns.astype(np.float32), rows.astype(np.float32)
    painted = np.empty((covered.size, 3), np.uint8)
    for number, outline in enumerate(outlines, start=1):
        cut = slice(ends[number - 1], ends[number])
        if cut.stop > cut.start:
            _paint_part(painted[cut], outline, cells[0][cut], cells[1][cut], to_frame)
    colors = np.zeros((parts.size, 3), np.uint8)
    colors[covered] = painted
    return colors.reshape(*topmost.shape, 3)


def _paint_part(
    painted: UInt8[np.ndarray, "cells 3"],
    part: Outline,
    x: Float[np.ndarray, " cells"],
    y: Float[np.ndarray, " cells"],
    to_frame: coords.Transform,
) -> None:
    """Write the colours of a part's cells, at columns x and rows y of the buffer, to ``painted``."""
    maps = np.vstack([part.texture * TILE, part.across])
    offset = maps[:, :2] @ to_frame.shift + maps[:, 2]
    maps = np.column_stack([maps[:, :2] * to_frame.scale, offset]).astype(np.float32)
    column, row = (
        (horizontal * x + vertical * y + start).astype(np.int32) & (TILE - 1)
        for horizontal, vertical, start in maps[:2]
    )
    blend = atlas()[part.paint.pattern].ravel()[row * TILE + column]
    across = maps[2, 0] * x + maps[2, 1] * y + maps[2, 2]
    even, tilt, bulge = np.float32(255) * np.array(part.shade, dtype=np.float32)
    brightness = even + across * (tilt + across * bulge)
    for channel in range(3):
        first = np.float32(part.paint.first[channel])
        change = np.float32(part.paint.second[channel]) - first
        painted[:, channel] = np.clip((first + change * blend) * brightness, 0, 255)


# The fraction of backgrounds with objects; the others show a surface.
_SCENE_RATE = 0.75
# The fraction of images with an occluder.
_OCCLUDER_RATE = 0.3
_SURFACES = (Pattern.BRICK, Pattern.GRASS, Pattern.GRAVEL)


def background(size: coords.Size, rng: Rng) -> Image:
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


def occluders(extent: Float[np.ndarray, "n 2"], rng: Rng) -> list[Outline]:
    """Draw a pole or a boulder, or neither, in front of a figure's projected ``extent``, in its own unit."""
    if rng.uniform() > _OCCLUDER_RATE:
        return []
    low, high = extent.min(axis=0), extent.max(axis=0)
    side = (high - low).max()
    middle = low + rng.uniform(0.1, 0.9, 2) * (high - low)
    shape = _pole(rng) if rng.uniform() < 0.5 else _boulder(rng)
    color = palette.any_color(rng)
    repeat = 0.4 * side
    paint = Paint(palette.darken(color, 0.3), color, _SURFACES[rng.integers(3)], repeat)
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


def _pole(rng: Rng) -> np.ndarray:
    """Draw a nearly upright bar that extends beyond the image; the unit is the figure's longer side."""
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * [rng.uniform(0.03, 0.07), 2.0]
    angle = rng.normal(0, 0.3)
    cos, sin = np.cos(angle), np.sin(angle)
    return corners @ np.array([[cos, sin], [-sin, cos]])


def _boulder(rng: Rng) -> np.ndarray:
    """Draw a convex polygon of ten corners on a circle; the unit is the figure's longer side."""
    turns = np.sort(rng.uniform(0, 2 * np.pi, 10))
    return rng.uniform(0.1, 0.2) * np.stack([np.cos(turns), np.sin(turns)], axis=-1)
