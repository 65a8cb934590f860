"""Painting a figure: outlines into a buffer of part numbers, then the colour of every covered cell.

The buffer has `SUPERSAMPLING` cells a pixel and side. Far parts are painted first, so a cell ends
up with the part that is nearest; what shows there gives the label map and the visibility of
landmarks.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw

from convcorr_jax import coords
from convcorr_jax.shapes import Image
from convcorr_jax.synthetic.rendering.solids import Outline
from convcorr_jax.synthetic.rendering.textures import TILE, atlas

SUPERSAMPLING = 2


class Painted(NamedTuple):
    """A picture with figures on it, and what shows where."""

    image: Image
    shown: np.ndarray
    """``[height * SUPERSAMPLING, width * SUPERSAMPLING]`` uint8: 1 + index of the outline that
    shows
    in a cell, 0 for the background."""


def paint(background: Image, outlines: Sequence[Outline], place: coords.Transform) -> Painted:
    """Paint outlines, in the order given, over a background.

    ``place`` takes positions in the outlines' frame to pixels of the background.
    """
    height, width = background.shape[:2]
    fine = coords.resize((height, width), (height * SUPERSAMPLING, width * SUPERSAMPLING))
    to_cells = coords.compose(fine, place)
    buffer = PillowImage.new("L", (width * SUPERSAMPLING, height * SUPERSAMPLING))
    draw = ImageDraw.Draw(buffer)
    for number, outline in enumerate(outlines, start=1):
        corners = coords.apply(to_cells, outline.polygon)
        draw.polygon(np.rint(corners).ravel().tolist(), fill=number)
    shown = np.asarray(buffer)
    colors = _colors(shown, outlines, coords.invert(to_cells))
    cover = PillowImage.fromarray(np.where(shown, np.uint8(255), np.uint8(0)))
    # Cells without a part are black, so averaging them in gives colour times cover.
    covered = np.asarray(PillowImage.fromarray(colors).reduce(SUPERSAMPLING))
    opacity = np.asarray(cover.reduce(SUPERSAMPLING))[..., None].astype(np.uint16)
    behind = background * (255 - opacity) // 255
    return Painted((behind + covered).astype(np.uint8), shown)


def _colors(shown: np.ndarray, outlines: Sequence[Outline], to_frame: coords.Transform) -> Image:
    """The colour of every cell, black where nothing is painted."""
    parts = shown.ravel()
    covered = np.flatnonzero(parts)
    # Cells of one part next to each other: then a part's numbers are scalars, not lookups.
    covered = covered[np.argsort(parts[covered], kind="stable")]
    ends = np.cumsum(np.bincount(parts[covered], minlength=len(outlines) + 1))
    rows, columns = np.divmod(covered.astype(np.int32), np.int32(shown.shape[1]))
    cells = columns.astype(np.float32), rows.astype(np.float32)
    painted = np.empty((covered.size, 3), np.uint8)
    for number, outline in enumerate(outlines, start=1):
        cut = slice(ends[number - 1], ends[number])
        if cut.stop > cut.start:
            _paint_part(painted[cut], outline, cells[0][cut], cells[1][cut], to_frame)
    colors = np.zeros((parts.size, 3), np.uint8)
    colors[covered] = painted
    return colors.reshape(*shown.shape, 3)


def _paint_part(
    painted: np.ndarray, part: Outline, x: np.ndarray, y: np.ndarray, to_frame: coords.Transform
) -> None:
    """Write the colours of a part's cells, whose positions in the buffer are given."""
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
