"""Images with points, names, limbs and boxes drawn on them."""

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
from jaxtyping import Bool, Float, UInt8
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from convcorr_jax import coords
from convcorr_jax.report.canvas import (
    INK,
    add_panel,
    drawable,
    fit_size,
    new_figure,
    outline,
    pixels,
)
from convcorr_jax.report.colors import name_colors
from convcorr_jax.shapes import Image

# With more points, names and large dots would cover the image.
_MOST_NAMES = 30
# Positions of a name beside its point: offset in points of type, and the side that faces the point.
_NAME_PLACES = (
    ((4, 3), "left", "bottom"),
    ((-4, 3), "right", "bottom"),
    ((4, -3), "left", "top"),
    ((-4, -3), "right", "top"),
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
        image: 8-bit RGB.
        points: (x, y) in pixels of the image.
        names: written beside the points, unless they would cover other points or names.
        colors: of the points, RGB between 0 and 1; `name_colors` by default.
        hollow: True for points that are drawn as rings; by default all are dots.
        boxes: outlined boxes, in pixels of the image.
        limbs: the colour of the bold line between two points, by the points' indices.
        longest_px: the longer side of the result.
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
    """Draw dots or rings with names beside them.

    Args:
        axes: of an image panel.
        points: (x, y) in pixels of the image; absent points (NaN) are left out.
        names: written beside the points, unless they would cover other points or names.
        colors: RGB between 0 and 1.
        hollow: True for rings; by default all points are dots.
    """
    few = len(points) <= _MOST_NAMES
    size = 34 if few else 10
    rings = np.zeros(len(points), bool) if hollow is None else hollow
    filled = points[~rings].T
    rim = 0.8 if few else 0.4
    axes.scatter(*filled, s=size, c=colors[~rings], edgecolors="black", linewidths=rim, zorder=20)
    # A coloured ring between two dark lines; its inside stays visible.
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
    present = [
        (point, name)
        for point, name in zip(points, names, strict=False)
        if np.isfinite(point).all()
    ]
    dots = [
        Bbox([at - 4, at + 4])
        for at in map(axes.transData.transform, (point for point, _ in present))
    ]
    written: list[Bbox] = []
    for i, (point, name) in enumerate(present):
        label = axes.annotate(
            drawable(name),
            point,
            (0, 0),
            textcoords="offset points",
            fontsize=7,
            color=INK,
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
