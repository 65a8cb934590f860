"""Reading and writing the named arrays of ``.npz`` files, with every array checked."""

import lzma
import os
import struct
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from convcorr_jax.errors import InputError
from convcorr_jax.io.atomic import written_whole
from convcorr_jax.io.paths import check_file

# What zipfile, its decompressors and NumPy raise on files that are cut short, changed, or of another format.
_DAMAGE = (
    OSError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    # Also for an unknown way of compression and for encryption, both of which a flag of an archive declares.
    RuntimeError,
    ArithmeticError,
    MemoryError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    SyntaxError,
    tokenize.TokenError,
)

# The record at the end of a zip archive; its bytes 10 and 11 are the number of members.
_END_RECORD_BYTES = 22


class Expected(NamedTuple):
    """The type and shape that an array of a file is expected to have."""

    kind: type[np.generic]
    """The type of the elements, such as ``np.floating``, or a type that it is derived from."""
    shape: tuple[int | str, ...]
    """The length of every axis. Axes with the same letter have the same length in all arrays of a file."""


def load_arrays(path: Path, *, names: Collection[str] | None = None) -> dict[str, np.ndarray]:
    """Read arrays of an ``.npz`` file by name, without checking what they are.

    Args:
        path: the file.
        names: the arrays to read; by default all of the file.

    Returns:
        The arrays by name, without those of ``names`` that the file does not have.

    Raises:
        InputError: the file is missing, empty, cut short or damaged, is no ``.npz``, or has pickled arrays.
    """
    check_file(path, "NumPy .npz")
    try:
        with path.open("rb") as stream, zipfile.ZipFile(stream) as archive:
            _check_directory(archive, stream)
            members = {name.removesuffix(".npy"): name for name in archive.namelist()}
            return {
                name: _member(archive, members[name])
                for name in members
                if names is None or name in names
            }
    except _DAMAGE as error:
        raise InputError(f"{path} is damaged, or is no .npz of plain arrays: {error}") from error


def _check_directory(archive: zipfile.ZipFile, stream: BinaryIO) -> None:
    """Compare the number of members with that at the archive's end, which zipfile does not."""
    stream.seek(-_END_RECORD_BYTES - len(archive.comment), os.SEEK_END)
    expected = int.from_bytes(stream.read(_END_RECORD_BYTES)[10:12], "little")
    if len(archive.namelist()) != expected:
        raise zipfile.BadZipFile(f"{len(archive.namelist())} of {expected} members are listed")


def _member(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """Read an array and compare its checksum, as zipfile does once it has read a member to its end."""
    with archive.open(name) as stream, warnings.catch_warnings():
        # NumPy warns of headers that only Python 2 wrote; here they are damage, and the checksum tells.
        warnings.simplefilter("ignore")
        array = np.lib.format.read_array(stream, allow_pickle=False)
        if stream.read(1):
            raise ValueError(f"{name} has bytes behind its array")
        return array


def read_arrays(
    path: Path, expected: Mapping[str, Expected], *, optional: Collection[str] = ()
) -> dict[str, np.ndarray]:
    """Read the arrays of an ``.npz`` file that are expected, and check their types and shapes.

    Args:
        path: the file.
        expected: the type and shape of every array to read, by name. Other arrays of the file are not read.
        optional: names of those that the file may lack.

    Returns:
        The expected arrays by name.

    Raises:
        InputError: the file is missing, empty, cut short or damaged, or is no ``.npz``; an array is missing, is
            pickled, or has another type or shape than expected.
    """
    arrays = load_arrays(path, names=expected)
    absent = [name for name in expected if name not in arrays and name not in optional]
    if absent:
        plural = "is" if len(expected) == 1 else "are"
        raise InputError(
            f"{path} has no array {absent[0]!r}; {', '.join(expected)} {plural} expected"
        )
    sizes: dict[str, int] = {}
    for name, array in arrays.items():
        kind, shape = expected[name]
        fits = array.ndim == len(shape) and all(
            size == (sizes.setdefault(axis, size) if isinstance(axis, str) else axis)
            for size, axis in zip(array.shape, shape, strict=True)
        )
        if not fits or not np.issubdtype(array.dtype, kind):
            raise InputError(
                f"{path}: array {name!r} is {array.dtype} of shape {array.shape}; "
                f"{kind.__name__} of shape {shape} is expected"
            )
    return arrays


def write_arrays(path: str | Path, **arrays: np.ndarray | np.generic) -> None:
    """Write named arrays as one compressed ``.npz`` file.

    Args:
        path: the file.
        **arrays: the arrays by name, of any shapes.

    Raises:
        InputError: the path is wrong.
        WriteError: the file cannot be written.
    """
    with written_whole(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]


def write_arrays_uncompressed(path: str | Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write named arrays as one ``.npz`` file without compression, which takes a minute a gigabyte.

    Args:
        path: the file.
        arrays: the arrays by name, of any shapes.

    Raises:
        InputError: the path is wrong.
        WriteError: the file cannot be written.
    """
    with written_whole(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, **arrays)  # type: ignore[arg-type]
