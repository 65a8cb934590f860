"""Painting of a figure: outlines into a buffer of part numbers, then the colour of every covered cell.

The buffer has `SUPERSAMPLING` x `SUPERSAMPLING` cells a pixel. Far parts are painted first, so that the
number of the nearest part stays in a cell. The numbers give the label map and the visibility of landmarks.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image as PillowImage
from PIL import ImageDraw

from convcorr_jax import coords
from convcorr_jax.shapes import Image
from convcorr_jax.synthetic.rendering.solids import Outline
from convcorr_jax.synthetic.rendering.textures import TILE, atlas

SUPERSAMPLING = 2
"""Cells along each side of a pixel."""


class Painted(NamedTuple):
    """An image with figures, and the topmost part of every cell."""

    image: Image
    """8-bit RGB, ``[height, width, 3]``."""
    topmost: UInt8[np.ndarray, "rows columns"]
    """1 + the index of the topmost outline of every cell, 0 for the background.

    The shape is ``[height * SUPERSAMPLING, width * SUPERSAMPLING]``.
    """


def paint(background: Image, outlines: Sequence[Outline], to_px: coords.Transform) -> Painted:
    """Paint outlines over a background.

    Args:
        background: 8-bit RGB, ``[height, width, 3]``.
        outlines: at most 255 outlines; later ones hide earlier ones.
        to_px: maps positions in the outlines' frame to pixels of the background.
    """
    height, width = background.shape[:2]
    fine = coords.resize((height, width), (height * SUPERSAMPLING, width * SUPERSAMPLING))
    to_cells = coords.compose(fine, to_px)
    buffer = PillowImage.new("L", (width * SUPERSAMPLING, height * SUPERSAMPLING))
    draw = ImageDraw.Draw(buffer)
    for number, outline in enumerate(outlines, start=1):
        corners = coords.apply(to_cells, outline.polygon)
        draw.polygon(np.rint(corners).ravel().tolist(), fill=number)
    topmost = np.asarray(buffer)
    colors = _colors(topmost, outlines, coords.invert(to_cells))
    cover = PillowImage.fromarray(np.where(topmost, np.uint8(255), np.uint8(0)))
    # Cells without a part are black, so the mean of a pixel's cells is colour times opacity.
    covered = np.asarray(PillowImage.fromarray(colors).reduce(SUPERSAMPLING))
    opacity = np.asarray(cover.reduce(SUPERSAMPLING))[..., None].astype(np.uint16)
    behind = background * (255 - opacity) // 255
    return Painted((behind + covered).astype(np.uint8), topmost)


def _colors(
    topmost: UInt8[np.ndarray, "rows columns"],
    outlines: Sequence[Outline],
    to_frame: coords.Transform,
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
    """Write the colours of a part's cells.

    Args:
        painted: the array to write to.
        part: the outline of the part.
        x: the cells' columns in the buffer.
        y: the cells' rows in the buffer.
        to_frame: maps cells of the buffer to positions in the outlines' frame.
    """
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
