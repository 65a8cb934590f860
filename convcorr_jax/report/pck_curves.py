"""Percentages of correct keypoints (PCK) over the distance that counts as correct."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

_DPI = 100


def pck_curves(
    panels: Mapping[str, Mapping[str, Sequence[float]]],
    *,
    alphas: Sequence[float],
    x_label: str = "alpha",
) -> Figure:
    """Draw PCK over alpha, one line for each name, in panels side by side.

    Args:
        panels: by title and name, PCK between 0 and 1 for every alpha.
        alphas: thresholds, in rising order.
        x_label: below the axes.
    """
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
        axes.set_xlabel(x_label)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, fontsize=8, loc="best")
    axes_of[0].set_ylabel("PCK")
    return figure
