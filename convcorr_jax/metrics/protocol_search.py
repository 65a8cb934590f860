"""Finding the protocols of a grid that give a published figure to its last digit."""

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

from convcorr_jax.errors import InputError
from convcorr_jax.metrics.protocol_grid import GridRow, ProtocolChoices

_NUMBER = re.compile(r"\d*\.?\d+|\d+\.")
# Half a unit of the last digit is a decimal fraction, which binary numbers hold only nearly.
_ROUNDING = 1e-9


class PublishedFigure(NamedTuple):
    """A figure as it is printed, and the values that are rounded to it."""

    text: str
    """The figure as it was typed."""
    value: float
    """Its value, as a share between 0 and 1."""
    tolerance: float
    """Half a unit of its last digit, as a share."""


class FigureMatch(NamedTuple):
    """A figure of the grid that is compared with a published one."""

    row: GridRow
    """The protocol and its figures."""
    alpha: float
    """The threshold of the figure."""
    value: float
    """The figure, between 0 and 1."""
    difference: float
    """The figure minus the published one."""


def published_figure(text: str) -> PublishedFigure:
    """Return the value of a printed figure, and how exactly its digits state it.

    A number of at most 1 is a share, a greater one or one with a sign ``%`` is a percentage. The last digit
    decides the rounding: 0.701 means 0.7005 to 0.7015, and 70.1 means 70.05 to 70.15 percent.

    >>> published_figure("70.1")
    PublishedFigure(text='70.1', value=0.701, tolerance=0.0005)

    Args:
        text: the figure, such as "0.701", "70.1" or "70.1%".

    Raises:
        InputError: the text is not a number, or the number is above 100.
    """
    plain = text.strip()
    digits = plain.removesuffix("%").rstrip()
    if _NUMBER.fullmatch(digits) is None or float(digits) > 100:
        raise InputError(
            f"{text!r} is no figure of PCK; a share such as 0.701 or a percentage such as 70.1 is expected"
        )
    value, tolerance = float(digits), 0.5 * 10.0 ** -len(digits.partition(".")[2])
    scale = 100 if plain.endswith("%") or value > 1 else 1
    return PublishedFigure(text, value / scale, tolerance / scale)


def distinct_rows(rows: Sequence[GridRow], *, decimals: int) -> list[GridRow]:
    """Return the rows of a grid without those that the treatment of rare cases does not change.

    A row is left out if an earlier one has the same rounded figures and differs only in whether an error at the
    threshold or a missing prediction is wrong.

    Args:
        rows: the grid.
        decimals: the number of decimals of a share to which figures are rounded.
    """
    found: dict[tuple[ProtocolChoices, tuple[str, ...]], GridRow] = {}
    for row in rows:
        printed = tuple(f"{value:.{decimals}f}" for value in row.values)
        found.setdefault((without_rare_cases(row.choices), printed), row)
    return list(found.values())


def without_rare_cases(choices: ProtocolChoices) -> ProtocolChoices:
    """Return the protocol with ``<=`` and with missing predictions as wrong that is else the same."""
    return choices._replace(strict=False, missing="wrong")


def matching_figures(
    rows: Sequence[GridRow], figure: PublishedFigure, *, default: ProtocolChoices | None = None
) -> list[FigureMatch]:
    """Return the figures of a grid that are rounded to a published one.

    Args:
        rows: the grid.
        figure: the published figure.
        default: the choices of the data set's own protocol. Protocols that share most of them are first; by
            default the first of the grid are.
    """
    found = [
        match
        for match in _compared(rows, figure)
        if abs(match.difference) <= figure.tolerance + _ROUNDING
    ]
    return sorted(found, key=lambda match: _changes(match.row.choices, default))


def nearest_figures(
    rows: Sequence[GridRow],
    figure: PublishedFigure,
    *,
    count: int,
    default: ProtocolChoices | None = None,
) -> list[FigureMatch]:
    """Return the figures of a grid that are nearest to a published one, nearest first.

    Args:
        rows: the grid.
        figure: the published figure.
        count: how many to return.
        default: the choices of the data set's own protocol; of equal figures, those of protocols that share
            most of them are first.
    """

    def key(match: FigureMatch) -> tuple[float, int]:
        return abs(match.difference), _changes(match.row.choices, default)

    return sorted(_compared(rows, figure), key=key)[:count]


def _compared(rows: Sequence[GridRow], figure: PublishedFigure) -> list[FigureMatch]:
    return [
        FigureMatch(row, alpha, value, value - figure.value)
        for row in rows
        for alpha, value in zip(row.alphas, row.values, strict=True)
        if not math.isnan(value)
    ]


def _changes(choices: ProtocolChoices, default: ProtocolChoices | None) -> int:
    """Return the number of choices that differ from the default."""
    if default is None:
        return 0
    return sum(one != other for one, other in zip(choices, default, strict=True))
