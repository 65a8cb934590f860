"""Diagrams: curves over an axis, training runs, tables of counts, histograms of places.

Arrays in, a matplotlib `Figure` out, which `figures.pixels` turns into an image.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

_DPI = 100
# Names of rows and columns, or figures in cells, of more than this many could not be read.
_MOST_NAMES = 40
_MOST_WRITTEN = 20


def curves(
    x: Sequence[float],
    ys: Mapping[str, Sequence[float]],
    *,
    x_label: str,
    y_label: str,
    dashed: Sequence[str] = (),
) -> Figure:
    """Shares between 0 and 1 over a logarithmic axis, one line a name, each marked where it is highest.

    Args:
        x: positive.
        ys: one value for every x.
        x_label: below the axis.
        y_label: beside it.
        dashed: names whose lines are dashed.
    """
    figure = Figure(figsize=(7.2, 4.6), dpi=_DPI, layout="constrained")
    axes = figure.add_subplot()
    for number, (name, values) in enumerate(ys.items()):
        style = "--" if name in dashed else "-"
        best = int(np.argmax(values))
        axes.plot(x, values, style, color=f"C{number % 10}", label=name, linewidth=1.6)
        axes.plot(x[best], values[best], "o", color=f"C{number % 10}", markersize=5)
    axes.set_xscale("log")
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.grid(alpha=0.3)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    return figure


def cumulative_curves(
    x: Float[np.ndarray, " x"],
    ys: Mapping[str, Float[np.ndarray, " x"]],
    *,
    x_label: str,
    y_label: str,
) -> Figure:
    """Shares between 0 and 1 that grow with x, one line a name.

    Args:
        x: thresholds, rising.
        ys: one share for every threshold.
        x_label: below the axis.
        y_label: beside it.
    """
    figure = Figure(figsize=(6.4, 4.4), dpi=_DPI, layout="constrained")
    axes = figure.add_subplot()
    for name, values in ys.items():
        axes.plot(x, values, label=name, linewidth=1.6)
    axes.set_xlim(float(x[0]), float(x[-1]))
    axes.set_ylim(0, 1)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    return figure


def confusions(
    tables: Mapping[str, Int[np.ndarray, "types types"]], *, names: Sequence[str]
) -> Figure:
    """Counts of true types (rows) taken for others (columns), each row's shares as shades and percentages.

    Args:
        tables: by title, side by side.
        names: of the types.
    """
    side = min(max(3.2, 0.36 * len(names)), 9.0)
    figure = Figure(
        figsize=(len(tables) * (side + 1.6), side + 3.0), dpi=_DPI, layout="constrained"
    )
    panels = np.atleast_1d(figure.subplots(1, len(tables), sharey=True))
    for axes, (title, counts) in zip(panels, tables.items(), strict=True):
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        axes.imshow(shares, cmap="Greys", vmin=0, vmax=1)
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("taken for", fontsize=9)
        if len(names) <= _MOST_NAMES:
            axes.set_xticks(range(len(names)), names, rotation=90, fontsize=8)
            axes.set_yticks(range(len(names)), names, fontsize=8)
        if len(names) <= _MOST_WRITTEN:
            for row, column in np.argwhere(shares > 0.005):
                axes.text(
                    column,
                    row,
                    f"{100 * shares[row, column]:.0f}",
                    ha="center",
                    va="center",
                    fontsize=6.5,
                    color="white" if shares[row, column] > 0.5 else "black",
                )
    return figure


def place_histograms(
    rows: Mapping[str, Mapping[str, Int[np.ndarray, "side side"]]],
    *,
    captions: Mapping[str, Mapping[str, str]],
) -> Figure:
    """How many fell on each pixel of a square window, around its middle; darker is more.

    Args:
        rows: by the row's title, by the column's.
        captions: what stands below each, in the same order.
    """
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
            axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
            axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    return figure


def training_curves(
    errors: Mapping[str, Sequence[tuple[int, float]]],
    shares: Mapping[str, Sequence[tuple[int, float]]],
    *,
    dashed: Sequence[str] = (),
    phases: Mapping[str, int],
) -> Figure:
    """What a training run says of itself over its steps: errors above, shares of correct keypoints below.

    Args:
        errors: (step, positive value) by name, over a logarithmic axis.
        shares: (step, share between 0 and 1) by name.
        dashed: names whose lines are dashed.
        phases: the last step of each phase by its name, in their order; phases are shaded in turn.
    """
    figure = Figure(figsize=(8.4, 6.4), dpi=_DPI, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    for axes, lines in ((above, errors), (below, shares)):
        for number, (name, points) in enumerate(lines.items()):
            steps, values = zip(*points, strict=True)
            style = "--" if name in dashed else "-"
            # Of one point there is no line.
            axes.plot(
                steps, values, style, color=f"C{number}", label=name, marker=".", markersize=3
            )
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
        above.text(
            (start + end) / 2, 1.01, name, transform=above.get_xaxis_transform(), ha="center"
        )
        start = end
    above.set_yscale("log")
    above.set_ylabel("error")
    below.set_ylim(0, 1)
    below.yaxis.set_major_formatter(PercentFormatter(1.0))
    below.set_ylabel("PCK on validation")
    below.set_xlabel("step")
    return figure
