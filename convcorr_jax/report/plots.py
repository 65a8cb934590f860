"""Plots: curves, training runs, confusion matrices, histograms; tables of scores; images and arrays as text.

The functions take arrays and return a matplotlib `Figure`, which `pixels` converts to an image.
"""

import base64
import functools
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator, PercentFormatter, ScalarFormatter
from PIL import Image as PillowImage
from rich.box import SIMPLE
from rich.table import Table

from convcorr_jax.errors import InputError
from convcorr_jax.io import read_image
from convcorr_jax.metrics import JointTable, Protocol
from convcorr_jax.report.drawing import pixels
from convcorr_jax.shapes import Image

_DPI = 100
# Names of more rows, and numbers in cells of more rows, would be illegible.
_MOST_NAMES = 40
_MOST_WRITTEN = 20


def _labelled(
    axes: Axes, x: str, y: str = "", *, fractions: bool = True, decimals: int | None = None, **legend: Any
) -> None:
    """Finish axes with labels, percentages for fractions, a grid and a legend."""
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    if fractions:
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=decimals))
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, **legend)


def curves(
    x: Sequence[float],
    ys: Mapping[str, Sequence[float]],
    *,
    x_label: str,
    y_label: str,
    dashed: Sequence[str] = (),
) -> Figure:
    """Draw values between 0 and 1 over a logarithmic axis, one line for each name, marked at its maximum."""
    figure = Figure(figsize=(7.2, 4.6), dpi=_DPI, layout="constrained")
    axes = figure.add_subplot()
    for number, (name, values) in enumerate(ys.items()):
        style = "--" if name in dashed else "-"
        best = int(np.argmax(np.nan_to_num(values, nan=-np.inf)))
        axes.plot(x, values, style, color=f"C{number % 10}", label=name, linewidth=1.6)
        axes.plot(x[best], values[best], "o", color=f"C{number % 10}", markersize=5)
    axes.set_xscale("log")
    _labelled(axes, x_label, y_label, loc="center left", bbox_to_anchor=(1.01, 0.5))
    return figure


def cumulative_curves(
    x: Float[np.ndarray, " x"], ys: Mapping[str, Float[np.ndarray, " x"]], *, x_label: str, y_label: str
) -> Figure:
    """Draw cumulative fractions between 0 and 1 over rising thresholds, one line for each name."""
    figure = Figure(figsize=(6.4, 4.4), dpi=_DPI, layout="constrained")
    axes = figure.add_subplot()
    for name, values in ys.items():
        axes.plot(x, values, label=name, linewidth=1.6)
    axes.set_xlim(float(x[0]), float(x[-1]))
    axes.set_ylim(0, 1)
    _labelled(axes, x_label, y_label)
    return figure


def interval_curves(
    x: Sequence[float],
    ys: Mapping[str, Sequence[float]],
    intervals: Mapping[str, Sequence[Sequence[float]]],
    *,
    x_label: str,
    y_label: str,
) -> Figure:
    """Draw values of at least 0 with their intervals (lower, upper) over a rising x, one line for each name."""
    figure = Figure(figsize=(6.4, 4.4), dpi=_DPI, layout="constrained")
    axes = figure.add_subplot()
    for name, values in ys.items():
        (line,) = axes.plot(x, values, "o-", label=name, linewidth=1.6, markersize=4)
        low, high = np.transpose(intervals[name])
        axes.fill_between(x, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
    axes.set_xticks(x)
    axes.set_ylim(bottom=0)
    _labelled(axes, x_label, y_label, fractions=False)
    return figure


def shares_over_costs(
    places: Mapping[str, tuple[float, float]],
    intervals: Mapping[str, Sequence[float]],
    *,
    x_label: str,
    y_label: str,
) -> Figure:
    """Draw names at their (cost, share), with the shares' intervals (lower, upper), over a logarithmic axis."""
    figure = Figure(figsize=(6.4, 4.4), dpi=_DPI, layout="constrained")
    axes = figure.add_subplot()
    for name, (cost, share) in places.items():
        low, high = intervals[name]
        axes.errorbar(cost, share, [[share - low], [high - share]], fmt="o", capsize=3, label=name)
    axes.set_xscale("log")
    _labelled(axes, x_label, y_label)
    return figure


def confusions(tables: Mapping[str, Int[np.ndarray, "types types"]], *, names: Sequence[str]) -> Figure:
    """Draw confusion matrices: true types in rows, predicted ones in columns, as percentages of each row."""
    side = min(max(3.2, 0.36 * len(names)), 9.0)
    figure = Figure(figsize=(len(tables) * (side + 1.6), side + 3.0), dpi=_DPI, layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(tables), sharey=True))
    for axes, (title, counts) in zip(panels, tables.items(), strict=True):
        fractions = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        axes.imshow(fractions, cmap="Greys", vmin=0, vmax=1)
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("taken for", fontsize=9)
        if len(names) <= _MOST_NAMES:
            axes.set_xticks(range(len(names)), names, rotation=90, fontsize=8)
            axes.set_yticks(range(len(names)), names, fontsize=8)
        if len(names) <= _MOST_WRITTEN:
            for row, column in np.argwhere(fractions > 0.005):
                share = fractions[row, column]
                color = "white" if share > 0.5 else "black"
                axes.text(
                    column, row, f"{100 * share:.0f}", ha="center", va="center", fontsize=6.5, color=color
                )
    return figure


def place_histograms(
    rows: Mapping[str, Mapping[str, Int[np.ndarray, "side side"]]], *, captions: Mapping[str, Mapping[str, str]]
) -> Figure:
    """Draw counts on the pixels of square windows, centred at the origin; darker is more."""
    columns = max(len(row) for row in rows.values())
    figure = Figure(figsize=(2.5 * columns + 0.4, 2.75 * len(rows)), dpi=_DPI, layout="constrained")
    panels = figure.subplots(len(rows), columns, squeeze=False)
    for (row, histograms), line in zip(rows.items(), panels, strict=True):
        for (column, counts), axes in zip(histograms.items(), line, strict=True):
            reach = counts.shape[0] / 2
            axes.imshow(counts, cmap="Greys", extent=(-reach, reach, reach, -reach))
            axes.axhline(0, color="C3", linewidth=0.4)
            axes.axvline(0, color="C3", linewidth=0.4)
            axes.set_title(f"{column}, {row}", fontsize=9)
            axes.set_xlabel(captions[row][column], fontsize=8)
            axes.tick_params(labelsize=7)
            for axis in (axes.xaxis, axes.yaxis):
                axis.set_major_locator(MaxNLocator(4, integer=True))
    return figure


def training_curves(
    errors: Mapping[str, Sequence[tuple[int, float]]],
    fractions: Mapping[str, Sequence[tuple[int, float]]],
    *,
    dashed: Sequence[str] = (),
    phases: Mapping[str, int],
) -> Figure:
    """Draw a training run over its steps: positive errors above, fractions of correct keypoints below.

    Lines are pairs of step and value by name; phases are their last steps by name, every second one is shaded.
    """
    figure = Figure(figsize=(8.4, 6.4), dpi=_DPI, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    for axes, lines in ((above, errors), (below, fractions)):
        for number, (name, points) in enumerate(lines.items()):
            steps, values = zip(*points, strict=True)
            style = "--" if name in dashed else "-"
            # A single point has no line; its marker shows it.
            axes.plot(steps, values, style, color=f"C{number}", label=name, marker=".", markersize=3)
        start = 0
        for number, end in enumerate(phases.values()):
            if number % 2:
                axes.axvspan(start, end, color="0.93", zorder=0)
            start = end
        axes.grid(alpha=0.3)
        if lines:
            axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    start = 0
    for name, end in phases.items():
        above.text((start + end) / 2, 1.01, name, transform=above.get_xaxis_transform(), ha="center")
        start = end
    # The names stand above the axes only if the axes begin at step 0.
    above.set_xlim(0, max(start, 1))
    above.set_yscale("log")
    above.set_ylabel("error")
    below.set_ylim(0, 1)
    below.yaxis.set_major_formatter(PercentFormatter(1.0))
    below.set_ylabel("PCK on validation")
    below.set_xlabel("step")
    return figure


def pck_curves(
    panels: Mapping[str, Mapping[str, Sequence[float]]], *, alphas: Sequence[float], x_label: str = "alpha"
) -> Figure:
    """Draw PCK between 0 and 1 over rising alphas, one line for each name, in panels by title, side by side."""
    figure = Figure(figsize=(1.0 + 5.2 * len(panels), 4.6), dpi=_DPI, layout="constrained")
    axes_of = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, (title, lines) in zip(axes_of, panels.items(), strict=True):
        for number, (name, values) in enumerate(lines.items()):
            # There are ten colours; the next ten lines are dashed.
            style = "-" if number < 10 else "--"
            axes.plot(alphas, values, style, color=f"C{number % 10}", label=name, linewidth=1.6)
        axes.set_title(title, fontsize=10)
        axes.set_xlim(alphas[0], alphas[-1])
        axes.set_ylim(0, 1)
        _labelled(axes, x_label, fontsize=8, loc="best")
    axes_of[0].set_ylabel("PCK")
    return figure


def learning_curve(
    images: Sequence[int],
    errors: Mapping[str, Sequence[float]],
    *,
    published: tuple[str, int, float] | None = None,
    y_label: str,
) -> Figure:
    """Draw errors over a logarithmic axis of numbers of training images, one line for each name.

    A published result (name, number of images, error) is drawn as a star.
    """
    figure = Figure(figsize=(6.4, 4.2), dpi=_DPI, layout="constrained")
    axes = figure.add_subplot()
    for name, values in errors.items():
        axes.plot(images, values, "o-", label=name, linewidth=1.6, markersize=4)
    ticks = list(images)
    if published is not None:
        name, count, error = published
        axes.plot([count], [error], "k*", label=name, markersize=10, linestyle="none")
        ticks.append(count)
    axes.set_xscale("log")
    axes.set_xticks(ticks)
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_ylim(bottom=0)
    _labelled(axes, "training images", y_label, fractions=False)
    return figure


def error_histograms(
    panels: Mapping[str, Mapping[str, Float[np.ndarray, " bins"]]],
    *,
    errors_px: Int[np.ndarray, " bins"],
    x_label: str,
) -> Figure:
    """Draw fractions of joints over their error, one outline for each name, in panels with equal axes.

    The errors are consecutive whole numbers of pixels.
    """
    figure = Figure(figsize=(1.0 + 4.2 * len(panels), 3.8), dpi=_DPI, layout="constrained")
    axes_of = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    edges = np.append(errors_px, errors_px[-1] + 1) - 0.5
    for axes, (title, lines) in zip(axes_of, panels.items(), strict=True):
        for number, (name, fractions) in enumerate(lines.items()):
            axes.stairs(fractions, edges, color=f"C{number}", label=name, linewidth=1.6)
        axes.set_title(title, fontsize=10)
        axes.set_xlim(edges[0], edges[-1])
        _labelled(axes, x_label, decimals=0, fontsize=8)
    axes_of[0].set_ylabel("joints")
    return figure


# Photographs at this quality show no artefacts at the size of the page.
_QUALITY = 82
# The most pixels of an embedded figure, twice the width of the page's column for sharp screens.
_MAX_WIDTH_PX, _MAX_HEIGHT_PX = 1600, 2400
# Charts have at least this share of white pixels, photographs and their grids a quarter at most.
_PAPER = 1 / 3
# The least effort takes a quarter of the usual one's time, for files that are a sixth larger.
_EFFORT = 0


def image_url(image: Image) -> str:
    """Return an 8-bit RGB image as a ``data:`` URL, compressed as WebP."""
    return _webp_url(PillowImage.fromarray(image), lossless=False)


class EmbeddedFigure(NamedTuple):
    """A figure as a ``data:`` URL, its size, and whether it is a chart, mostly white paper."""

    url: str
    width: int
    height: int
    is_chart: bool


def embedded_figure(path: Path) -> EmbeddedFigure:
    """Encode a figure's file for a page; refuse a missing file.

    Figures that are larger than a page shows are reduced. Files that may be charts (``.png``) are compressed
    without loss where that is smaller.
    """
    try:
        return _encoded(path, path.stat().st_mtime_ns)
    except OSError as error:
        raise InputError(f"{path} is missing, or is no image: {error}") from error


@functools.lru_cache(maxsize=256)
def _encoded(path: Path, changed: int) -> EmbeddedFigure:
    """Encode a figure; ``changed`` tells versions of the file apart in the cache."""
    stored = read_image(path)
    figure = PillowImage.fromarray(stored)
    figure.thumbnail((_MAX_WIDTH_PX, _MAX_HEIGHT_PX), PillowImage.Resampling.LANCZOS)
    url = _webp_url(figure, lossless=False)
    if path.suffix == ".png":
        # Charts of few colours are smaller, and sharp, without loss.
        url = min(url, _webp_url(figure, lossless=True), key=len)
    is_chart = (stored == 255).all(axis=-1).mean() > _PAPER
    return EmbeddedFigure(url, figure.width, figure.height, bool(is_chart))


def _webp_url(image: PillowImage.Image, *, lossless: bool) -> str:
    stream = io.BytesIO()
    image.save(stream, "webp", lossless=lossless, quality=_QUALITY, method=_EFFORT)
    return f"data:image/webp;base64,{base64.b64encode(stream.getvalue()).decode()}"


def array_text(array: np.ndarray) -> str:
    """Return the bytes of an array, in the order of its axes, as base64 text.

    >>> array_text(np.array([1, 2, 255], np.uint8))
    'AQL/'
    """
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def score_table(percentages: Mapping[float, Mapping[str, float | None]], *, title: str, caption: str) -> Table:
    """Return a table with one row for each threshold and one column for each kind of joint; None is a dash."""
    table = Table(box=SIMPLE, pad_edge=False, collapse_padding=True, title=title, caption=caption)
    table.add_column("@")
    for column in next(iter(percentages.values())):
        table.add_column(column, justify="right")
    for alpha, shares in percentages.items():
        cells = ("-" if share is None else f"{share:.2f}" for share in shares.values())
        table.add_row(f"{alpha:g}", *cells)
    return table


def score_curves(table: JointTable, *, protocol: Protocol) -> Image:
    """Draw PCK of every column over the thresholds, under the protocol's name."""
    shares: Sequence[Sequence[float]] = np.nan_to_num(table.shares).tolist()
    lines = dict(zip(table.columns, shares, strict=True))
    return pixels(pck_curves({protocol.name: lines}, alphas=table.alphas, x_label="threshold"))


def estimate(value: float, interval: Sequence[float]) -> str:
    """Return a number with its interval as text, alone where a single unit gives an interval of no width.

    >>> estimate(0.687, (0.671, 0.702)), estimate(0.319, (0.319, 0.319)), estimate(0.1, (-0.0, 0.2))
    ('0.687 [0.671, 0.702]', '0.319', '0.100 [0.000, 0.200]')
    """
    # Rounding first: a sum of zeros may be negative by its last bit.
    low, high = (round(end, 3) + 0.0 for end in interval)
    return f"{value:.3f}" if low == high else f"{value:.3f} [{low:.3f}, {high:.3f}]"
