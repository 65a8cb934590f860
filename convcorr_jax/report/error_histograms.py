"""Histograms of prediction errors along x, one panel for each method."""

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
    """Draw fractions of joints over their error, one outline for each name, in panels with equal axes.

    Args:
        panels: by title and name, the fraction of joints at each error.
        errors_px: the errors, consecutive whole numbers of pixels.
        x_label: below the axes.
    """
    figure = Figure(figsize=(1.0 + 4.2 * len(panels), 3.8), dpi=_DPI, layout="constrained")
    axes_of = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    edges = np.append(errors_px, errors_px[-1] + 1) - 0.5
    for axes, (title, lines) in zip(axes_of, panels.items(), strict=True):
        for number, (name, fractions) in enumerate(lines.items()):
            axes.stairs(fractions, edges, color=f"C{number}", label=name, linewidth=1.6)
        axes.set_title(title, fontsize=10)
        axes.set_xlim(edges[0], edges[-1])
        axes.set_xlabel(x_label)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, fontsize=8)
    axes_of[0].set_ylabel("joints")
    return figure
