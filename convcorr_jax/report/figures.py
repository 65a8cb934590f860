"""Pictures of correspondences: matches of two photographs, points on photographs, grids.

Every function is pure: arrays in, an 8-bit RGB array or a matplotlib `Figure` out; `pixels` turns the second
into the first. Points are (x, y) in pixels of the photograph that they are drawn on. Figures are composed in
pixels, 100 to the inch, and photographs are shrunk to their panels, so that files stay light.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from jaxtyping import Bool, Float, UInt8
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.patches import Rectangle
from matplotlib.transforms import Bbox

from convcorr_jax import coords, images
from convcorr_jax.report.colors import flow_colors, flow_wheel, name_colors, position_colors
from convcorr_jax.shapes import Image

_DPI = 100
_MARGIN, _GAP, _TITLE, _LINE, _KEY = 14, 16, 20, 17, 84
_INK, _FRAME = "#222222", "#bbbbbb"
# Colours and widths that show on any photograph.
_BLACK_ON_WHITE = (("white", 2.5), ("black", 1.0))
# More names than this, and larger dots of so many points, cover the photograph that they are to explain.
_MOST_NAMES = 30
# Where a name may stand beside its point: offset in points of type, and the side that faces the point.
_NAME_PLACES = (
    ((4, 3), "left", "bottom"),
    ((-4, 3), "right", "bottom"),
    ((4, -3), "left", "top"),
    ((-4, -3), "right", "top"),
)
_NO_POINTS = np.zeros((0, 2))


def match_figure(
    a: UInt8[np.ndarray, "height_a width_a 3"],
    b: UInt8[np.ndarray, "height_b width_b 3"],
    *,
    matches_a: Float[np.ndarray, "m 2"],
    matches_b: Float[np.ndarray, "m 2"],
    a_onto_b: UInt8[np.ndarray, "height_b width_b 3"],
    flow: Float[np.ndarray, "height_a width_a 2"],
    longest: float,
    titles: tuple[str, str, str, str],
    key: str,
    caption: str = "",
    boxes: tuple[coords.Box | None, coords.Box | None] = (None, None),
    points_a: Float[np.ndarray, "n 2"] = _NO_POINTS,
    points_b: Float[np.ndarray, "n 2"] = _NO_POINTS,
    names: Sequence[str] = (),
    panel_px: int = 480,
) -> Figure:
    """Two photographs with lines between matches; below a, its flow in colour; below b, a warped onto it.

    Args:
        a: the left photograph.
        b: the right photograph.
        matches_a: ends of the lines in a, coloured by their place in it.
        matches_b: their ends in b.
        a_onto_b: a as it looks laid onto b; as large as b.
        flow: displacement of every pixel of a, NaN where there is none; as large as a.
        longest: length of the displacements at the rim of the colour wheel.
        titles: above a, b, the flow, and the warped photograph.
        key: what stands beside the colour wheel.
        caption: what stands below that.
        boxes: outlined in a and in b.
        points_a: points of a that were carried over to b; given, they stand out and the lines step back.
        points_b: their places in b.
        names: of those points.
        panel_px: the longer side of each photograph in the picture.
    """
    size_a, size_b = (_fitted(image.shape[:2], panel_px) for image in (a, b))
    row_px = max(size_a.height, size_b.height)
    left_b = _MARGIN + size_a.width + _GAP
    width = left_b + size_b.width + _MARGIN
    tops = (_MARGIN + _TITLE, _MARGIN + row_px + _GAP + 2 * _TITLE)
    figure = _figure(width, tops[1] + row_px + _GAP + _KEY)
    axes_a = _panel(figure, a, (_MARGIN, tops[0]), size_a, titles[0])
    axes_b = _panel(figure, b, (left_b, tops[0]), size_b, titles[1])
    colors = flow_colors(flow, longest=longest)
    axes_flow = _panel(figure, colors, (_MARGIN, tops[1]), size_a, titles[2])
    # Where nothing moves the flow is as white as the page.
    _outline(axes_flow, coords.whole_image(a.shape[:2]), ((_FRAME, 1.0),))
    _panel(figure, a_onto_b, (left_b, tops[1]), size_b, titles[3])
    for axes, box in zip((axes_a, axes_b), boxes, strict=True):
        if box is not None:
            _outline(axes, box)
    colors = position_colors(matches_a, a.shape[:2])
    faint = len(points_a) > 0
    _lines(figure, (axes_a, axes_b), (matches_a, matches_b), colors, faint=faint)
    colors = name_colors(len(points_a))
    _lines(figure, (axes_a, axes_b), (points_a, points_b), colors)
    for axes, points in ((axes_a, points_a), (axes_b, points_b)):
        _points(axes, points, names, colors)
    _legend(figure, tops[1] + row_px + _GAP, key, caption)
    return figure


def points_overlay(
    photograph: Image,
    points: Float[np.ndarray, "n 2"],
    *,
    names: Sequence[str] = (),
    colors: Float[np.ndarray, "n 3"] | None = None,
    hollow: Bool[np.ndarray, " n"] | None = None,
    boxes: Sequence[coords.Box] = (),
    limbs: Mapping[tuple[int, int], tuple[float, float, float]] | None = None,
    longest_px: int = 320,
) -> UInt8[np.ndarray, "h w 3"]:
    """A photograph, its longer side at ``longest_px``, with points on it; absent points (NaN) are left out.

    Args:
        photograph: 8-bit RGB.
        points: in its pixels.
        names: written beside the points, where they cover no other; none by default.
        colors: of the points, RGB between 0 and 1; `name_colors` by default.
        hollow: points drawn as rings; none by default.
        boxes: outlined, in its pixels.
        limbs: indices of points that a bold line joins, and its colour; none by default.
        longest_px: the longer side of the result.
    """
    size = _fitted(photograph.shape[:2], longest_px)
    figure = _figure(size.width, size.height)
    axes = _panel(figure, photograph, (0, 0), size, "")
    for box in boxes:
        _outline(axes, box)
    if limbs:
        _limbs(axes, points[np.array(list(limbs))], np.array(list(limbs.values())))
    _points(axes, points, names, name_colors(len(points)) if colors is None else colors, hollow)
    return pixels(figure)


def image_grid(
    rows: Sequence[Sequence[UInt8[np.ndarray, "_ _ 3"] | None]],
    *,
    row_labels: Sequence[str] = (),
    column_labels: Sequence[str] = (),
    captions: Sequence[Sequence[Sequence[str]]] = (),
    cell_px: int = 160,
) -> Figure:
    """Images in rows, as in Figure 3 of Long et al. 2014: a target, then what its neighbours make of it.

    Args:
        rows: images of any size, None for an empty place; rows may differ in length.
        row_labels: one a row, written above it.
        column_labels: one a column, written above the first row.
        captions: the lines written below each image, in rows too.
        cell_px: the longer side of each image in the picture.
    """
    columns = max((len(row) for row in rows), default=0)
    gap = 6
    above = _TITLE if column_labels else 0
    between = _TITLE if row_labels else gap
    below = _LINE * max((len(lines) for row in captions for lines in row), default=0)
    sizes = [
        [None if image is None else _fitted(image.shape[:2], cell_px) for image in row]
        for row in rows
    ]
    heights = [max((size.height for size in row if size is not None), default=0) for row in sizes]
    width = 2 * gap + columns * (cell_px + gap) - gap
    figure = _figure(width, 2 * gap + above + sum(heights) + (between + below) * len(rows))
    for column, label in enumerate(column_labels):
        middle = gap + column * (cell_px + gap) + cell_px / 2
        _text(figure, (middle, gap + above / 2), label, horizontalalignment="center")
    top = gap + above
    for i, row in enumerate(rows):
        if row_labels:
            _text(figure, (gap, top + between / 2), row_labels[i])
        top += between
        for column, (image, size) in enumerate(zip(row, sizes[i], strict=True)):
            if image is None or size is None:
                continue
            cell = gap + column * (cell_px + gap)
            _panel(figure, image, (cell + (cell_px - size.width) // 2, top), size, "")
            for number, line in enumerate(captions[i][column] if captions else ()):
                _text(figure, (cell, top + size.height + (number + 0.6) * _LINE), line)
        top += heights[i] + below
    return figure


def pixels(figure: Figure) -> Image:
    """A figure as an image."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _fitted(size: Sequence[int], longest_px: int) -> coords.Size:
    scale = longest_px / max(size)
    # A long, thin photograph still gets a strip that can be seen.
    return coords.Size(*(max(8, round(side * scale)) for side in size))


def _figure(width: int, height: int) -> Figure:
    return Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, facecolor="white")


def _panel(
    figure: Figure, image: Image, left_top: tuple[int, int], size: coords.Size, title: str
) -> Axes:
    """An image at a place of the figure; the axes then speak in the image's own pixels."""
    left, top = left_top
    width, height = _extent(figure)
    axes = figure.add_axes(
        (left / width, 1 - (top + size.height) / height, size.width / width, size.height / height)
    )
    edges = coords.whole_image(image.shape[:2])
    # Resampled here, pixel for pixel, because matplotlib would resample only when it draws.
    axes.imshow(
        images.resize(image, size).image,
        extent=(edges.x0, edges.x1, edges.y1, edges.y0),
        aspect="auto",
        interpolation="nearest",
    )
    axes.set_axis_off()
    axes.autoscale(False)
    if title:
        _text(figure, (left, top - _TITLE / 2), title)
    return axes


def _lines(
    figure: Figure,
    axes: tuple[Axes, Axes],
    ends: tuple[np.ndarray, np.ndarray],
    colors: np.ndarray,
    *,
    faint: bool = False,
) -> None:
    """Lines across two panels, with a dot at either end."""
    to_figure = figure.transFigure.inverted()
    start, end = (
        to_figure.transform(one.transData.transform(points))
        for one, points in zip(axes, ends, strict=True)
    )
    opacity = 0.3 if faint else 0.9
    segments = list(np.stack([start, end], axis=1))
    lines = LineCollection(
        segments, colors=colors, linewidths=1.1, alpha=opacity, transform=figure.transFigure
    )
    # Above the panels, which are drawn in the order of their zorder too.
    lines.set_zorder(10)
    figure.add_artist(lines)
    for one, points in zip(axes, ends, strict=True):
        one.scatter(*points.T, s=14, c=colors, edgecolors="white", linewidths=0.5, alpha=opacity)


def _points(
    axes: Axes,
    points: np.ndarray,
    names: Sequence[str],
    colors: np.ndarray,
    hollow: np.ndarray | None = None,
) -> None:
    few = len(points) <= _MOST_NAMES
    size = 34 if few else 10
    rings = np.zeros(len(points), bool) if hollow is None else hollow
    filled = points[~rings].T
    rim = 0.8 if few else 0.4
    axes.scatter(*filled, s=size, c=colors[~rings], edgecolors="black", linewidths=rim, zorder=20)
    # A ring keeps its colour between two dark lines, and what it surrounds.
    for color, line in (("black", 2.8), (list(colors[rings]), 1.5)):
        axes.scatter(
            *points[rings].T,
            s=1.3 * size,
            facecolors="none",
            edgecolors=color,
            linewidths=line if few else line / 2,
            zorder=20,
        )
    if few:
        _names(axes, points, names)


def _limbs(axes: Axes, limbs: Float[np.ndarray, "n 2 2"], colors: np.ndarray) -> None:
    """Bold lines from point to point; one with an absent end is left out."""
    for color, line in (("black", 5.0), (colors, 3.0)):
        lines = LineCollection(list(limbs), colors=color, linewidths=line, capstyle="round")
        axes.add_collection(lines, autolim=False)


def _names(axes: Axes, points: np.ndarray, names: Sequence[str]) -> None:
    """Each name at the first of its places where it covers no dot and no other name, if there is one."""
    if not names:
        return
    renderer = FigureCanvasAgg(cast("Figure", axes.figure)).get_renderer()
    panel = axes.get_window_extent(renderer)
    shown = [
        (point, name)
        for point, name in zip(points, names, strict=False)
        if np.isfinite(point).all()
    ]
    dots = [Bbox([at - 4, at + 4]) for at in map(axes.transData.transform, (p for p, _ in shown))]
    written: list[Bbox] = []
    for i, (point, name) in enumerate(shown):
        label = axes.annotate(
            _drawable(name),
            point,
            (0, 0),
            textcoords="offset points",
            fontsize=7,
            color=_INK,
            parse_math=False,
            zorder=21,
        )
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


def _outline(
    axes: Axes, box: coords.Box, strokes: Sequence[tuple[str, float]] = _BLACK_ON_WHITE
) -> None:
    corner = (box.x0, box.y0)
    for color, line in strokes:
        axes.add_patch(
            Rectangle(corner, box.width, box.height, fill=False, edgecolor=color, linewidth=line)
        )


def _legend(figure: Figure, top: int, key: str, caption: str) -> None:
    """The colour wheel with its key, and the caption."""
    side = _KEY - _MARGIN
    _panel(figure, flow_wheel(3 * side), (_MARGIN, top), coords.Size(side, side), "")
    middle = top + side / 2
    _text(figure, (_MARGIN + side + _GAP, middle - (10 if caption else 0)), key)
    _text(figure, (_MARGIN + side + _GAP, middle + 10), caption, alpha=0.7)


def _text(figure: Figure, at: tuple[float, float], text: str, **style: Any) -> None:
    width, height = _extent(figure)
    figure.text(
        at[0] / width,
        1 - at[1] / height,
        _drawable(text),
        fontsize=9,
        color=_INK,
        verticalalignment="center",
        # File names are shown as they are: a dollar sign does not begin a formula.
        parse_math=False,
        **style,
    )


def _drawable(text: str) -> str:
    """The text with a box for each character that matplotlib's own typeface lacks."""
    typeface = get_font(findfont("DejaVu Sans"))
    return "".join(c if typeface.get_char_index(ord(c)) else "\u25a1" for c in text)


def _extent(figure: Figure) -> tuple[float, float]:
    return figure.get_figwidth() * _DPI, figure.get_figheight() * _DPI
