"""Arrays of joints in files of any make: ``.npz``, HDF5 (MATLAB 7.3 and Octave among it), MATLAB ``.mat``.

The file's content tells its format. A value is taken for joints when it is an array of numbers of three axes,
one of which holds two or three values (x, y, and often a confidence); or cells of such tables, one a person.
"""

import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from convcorr_jax import files
from convcorr_jax.datasets.formats import mat
from convcorr_jax.errors import InputError

# The largest published prediction file, of all of MPII, takes some 10 MB.
_MAX_BYTES = 2**28
# What NumPy, zipfile and h5py raise on bytes that are cut short or changed.
_DAMAGE = (
    *(OSError, EOFError, ValueError, KeyError, TypeError, RuntimeError, MemoryError),
    *(zipfile.BadZipFile, zlib.error, SyntaxError, tokenize.TokenError),
)


class JointArrays(NamedTuple):
    """What of a file may be joints, by name, and the lists of words in it."""

    arrays: dict[str, np.ndarray]
    words: tuple[tuple[str, ...], ...]
    """Lists of strings, one of which may name the joints."""


def read(path: Path) -> JointArrays:
    """The arrays of joints of a file.

    Raises:
        InputError: the file is missing, damaged or of another format, or none of its values is of joints.
    """
    files.check_file(path, "prediction (.npz, .h5 or .mat)")
    if h5py.is_hdf5(path):
        values = _hdf5(path)
    elif zipfile.is_zipfile(path):
        values = _npz(path)
    else:
        values = _mat(path)
    arrays = {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
    joints = {name: array for name, array in arrays.items() if _may_be_joints(array)}
    if not joints:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise InputError(
            f"{path} has no array of joints, such as people x joints x 2; it has {shapes or 'none'}"
        )
    return JointArrays(
        joints, tuple(value for value in values.values() if isinstance(value, tuple))
    )


def _may_be_joints(array: np.ndarray) -> bool:
    return array.ndim == 3 and array.dtype.kind in "fiu" and not {2, 3}.isdisjoint(array.shape)


def _npz(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            return {name: _plain(archive[name]) for name in archive.files}
    except _DAMAGE as error:
        raise InputError(f"{path} is damaged, or is no .npz of plain arrays: {error}") from error


def _hdf5(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def look(name: str, stored: Any) -> None:
        if isinstance(stored, h5py.Dataset) and stored.nbytes <= _MAX_BYTES:
            # Octave keeps every variable as a group of its type and its value.
            found[name.removesuffix("/value")] = _plain(stored[()])

    try:
        with h5py.File(path, "r") as opened:
            opened.visititems(look)
    except _DAMAGE as error:
        raise InputError(f"{path} is a damaged HDF5 file: {error}") from error
    return found


def _plain(value: Any) -> Any:
    """An array of numbers as it is, a list of strings as a tuple."""
    array = np.asarray(value)
    if array.dtype.kind in "SUO" and array.ndim == 1:
        return tuple(
            item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item)
            for item in array.tolist()
        )
    return array


def _mat(path: Path) -> dict[str, Any]:
    variables = mat.read(path)
    return {str(name): _mat_value(variables[name]) for name in variables}


def _mat_value(value: mat.Value) -> Any:
    if not isinstance(value, mat.Group):
        return value if isinstance(value, np.ndarray) else None
    items = [value[number] for number in value]
    if items and all(isinstance(item, str) for item in items):
        return tuple(items)
    tables = list(_tables(items))
    if tables and len(tables) == len(items) and len({table.shape for table in tables}) == 1:
        return np.stack(tables)
    return None


def _tables(items: list[Any]) -> Iterator[np.ndarray]:
    for item in items:
        if isinstance(item, np.ndarray) and item.ndim == 2 and item.dtype.kind in "fiu":
            yield item
