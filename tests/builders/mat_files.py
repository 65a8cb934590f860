"""MATLAB files for tests, written by SciPy."""

from pathlib import Path
from typing import Any

import numpy as np
import scipy.io


def structs(*rows: dict[str, Any]) -> np.ndarray:
    """Return a row of structs, all with the fields of the first."""
    array = np.empty((1, len(rows)), [(field, object) for field in rows[0]])
    for index, row in enumerate(rows):
        for field in rows[0]:
            array[0, index][field] = row[field]
    return array


def cells(*values: Any) -> np.ndarray:
    """Return a column of cells."""
    array = np.empty((len(values), 1), object)
    for index, value in enumerate(values):
        array[index, 0] = value
    return array


EMPTY = np.zeros((0, 0))
"""MATLAB's ``[]``."""


def write_mat(path: Path, variables: dict[str, Any], *, compressed: bool = True) -> Path:
    """Write variables by name; return the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(path, variables, do_compression=compressed)
    return path
