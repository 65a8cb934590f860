"""The text of ``convcorr pck``: the table of all protocols, and the list of those that give a figure."""

import io
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from convcorr_jax.metrics import FigureMatch, GridRow, ProtocolChoices

DEFAULT_MARK = "*"
"""Precedes the figures of the data set's own protocol."""

# Papers print PCK to a tenth of a percent.
_DECIMALS = 3
# The table has some 90 columns; a narrow terminal breaks its lines, and a file has no width.
_LEAST_WIDTH, _FILE_WIDTH = 80, 110


def grid_lines(rows: "Sequence[GridRow]", *, default: "ProtocolChoices | None") -> list[str]:
    """Return the table of a grid: a part for each normalizer and frame, a column for each threshold.

    A row with ``<``, or without missing predictions, is shown only if that changes a figure of the table.

    Args:
        rows: the grid.
        default: the data set's own protocol, which is marked.
    """
    from convcorr_jax.metrics import FRAMES, NORMALIZERS, distinct_rows

    shown = distinct_rows(rows, decimals=_DECIMALS)
    if default is not None:
        shown.sort(key=lambda row: row.choices.normalizer != default.normalizer)
    has_cases = any(_case(row.choices) for row in shown)
    table = _table(["", "keypoints", "average"] + ["rule"] * has_cases)
    for alpha in rows[0].alphas:
        table.add_column(f"@{alpha:g}", justify="right", no_wrap=True)
    for (normalizer, frame), part in groupby(
        shown, key=lambda row: (row.choices.normalizer, row.choices.frame)
    ):
        table.add_section()
        table.add_row("", f"{normalizer}, {frame}")
        for row in part:
            choices = row.choices
            mark = DEFAULT_MARK if choices == default else ""
            cells = [mark, _keypoints(choices), _average(choices)] + [_case(choices)] * has_cases
            table.add_row(
                *cells, *(f"{100 * float(f'{value:.{_DECIMALS}f}'):.1f}" for value in row.values)
            )
    normalizers = dict.fromkeys(row.choices.normalizer for row in rows)
    frames = dict.fromkeys(row.choices.frame for row in rows)
    legend = [f"{name}: {NORMALIZERS[name]}" for name in normalizers]
    legend += [f"{frame}: {FRAMES[frame]}" for frame in frames]
    if default is not None:
        legend.append(f"{DEFAULT_MARK}: the protocol of the data set's own figure")
    return [*_printed(table), *legend]


def match_lines(
    found: "Sequence[FigureMatch]", *, default: "ProtocolChoices | None", most: int
) -> list[str]:
    """Return a table of figures of the grid with the protocols that give them, one line for each.

    Protocols that differ only in how they treat errors at the threshold or missing predictions, and give the
    same figure, share a line.

    Args:
        found: the figures.
        default: the data set's own protocol, which is marked.
        most: how many lines to return; a sentence at the end says how many more there are.
    """
    from convcorr_jax.metrics import without_rare_cases

    lines: dict[tuple[ProtocolChoices, float, float], list[ProtocolChoices]] = {}
    for match in found:
        key = (without_rare_cases(match.row.choices), match.alpha, match.value)
        lines.setdefault(key, []).append(match.row.choices)
    table = _table(
        ["", "PCK", "@", "normalizer", "frame", "keypoints", "average", "error", "missing"]
    )
    for (_, alpha, value), members in list(lines.items())[:most]:
        first = members[0]
        table.add_row(
            DEFAULT_MARK if default in members else "",
            f"{100 * value:.4f}",
            f"{alpha:g}",
            first.normalizer,
            first.frame,
            _keypoints(first),
            _average(first),
            _alternatives("<" if each.strict else "<=" for each in members),
            _alternatives(each.missing for each in members),
        )
    more = [f"and {len(lines) - most} more, which --json lists"] if len(lines) > most else []
    return [*_printed(table), *more]


def _alternatives(values: Iterable[str]) -> str:
    return " or ".join(dict.fromkeys(values))


def _keypoints(choices: "ProtocolChoices") -> str:
    return f"{choices.counted}, scored" if choices.scored else choices.counted


def _average(choices: "ProtocolChoices") -> str:
    first = "pooled" if choices.average == "pooled" else f"per {choices.average}"
    return f"{first}, then groups" if choices.grouped else first


def _case(choices: "ProtocolChoices") -> str:
    """Return how a row treats errors at the threshold and missing predictions, if in a rarer way."""
    parts = ["<"] * choices.strict + ["missing left out"] * (choices.missing == "left out")
    return ", ".join(parts)


def _table(columns: Sequence[str]) -> "Table":
    from rich.box import SIMPLE
    from rich.table import Table

    table = Table(box=SIMPLE, pad_edge=False, collapse_padding=True)
    for name in columns:
        table.add_column(name)
    return table


def _printed(table: "Table") -> Iterator[str]:
    """Yield the lines of a table, in characters that the standard output can encode."""
    from rich.console import Console

    # Rich draws other lines for a file whose encoding lacks its own.
    encoding = sys.stdout.encoding or "utf-8"
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="")
    width = max(_LEAST_WIDTH, shutil.get_terminal_size((_FILE_WIDTH, 0)).columns)
    Console(file=stream, width=width, color_system=None, highlight=False).print(table)
    stream.seek(0)
    yield from (line.rstrip() for line in stream.read().splitlines() if line.strip())
