"""The figure of a match between two images."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, UInt8
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from convcorr_jax import coords
from convcorr_jax.report.drawing import (
    DOUBTFUL,
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
    verdict: str = ""
    caption: str = ""
    boxes: tuple[coords.Box | None, coords.Box | None] = (None, None)
    points_a: Float[np.ndarray, "n 2"] = field(default_factory=lambda: np.zeros((0, 2)))
    """Points of a that were transferred to b; they are drawn bold, and the other lines pale."""
    points_b: Float[np.ndarray, "n 2"] = field(default_factory=lambda: np.zeros((0, 2)))
    doubtful_matches: Bool[np.ndarray, " m"] | None = None
    """Whether each match is drawn as grey rings and a thin line; by default none is."""
    doubtful_points: Bool[np.ndarray, " n"] | None = None
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
    if panels.verdict:
        add_text(figure, (left, middle - 20), f"{panels.verdict[0].upper()}{panels.verdict[1:]}.")
    add_text(figure, (left, middle), panels.key, alpha=0.7)
    add_text(figure, (left, middle + 20), panels.caption, alpha=0.7)
    return figure


def _draw_matches(figure: Figure, axes: tuple[Axes, Axes], panels: MatchPanels) -> None:
    """Draw the lines between matches, then those between transferred points."""
    colors = position_colors(panels.matches_a, panels.a.shape[:2])
    opacity = 0.3 if len(panels.points_a) else 0.9
    ends = (panels.matches_a, panels.matches_b)
    _draw_lines(figure, axes, ends, colors, panels.doubtful_matches, opacity=opacity)
    colors = name_colors(len(panels.points_a))
    if panels.doubtful_points is not None:
        colors[panels.doubtful_points] = DOUBTFUL
    ends = (panels.points_a, panels.points_b)
    _draw_lines(figure, axes, ends, colors, panels.doubtful_points, opacity=0.9)
    for side, points in zip(axes, ends, strict=True):
        draw_points(side, points, names=panels.point_names, colors=colors, hollow=panels.doubtful_points)


def _draw_lines(
    figure: Figure,
    axes: tuple[Axes, Axes],
    ends: tuple[np.ndarray, np.ndarray],
    colors: np.ndarray,
    doubtful: np.ndarray | None,
    *,
    opacity: float,
) -> None:
    """Draw lines across two panels, with a dot at either end; doubtful ones thin and grey, with rings."""
    to_figure = figure.transFigure.inverted()
    start, end = (
        to_figure.transform(side.transData.transform(points)) for side, points in zip(axes, ends, strict=True)
    )
    doubtful = np.zeros(len(colors), bool) if doubtful is None else doubtful
    colors = np.where(doubtful[:, None], DOUBTFUL, colors)
    lines = LineCollection(
        list(np.stack([start, end], axis=1)),
        colors=colors,
        linewidths=np.where(doubtful, 0.6, 1.1),
        alpha=opacity,
        transform=figure.transFigure,
    )
    # Above the panels, which are drawn in the order of zorder as well.
    lines.set_zorder(10)
    figure.add_artist(lines)
    for side, points in zip(axes, ends, strict=True):
        inside = np.where(doubtful[:, None], (*DOUBTFUL, 0.0), np.insert(colors, 3, opacity, axis=1))
        edges = np.where(doubtful[:, None], (*DOUBTFUL, opacity), (1.0, 1.0, 1.0, opacity))
        style: dict[str, Any] = {"edgecolors": edges, "linewidths": np.where(doubtful, 0.9, 0.5)}
        side.scatter(*points.T, s=14, c=inside, **style)
