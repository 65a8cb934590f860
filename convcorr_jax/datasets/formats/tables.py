"""Comma-separated tables with a header, line by line."""

import csv
import math
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from convcorr_jax.errors import InputError
from convcorr_jax.io import check_file


class Line(NamedTuple):
    """A line of a table."""

    path: Path
    """The file of the table."""
    number: int
    """The number of the line in the file, from 1."""
    fields: list[str]
    """The fields of the line."""

    def numbers(self, texts: Collection[str]) -> list[float]:
        """Convert fields to finite numbers.

        Raises:
            InputError: a field is not a finite number.
        """
        try:
            values = [float(text) for text in texts]
        except ValueError as error:
            raise self.refusal(str(error)) from error
        if not all(map(math.isfinite, values)):
            raise self.refusal("a number is not finite")
        return values

    def refusal(self, why: str) -> InputError:
        """Return the error to raise if the line cannot be read; it names file and line."""
        return InputError(f"{self.path}, line {self.number}: {why}")


def read(path: Path, *, widths: Collection[int]) -> Iterator[Line]:
    """Yield the lines below the header.

    Args:
        path: the file.
        widths: the numbers of fields that a line may have.

    Raises:
        InputError: the file is missing, empty or not UTF-8 text, or a line has another number of fields.
    """
    check_file(path, "comma-separated")
    with path.open(encoding="utf-8-sig", newline="") as stream:
        rows = csv.reader(stream)
        try:
            next(rows, None)
            for fields in filter(None, rows):
                line = Line(path, rows.line_num, fields)
                if len(fields) not in widths:
                    expected = " or ".join(map(str, widths))
                    raise line.refusal(f"{len(fields)} fields, where {expected} are expected")
                yield line
        except UnicodeDecodeError as error:
            raise InputError(f"{path} is no UTF-8 text: {error}") from error
        except csv.Error as error:
            raise InputError(f"{path} is no comma-separated text: {error}") from error
