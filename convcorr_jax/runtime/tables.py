"""The numbers of a script's ``result.json`` as tables on the terminal, of at most 80 columns.

A mapping of numbers is a row, named after the keys that lead to it; rows with the same columns are a table.
Yes, no and unknown beside numbers are columns, too. An entry ``interval`` has the 95 % intervals of the entry
before it, or of the numbers beside it, by their names.
"""

import itertools
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from rich.console import Console

# What only says how a result came about.
_SETTINGS = frozenset({"interval", "protocol", "settings", "model", "training", "prediction"})
# Cells that are no numbers.
_WORDS = (None, "yes", "no", "unknown")
_MOST_ROWS, _MOST_TABLES, _LONGEST_FACT, _WIDTH = 12, 5, 40, 80


class _Row(NamedTuple):
    keys: tuple[str, ...]
    numbers: dict[str, Any]
    intervals: dict[str, Any]


def write_tables(result: Mapping[str, Any]) -> None:
    """Write the tables of a result, those of scores before those of counts, to the standard output."""
    from rich.console import Console

    facts = [f"{key} {value}" for key, value in result.items() if isinstance(value, str)]
    facts = [fact for fact in facts if len(fact) < _LONGEST_FACT]
    tables: dict[tuple[str, ...], list[_Row]] = {}
    depths: dict[str, int] = {}
    for row in _rows(result, (), {}):
        top = row.keys[0] if len(row.keys) > 1 else ""
        if not row.keys or (not top and len(row.numbers) == 1):
            cells = _cells(row, with_intervals=True)
            facts += [" ".join((*row.keys, name, *cell.split("\n"))) for name, cell in cells.items()]
        elif len(row.keys) <= depths.setdefault(top, len(row.keys)) + 1:
            tables.setdefault((top, str(len(row.keys)), *row.numbers), []).append(row)
    console = Console(file=sys.stdout, highlight=False, markup=False, width=_WIDTH)
    if facts:
        console.print(", ".join(facts))
    in_order = sorted(tables.values(), key=lambda rows: not any(map(_is_score, rows[0].numbers.values())))
    for rows in in_order[:_MOST_TABLES]:
        _write_table(rows, console)
    if len(in_order) > _MOST_TABLES:
        console.print(f"\n({len(in_order) - _MOST_TABLES} more tables in result.json)")
    console.print()


def _is_score(number: Any) -> bool:
    return isinstance(number, float)


def _rows(node: Mapping[str, Any], keys: tuple[str, ...], intervals: Mapping[str, Any]) -> Iterator[_Row]:
    """Yield the row of a mapping, and those of the mappings in it."""
    names = list(node)
    own = node.get("interval", {})
    before = names[names.index("interval") - 1] if "interval" in names[1:] else ""
    if not isinstance(own, Mapping):
        own = {before: own}
    numbers = {
        name: value
        for name, value in node.items()
        if value in _WORDS or (isinstance(value, int | float) and not isinstance(value, bool))
    }
    if not keys:
        numbers = {name: value for name, value in numbers.items() if isinstance(value, int | float)}
    if any(isinstance(value, int | float) for value in numbers.values()):
        yield _Row(keys, numbers, {**own, **intervals})
    for name, value in node.items():
        if isinstance(value, Mapping) and name not in _SETTINGS:
            within: Any = own if name == before else intervals.get(name)
            yield from _rows(value, (*keys, name), within if isinstance(within, Mapping) else {})


def _cells(row: _Row, *, with_intervals: bool) -> dict[str, str]:
    cells = {name: _text(value) for name, value in row.numbers.items()}
    for name, interval in row.intervals.items() if with_intervals else ():
        if name in cells and isinstance(interval, list):
            cells[name] += f"\n[{', '.join(map(_text, interval))}]"
    return cells


def _text(number: float | str | None) -> str:
    """Return a number with the digits that a reader compares.

    >>> [_text(number) for number in (3, 0.12345, 12.345, 1234.5, 0.000012, -1e-9, None)]
    ['3', '0.123', '12.3', '1234', '1e-05', '0.000', '-']
    """
    if number is None or isinstance(number, int | str):
        return "-" if number is None else str(number)
    size = abs(number)
    if 1e-6 < size < 5e-4:
        return f"{number:.0e}"
    digits = 3 if size < 10 else 1 if size < 100 else 0
    return f"{round(number, digits) + 0.0:.{digits}f}"


def _write_table(rows: Sequence[_Row], console: "Console") -> None:
    """Write rows of the same columns, with intervals, or turned, if that fits; common keys are the title."""
    from rich.table import Table

    columns = [set(same) for same in zip(*(row.keys for row in rows), strict=True)]
    is_name = [len(same) > 1 or len(rows) == 1 for same in columns]
    names = [" ".join(key for key, named in zip(row.keys, is_name, strict=True) if named) for row in rows]
    title = " ".join(same.pop() for same, named in zip(columns, is_name, strict=True) if not named)
    full, plain = (
        [
            ("", *rows[0].numbers),
            *(
                (name, *_cells(row, with_intervals=wide).values())
                for name, row in zip(names, rows, strict=True)
            ),
        ]
        for wide in (True, False)
    )
    turned = list(zip(*plain, strict=True))
    cells = next((each for each in (full, plain, turned) if sum(_widths(each)) <= _WIDTH), plain)
    shown = sum(width <= _WIDTH for width in itertools.accumulate(_widths(cells)))
    table = Table(box=None, title=title, title_justify="left", pad_edge=False)
    for number, name in enumerate(cells[0][:shown]):
        table.add_column(name, justify="right" if number else "left")
    for cells_of_row in cells[1 : 1 + _MOST_ROWS]:
        table.add_row(*cells_of_row[:shown])
    console.print("", table, sep="\n")
    left = {"rows": len(cells) - 1 - _MOST_ROWS, "columns": len(cells[0]) - shown}
    if more := " and ".join(f"{count} more {what}" for what, count in left.items() if count > 0):
        console.print(f"({more} in result.json)")


def _widths(cells: Sequence[Sequence[str]]) -> list[int]:
    """Return the width of each column, with two blanks beside it."""
    return [
        2 + max(len(line) for cell in column for line in cell.split("\n"))
        for column in zip(*cells, strict=True)
    ]
