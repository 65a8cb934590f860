"""Reading and writing points as CSV files with the columns ``x`` and ``y``, and ``name`` if they have names.

Coordinates are 0-based with pixel centres at integers. `read_points` reads the files of `write_points`, so that
points can be transferred from photograph to photograph.
"""

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from convcorr_jax.errors import InputError
from convcorr_jax.io.atomic import written_whole
from convcorr_jax.io.outputs import check_file

# Python's objects take fifty times the bytes of a table; a hundred thousand points take a quarter of it.
_MAX_BYTES = 2**24
_COLUMNS = ("name", "x", "y", "confidence")


class NamedPoints(NamedTuple):
    """Points (x, y) in pixels and their names, in the order of the file."""

    names: tuple[str, ...]
    points: Float[np.ndarray, "n 2"]


def read_rows(path: Path, kind: str) -> list[list[str]]:
    """Read the rows of a CSV file of at most 16 MB in UTF-8 that are not blank; refuse a file without any."""
    check_file(path, kind, most_bytes=_MAX_BYTES)
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = [row for row in csv.reader(stream) if any(map(str.strip, row))]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} is not a CSV file in UTF-8: {error}") from error
    if not rows:
        raise InputError(f"{path} is empty")
    return rows


def read_points(path: str | Path, *, absent: bool = False) -> NamedPoints:
    """Read points and their names.

    A point without a name is named by its number, from 1. A column ``confidence`` is ignored. With ``absent``,
    points without coordinates, which are NaN, are allowed.

    Raises:
        InputError: the file is missing, empty, over 16 MB or not UTF-8 text; its header lacks ``x`` or ``y`` or
            has an unknown or a repeated column; it has no points; a row has more or fewer entries than the
            header, or a coordinate that is not a finite number.
    """
    rows = read_rows(path := Path(path), "points")
    header = [column.strip() for column in rows[0]]
    if not {"x", "y"} <= set(header) <= set(_COLUMNS) or len(set(header)) < len(header):
        raise InputError(f"{path} has the header {','.join(header)!r}; 'x,y' or 'name,x,y' is expected")
    if len(rows) == 1:
        raise InputError(f"{path} has a header and no points")
    entries = [_entry(row, header, f"row {number} of {path}", absent) for number, row in enumerate(rows[1:], 1)]
    names = tuple(name or str(number) for number, (name, _, _) in enumerate(entries, 1))
    return NamedPoints(names, np.array([(x, y) for _, x, y in entries]))


def _entry(row: Sequence[str], header: Sequence[str], where: str, absent: bool) -> tuple[str, float, float]:
    if len(row) != len(header):
        raise InputError(f"{where} has {len(row)} entries; {len(header)} are expected")
    values = dict(zip(header, map(str.strip, row), strict=True))
    is_absent = absent and not values["x"] and not values["y"]
    x, y = (math.nan if is_absent else coordinate(values[column], f"{column} in {where}") for column in "xy")
    return values.get("name", ""), x, y


def coordinate(text: str, where: str) -> float:
    """Return the finite number of a table's entry; the message about another entry says ``where`` it is."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{where} is {text!r}; a finite number is expected")
    return number


def write_points(
    path: str | Path,
    names: Sequence[str],
    points: Float[np.ndarray, "n 2"],
    *,
    confidence: Float[np.ndarray, " n"] | None = None,
) -> None:
    """Write points with the header ``name,x,y`` or ``name,x,y,confidence``, to a thousandth of a pixel.

    Points that are NaN have no coordinates.
    """
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    rows = [
        [name, *("" if np.isnan(value) else f"{value:.3f}" for value in point)]
        for name, point in zip(names, points, strict=True)
    ]
    if confidence is None:
        table.writerow(_COLUMNS[:3])
    else:
        table.writerow(_COLUMNS)
        rows = [[*row, f"{value:.4f}"] for row, value in zip(rows, confidence, strict=True)]
    table.writerows(rows)
    with written_whole(path) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8", newline="")
