"""Tables of scores."""

from collections.abc import Mapping, Sequence

import numpy as np
from rich.box import SIMPLE
from rich.table import Table

from convcorr_jax.metrics import JointTable, Protocol
from convcorr_jax.report.drawing import pixels
from convcorr_jax.report.plots import pck_curves
from convcorr_jax.shapes import Image


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
    """Return a number with its interval as text.

    >>> estimate(0.687, (0.671, 0.702))
    '0.687 [0.671, 0.702]'
    """
    low, high = interval
    return f"{value:.3f} [{low:.3f}, {high:.3f}]"
