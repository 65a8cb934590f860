"""Elements of figures that are composed in pixels: image panels, outlines, text.

Figures have 100 pixels to the inch. Images are shrunk to their panels, so that files stay small.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.patches import Rectangle

from convcorr_jax import coords, images
from convcorr_jax.shapes import Image

DPI = 100
MARGIN_PX, GAP_PX, TITLE_PX, LINE_PX = 14, 16, 20, 17
INK, FRAME = "#222222", "#bbbbbb"
# Colours and widths that are visible on any image.
BLACK_ON_WHITE = (("white", 2.5), ("black", 1.0))
# The least side of a panel: a long, thin image still gets a visible strip.
_LEAST_SIDE_PX = 8


def pixels(figure: Figure) -> Image:
    """Draw a figure and return it as an 8-bit RGB image."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def fit_size(size: Sequence[int], longest_px: int) -> coords.Size:
    """Return the size of a panel for an image of a size, its longer side at ``longest_px``."""
    scale = longest_px / max(size)
    return coords.Size(*(max(_LEAST_SIDE_PX, round(side * scale)) for side in size))


def new_figure(width: int, height: int) -> Figure:
    """Create an empty white figure of a size in pixels."""
    return Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="white")


def add_panel(
    figure: Figure, image: Image, left_top: tuple[int, int], size: coords.Size, title: str
) -> Axes:
    """Draw an image at a position of the figure, and return axes whose unit is a pixel of the image.

    Args:
        figure: drawn on.
        image: 8-bit RGB.
        left_top: position of the panel in pixels of the figure, from its left and top.
        size: of the panel in pixels of the figure.
        title: above the panel; none if empty.
    """
    left, top = left_top
    width, height = _size_px(figure)
    axes = figure.add_axes(
        (left / width, 1 - (top + size.height) / height, size.width / width, size.height / height)
    )
    edges = coords.whole_image(image.shape[:2])
    # Resampled here to the size of the panel; matplotlib would keep the whole image until it draws.
    axes.imshow(
        images.resize(image, size).image,
        extent=(edges.x0, edges.x1, edges.y1, edges.y0),
        aspect="auto",
        interpolation="nearest",
    )
    axes.set_axis_off()
    axes.autoscale(False)
    if title:
        add_text(figure, (left, top - TITLE_PX / 2), title)
    return axes


def outline(
    axes: Axes, box: coords.Box, *, strokes: Sequence[tuple[str, float]] = BLACK_ON_WHITE
) -> None:
    """Outline a box, in pixels of the image of the axes."""
    corner = (box.x0, box.y0)
    for color, line in strokes:
        axes.add_patch(
            Rectangle(corner, box.width, box.height, fill=False, edgecolor=color, linewidth=line)
        )


def add_text(figure: Figure, at: tuple[float, float], text: str, **style: Any) -> None:
    """Write a line of text, centred vertically, at a position in pixels from the figure's left and top."""
    width, height = _size_px(figure)
    figure.text(
        at[0] / width,
        1 - at[1] / height,
        drawable(text),
        fontsize=9,
        color=INK,
        verticalalignment="center",
        # In file names a dollar sign does not begin a formula.
        parse_math=False,
        **style,
    )


def drawable(text: str) -> str:
    """Return the text with a box for each character that matplotlib's typeface lacks."""
    typeface = get_font(findfont("DejaVu Sans"))
    return "".join(c if typeface.get_char_index(ord(c)) else "\u25a1" for c in text)


def _size_px(figure: Figure) -> tuple[float, float]:
    return figure.get_figwidth() * DPI, figure.get_figheight() * DPI
