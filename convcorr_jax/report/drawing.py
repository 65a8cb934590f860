"""What is drawn over photographs, and the elements of figures that are composed in pixels.

Figures have 100 pixels to the inch. Images are shrunk to their panels, so that files stay small.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from jaxtyping import Bool, Float, UInt8
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.colors import hsv_to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.patches import Rectangle
from matplotlib.transforms import Bbox

from convcorr_jax import coords, images
from convcorr_jax.metrics import limbs
from convcorr_jax.shapes import Image

# Blue for left and orange for right: distinct in every kind of colour vision.
LEFT, RIGHT, NEITHER = (0.0, 0.62, 1.0), (1.0, 0.5, 0.0), (1.0, 1.0, 1.0)
# Points and matches that are not reliable are rings of this grey.
DOUBTFUL = (0.45, 0.45, 0.45)

# A grey, which no direction has.
_UNKNOWN_FLOW = 0.8


def flow_colors(flow: Float[np.ndarray, "h w 2"], *, longest: float) -> Image:
    """Color a flow: hue is direction, saturation is ``length / longest``; no motion is white.

    Right is red, down yellow-green, left cyan, up violet: `flow_wheel` shows all directions. Displacements
    longer than ``longest`` have full saturation; unknown ones (NaN) are grey.

    >>> flow_colors(np.array([[[0.0, 0.0], [2.0, 0.0]]]), longest=2.0).tolist()
    [[[255, 255, 255], [255, 0, 0]]]
    """
    length = np.hypot(flow[..., 0], flow[..., 1])
    hue = np.arctan2(flow[..., 1], flow[..., 0]) / (2 * np.pi) % 1.0
    known = np.isfinite(length)
    saturation = np.where(known, np.minimum(length / longest, 1.0), 0.0)
    hsv = np.stack([np.where(known, hue, 0.0), saturation, np.where(known, 1.0, _UNKNOWN_FLOW)], -1)
    return np.round(255 * hsv_to_rgb(hsv)).astype(np.uint8)


def flow_wheel(side_px: int) -> Image:
    """Draw the key to `flow_colors`: a disc whose points have the colour of their offset from the centre."""
    middle = (side_px - 1) / 2
    flow = (coords.cell_grid((side_px, side_px)).astype(np.float64) - middle) / (side_px / 2)
    colors = flow_colors(flow, longest=1.0)
    colors[np.hypot(flow[..., 0], flow[..., 1]) > 1] = 255
    return colors


def position_colors(points: Float[np.ndarray, "n 2"], size: Sequence[int]) -> Float[np.ndarray, "n 3"]:
    """Color points by their position in an image of ``size`` (height, width), as RGB between 0 and 1.

    Hue changes from left to right, and colours darken towards the bottom: near points have similar colours.
    """
    height, width = size
    across = np.clip((points[:, 0] + 0.5) / width, 0, 1)
    down = np.clip((points[:, 1] + 0.5) / height, 0, 1)
    return hsv_to_rgb(np.stack([0.85 * across, 0.95 - 0.15 * down, 1.0 - 0.4 * down], axis=-1))


def name_colors(count: int) -> Float[np.ndarray, "count 3"]:
    """Return distinct colours for the points of a list, as RGB between 0 and 1."""
    # Steps of the golden ratio keep every hue far from the previous ones.
    hue = (np.arange(count) * 0.618034 + 0.02) % 1.0
    return hsv_to_rgb(np.stack([hue, np.full(count, 0.9), np.full(count, 1.0)], axis=-1))


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


def add_panel(figure: Figure, image: Image, left_top: tuple[int, int], size: coords.Size, title: str) -> Axes:
    """Draw an image at ``left_top`` of the figure in pixels; the unit of its axes is a pixel of the image."""
    left, top = left_top
    width, height = _size_px(figure)
    axes = figure.add_axes(
        (left / width, 1 - (top + size.height) / height, size.width / width, size.height / height)
    )
    edges = coords.whole_image(image.shape[:2])
    # Resampled here to the size of the panel; matplotlib would keep the whole image until it draws.
    shown, extent = images.resize(image, size).image, (edges.x0, edges.x1, edges.y1, edges.y0)
    axes.imshow(shown, extent=extent, aspect="auto", interpolation="nearest")
    axes.set_axis_off()
    axes.autoscale(False)
    if title:
        add_text(figure, (left, top - TITLE_PX / 2), title)
    return axes


def outline(axes: Axes, box: coords.Box, *, strokes: Sequence[tuple[str, float]] = BLACK_ON_WHITE) -> None:
    """Outline a box, in pixels of the image of the axes."""
    corner = (box.x0, box.y0)
    for color, line in strokes:
        axes.add_patch(Rectangle(corner, box.width, box.height, fill=False, edgecolor=color, linewidth=line))


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


# With more points, names and large dots would cover the image.
_MOST_NAMES = 30
# Positions of a name beside its point: offset in points of type, and the side that faces the point.
_NAME_PLACES = tuple(
    ((x, y), horizontal, vertical)
    for y, vertical in ((3, "bottom"), (-3, "top"))
    for x, horizontal in ((4, "left"), (-4, "right"))
)


def points_overlay(
    image: Image,
    points: Float[np.ndarray, "n 2"],
    *,
    names: Sequence[str] = (),
    colors: Float[np.ndarray, "n 3"] | None = None,
    hollow: Bool[np.ndarray, " n"] | None = None,
    boxes: Sequence[coords.Box] = (),
    limbs: Mapping[tuple[int, int], tuple[float, float, float]] | None = None,
    longest_px: int = 320,
) -> UInt8[np.ndarray, "h w 3"]:
    """Draw points on an image, resized to a longer side of ``longest_px``; absent points (NaN) are left out.

    Args:
        points: (x, y) in pixels of the image.
        names: written beside the points, unless they would cover other points or names.
        colors: of the points, RGB between 0 and 1; `name_colors` by default.
        hollow: True for points that are drawn as rings; by default all are dots.
        boxes: outlined boxes, in pixels of the image.
        limbs: the colour of the bold line between two points, by the points' indices.
    """
    size = fit_size(image.shape[:2], longest_px)
    figure = new_figure(size.width, size.height)
    axes = add_panel(figure, image, (0, 0), size, "")
    for box in boxes:
        outline(axes, box)
    if limbs:
        _draw_limbs(axes, points[np.array(list(limbs))], np.array(list(limbs.values())))
    colors = name_colors(len(points)) if colors is None else colors
    draw_points(axes, points, names=names, colors=colors, hollow=hollow)
    return pixels(figure)


def draw_points(
    axes: Axes,
    points: Float[np.ndarray, "n 2"],
    *,
    names: Sequence[str],
    colors: Float[np.ndarray, "n 3"],
    hollow: Bool[np.ndarray, " n"] | None = None,
) -> None:
    """Draw dots or rings on an image panel with names beside them, see `points_overlay`."""
    few = len(points) <= _MOST_NAMES
    size, thickness = (34, 1.0) if few else (10, 0.5)
    rings = np.zeros(len(points), bool) if hollow is None else hollow
    style: dict[str, Any] = {"c": colors[~rings], "edgecolors": "black", "linewidths": 0.8 * thickness}
    axes.scatter(*points[~rings].T, s=size, zorder=20, **style)
    # A coloured ring between two dark lines; its inside stays visible.
    for color, line in (("black", 2.8), (list(colors[rings]), 1.5)):
        style = {"facecolors": "none", "edgecolors": color, "linewidths": line * thickness}
        axes.scatter(*points[rings].T, s=1.3 * size, zorder=20, **style)
    if few:
        _names(axes, points, names)


def _draw_limbs(axes: Axes, limbs: Float[np.ndarray, "n 2 2"], colors: np.ndarray) -> None:
    """Draw bold lines from point to point; lines with an absent end (NaN) are left out."""
    for color, line in (("black", 5.0), (colors, 3.0)):
        lines = LineCollection(list(limbs), colors=color, linewidths=line, capstyle="round")
        axes.add_collection(lines, autolim=False)


def _names(axes: Axes, points: np.ndarray, names: Sequence[str]) -> None:
    """Write each name at the first of its positions that covers no dot and no other name, if there is one."""
    if not names:
        return
    renderer = FigureCanvasAgg(cast("Figure", axes.figure)).get_renderer()
    panel = axes.get_window_extent(renderer)
    present = [(point, name) for point, name in zip(points, names, strict=False) if np.isfinite(point).all()]
    dots = [Bbox([at - 4, at + 4]) for at in map(axes.transData.transform, (point for point, _ in present))]
    written: list[Bbox] = []
    for i, (point, name) in enumerate(present):
        style: dict[str, Any] = {"fontsize": 7, "color": INK, "parse_math": False, "zorder": 21}
        label = axes.annotate(drawable(name), point, (0, 0), textcoords="offset points", **style)
        label.set_path_effects([patheffects.withStroke(linewidth=2, foreground="white")])
        for offset, horizontal, vertical in _NAME_PLACES:
            label.set(position=offset, horizontalalignment=horizontal, verticalalignment=vertical)
            extent = label.get_window_extent(renderer)
            inside = panel.x0 <= extent.x0 and extent.x1 <= panel.x1
            if inside and not extent.count_overlaps([*dots[:i], *dots[i + 1 :], *written]):
                written.append(extent)
                break
        else:
            label.remove()


def skeleton(
    image: Image,
    points: Float[np.ndarray, "joints 2"],
    joints: Sequence[str],
    *,
    hollow: Bool[np.ndarray, " joints"] | None = None,
    boxes: Sequence[coords.Box] = (),
    longest_px: int = 640,
) -> UInt8[np.ndarray, "h w 3"]:
    """Draw a person's limbs and joints on an image with `points_overlay`; limbs of absent joints are left out.

    Joints of a side have names with the prefix ``l_`` or ``r_``.
    """
    sides = {"l_": LEFT, "r_": RIGHT}
    colors = [sides.get(name[:2], NEITHER) for name in joints]
    drawn = {(a, b): colors[a] if colors[a] == colors[b] else NEITHER for a, b in limbs(joints)}
    return points_overlay(
        image, points, colors=np.array(colors), hollow=hollow, boxes=boxes, limbs=drawn, longest_px=longest_px
    )
