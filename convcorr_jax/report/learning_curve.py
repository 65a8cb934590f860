"""Errors over the number of training images."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator, ScalarFormatter

_DPI = 100


def learning_curve(
    images: Sequence[int],
    errors: Mapping[str, Sequence[float]],
    *,
    published: tuple[str, int, float] | None = None,
    y_label: str,
) -> Figure:
    """Draw errors over a logarithmic axis of training images, one line for each name.

    Args:
        images: numbers of images, in rising order.
        errors: by name, the error for every number of images.
        published: name, number of images and error of a published result, drawn as a star.
        y_label: beside the axis.
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
    axes.set_xlabel("training images")
    axes.set_ylabel(y_label)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    return figure
