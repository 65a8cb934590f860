"""Histograms of how far predictions are off along x, a panel a method."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Int
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

_DPI = 100


def error_histograms(
    panels: Mapping[str, Mapping[str, Float[np.ndarray, " bins"]]],
    *,
    errors_px: Int[np.ndarray, " bins"],
    x_label: str,
) -> Figure:
    """Shares of joints over their error, one outline a name, in panels side by side on equal axes.

    Args:
        panels: by title and name, one share for every error.
        errors_px: the whole numbers of pixels that the shares are of.
        x_label: below the axes.
    """
    figure = Figure(figsize=(1.0 + 4.2 * len(panels), 3.8), dpi=_DPI, layout="constrained")
    axes_of = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    edges = np.append(errors_px, errors_px[-1] + 1) - 0.5
    for axes, (title, lines) in zip(axes_of, panels.items(), strict=True):
        for number, (name, shares) in enumerate(lines.items()):
            axes.stairs(shares, edges, color=f"C{number}", label=name, linewidth=1.6)
        axes.set_title(title, fontsize=10)
        axes.set_xlim(edges[0], edges[-1])
        axes.set_xlabel(x_label)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, fontsize=8)
    axes_of[0].set_ylabel("joints")
    return figure
