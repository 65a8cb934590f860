"""The figure of a match between two images."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from convcorr_jax import coords
from convcorr_jax.report.drawing import (
    FRAME,
    GAP_PX,
    MARGIN_PX,
    TITLE_PX,
    add_panel,
    add_text,
    draw_points,
    fit_size,
    flow_colors,
    flow_wheel,
    name_colors,
    new_figure,
    outline,
    position_colors,
)

_LEGEND_PX = 84


@dataclass(frozen=True)
class MatchPanels:
    """The content of a `match_figure`. Points are (x, y) in pixels of the image that they are drawn on."""

    a: UInt8[np.ndarray, "height_a width_a 3"]
    b: UInt8[np.ndarray, "height_b width_b 3"]
    matches_a: Float[np.ndarray, "m 2"]
    """Ends of the lines in a, coloured by their position in it."""
    matches_b: Float[np.ndarray, "m 2"]
    a_onto_b: UInt8[np.ndarray, "height_b width_b 3"]
    """Image a warped onto b, of the size of b."""
    flow: Float[np.ndarray, "height_a width_a 2"]
    """Displacement of every pixel of a, NaN where it is unknown."""
    longest: float
    """Length of the displacements at the rim of the colour wheel, in pixels of a."""
    titles: tuple[str, str, str, str]
    """Titles of a, b, the flow and the warped image."""
    key: str
    caption: str = ""
    boxes: tuple[coords.Box | None, coords.Box | None] = (None, None)
    points_a: Float[np.ndarray, "n 2"] = field(default_factory=lambda: np.zeros((0, 2)))
    """Points of a that were transferred to b; they are drawn bold, and the other lines pale."""
    points_b: Float[np.ndarray, "n 2"] = field(default_factory=lambda: np.zeros((0, 2)))
    point_names: Sequence[str] = ()


def match_figure(panels: MatchPanels, *, panel_px: int = 480) -> Figure:
    """Draw two images with lines between matches; the flow in colour below a, a warped onto b below b."""
    a, b = panels.a, panels.b
    size_a, size_b = (fit_size(image.shape[:2], panel_px) for image in (a, b))
    row_px = max(size_a.height, size_b.height)
    left_b = MARGIN_PX + size_a.width + GAP_PX
    width = left_b + size_b.width + MARGIN_PX
    tops = (MARGIN_PX + TITLE_PX, MARGIN_PX + row_px + GAP_PX + 2 * TITLE_PX)
    bottom = tops[1] + row_px + GAP_PX
    figure = new_figure(width, bottom + _LEGEND_PX)
    titles = panels.titles
    axes_a = add_panel(figure, a, (MARGIN_PX, tops[0]), size_a, titles[0])
    axes_b = add_panel(figure, b, (left_b, tops[0]), size_b, titles[1])
    colors = flow_colors(panels.flow, longest=panels.longest)
    axes_flow = add_panel(figure, colors, (MARGIN_PX, tops[1]), size_a, titles[2])
    # Zero flow is as white as the background.
    outline(axes_flow, coords.whole_image(a.shape[:2]), strokes=((FRAME, 1.0),))
    add_panel(figure, panels.a_onto_b, (left_b, tops[1]), size_b, titles[3])
    for axes, box in zip((axes_a, axes_b), panels.boxes, strict=True):
        if box is not None:
            outline(axes, box)
    _draw_matches(figure, (axes_a, axes_b), panels)
    # The colour wheel with its key, and the caption.
    side = _LEGEND_PX - MARGIN_PX
    add_panel(figure, flow_wheel(3 * side), (MARGIN_PX, bottom), coords.Size(side, side), "")
    left, middle = MARGIN_PX + side + GAP_PX, bottom + side / 2
    add_text(figure, (left, middle - (10 if panels.caption else 0)), panels.key)
    add_text(figure, (left, middle + 10), panels.caption, alpha=0.7)
    return figure


def _draw_matches(figure: Figure, axes: tuple[Axes, Axes], panels: MatchPanels) -> None:
    """Draw the lines between matches, then those between transferred points."""
    colors = position_colors(panels.matches_a, panels.a.shape[:2])
    _draw_lines(figure, axes, (panels.matches_a, panels.matches_b), colors, pale=len(panels.points_a) > 0)
    colors = name_colors(len(panels.points_a))
    _draw_lines(figure, axes, (panels.points_a, panels.points_b), colors)
    for side, points in zip(axes, (panels.points_a, panels.points_b), strict=True):
        draw_points(side, points, names=panels.point_names, colors=colors)


def _draw_lines(
    figure: Figure,
    axes: tuple[Axes, Axes],
    ends: tuple[np.ndarray, np.ndarray],
    colors: np.ndarray,
    *,
    pale: bool = False,
) -> None:
    """Draw lines across two panels, with a dot at either end."""
    to_figure = figure.transFigure.inverted()
    start, end = (
        to_figure.transform(side.transData.transform(points)) for side, points in zip(axes, ends, strict=True)
    )
    opacity = 0.3 if pale else 0.9
    segments = list(np.stack([start, end], axis=1))
    lines = LineCollection(segments, colors=colors, linewidths=1.1, alpha=opacity, transform=figure.transFigure)
    # Above the panels, which are drawn in the order of zorder as well.
    lines.set_zorder(10)
    figure.add_artist(lines)
    for side, points in zip(axes, ends, strict=True):
        side.scatter(*points.T, s=14, c=colors, edgecolors="white", linewidths=0.5, alpha=opacity)
