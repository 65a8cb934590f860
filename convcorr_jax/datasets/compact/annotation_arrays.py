"""The file ``annotations.npz`` of a compact folder: named arrays with one row for each record."""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from convcorr_jax.datasets.records import Record
from convcorr_jax.io import Expected, naming_file, read_arrays

FILE = "annotations.npz"
ROWS = "n"
"""The letter of the axis that counts records, in the expected shapes of arrays."""


def read(
    folder: Path,
    expected: Mapping[str, Expected],
    record: Callable[[Mapping[str, Any]], Record],
    *,
    optional: Collection[str] = (),
) -> tuple[Record, ...]:
    """Make a record of every row of the arrays.

    Args:
        folder: the compact folder, which holds `FILE`.
        expected: the kind and the shape of every array by its name. Those whose first axis is `ROWS` are
            divided into rows.
        record: makes the record of one row. Its argument maps the name of an array to the array's row, or to
            the whole array where it is not divided.
        optional: names of arrays that the file may lack.

    Raises:
        InputError: the file is missing, damaged or of another layout, or ``record`` raises it; the message
            names the file.
    """
    path = folder / FILE
    arrays = read_arrays(path, expected, optional=optional)
    divided = {name for name in arrays if expected[name].shape[0] == ROWS}
    count = len(arrays[min(divided)])
    with naming_file(path, kind="compact annotation"):
        return tuple(
            record(
                {name: array[row] if name in divided else array for name, array in arrays.items()}
            )
            for row in range(count)
        )
