"""Reading and writing the named arrays of ``.npz`` files, with every array checked.

Members of zip archives are read in memory that is known before anything is unpacked. A file that is cut short
or damaged, is no ``.npz``, or unpacks to far more bytes than measured values do is refused, and so is a pickled
array.
"""

import contextlib
import lzma
import math
import os
import struct
import sys
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from convcorr_jax.errors import InputError
from convcorr_jax.io.atomic import written_whole
from convcorr_jax.io.outputs import check_file

# NumPy and torch write no others, whose decompressors unpack all that they read at once, a thousandfold.
_COMPRESSIONS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}

# A member takes some hundred bytes in the directory of an archive, of which zipfile makes objects that take ten
# microseconds and half a kilobyte each.
_MOST_DIRECTORY_BYTES = 2**23
# The record at the end of an archive, and those before it if the archive is larger than 4 GB.
_END, _END_BYTES = b"PK\5\6", 22
_LOCATOR, _LOCATOR_BYTES, _LARGE_END_BYTES = b"PK\6\7", 20, 56
_MOST_COMMENT_BYTES = 2**16 - 1


def open_archive(stream: BinaryIO) -> zipfile.ZipFile:
    """Open an archive of arrays, of which the size of the directory is checked before it is parsed.

    The archive does not close the stream.

    Raises:
        zipfile.BadZipFile: the directory is larger than 8 MB, about 80,000 members; or the file is no archive.
    """
    size = _directory_size(stream)
    if size > _MOST_DIRECTORY_BYTES:
        raise zipfile.BadZipFile(
            f"its directory has {size} bytes; at most {_MOST_DIRECTORY_BYTES} are expected"
        )
    return zipfile.ZipFile(stream)


def _directory_size(stream: BinaryIO) -> int:
    """Return the greatest size of a directory that the records at the end of a file state."""
    size = stream.seek(0, os.SEEK_END)
    start = max(0, size - _END_BYTES - _MOST_COMMENT_BYTES)
    stream.seek(start)
    tail = stream.read()
    stated, place = [0], tail.find(_END)
    while place >= 0:
        stated.append(int.from_bytes(tail[place + 12 : place + 16], "little"))
        before = start + place - _LOCATOR_BYTES - _LARGE_END_BYTES
        if before >= 0:
            stream.seek(before)
            record = stream.read(_LARGE_END_BYTES + _LOCATOR_BYTES)
            if record[_LARGE_END_BYTES:].startswith(_LOCATOR):
                stated[-1] = int.from_bytes(record[40:48], "little")
        place = tail.find(_END, place + 1)
    return max(stated)


def open_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> zipfile.ZipExtFile:
    """Open a stored or deflated member, of which every read unpacks only as many bytes as it returns."""
    if member.compress_type not in _COMPRESSIONS:
        raise zipfile.BadZipFile(
            f"{member.filename} is compressed in a way other than deflate ({member.compress_type})"
        )
    return archive.open(member)  # type: ignore


def read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, *, most: int) -> bytes:
    """Read a member of at most ``most`` bytes; one that is larger is a BadZipFile, as a damaged one is."""
    if member.file_size > most:
        raise zipfile.BadZipFile(f"{member.filename} has {member.file_size} bytes; at most {most} are expected")
    with open_member(archive, member) as stream:
        # Without a number of bytes, zipfile would unpack more than the size that the archive states.
        return stream.read(member.file_size)


# What zipfile, its decompressors and NumPy raise on files that are cut short, changed, or of another format.
_DAMAGE = (
    # RuntimeError also for an unknown compression and for encryption, which a flag of an archive declares.
    *(OSError, EOFError, ValueError, LookupError, TypeError, AttributeError, RuntimeError, ArithmeticError),
    *(MemoryError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, SyntaxError),
    tokenize.TokenError,
)

_READ_HEADER = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
# A file of zeros unpacks to a thousand times its size, measured values to a few times.
_ALWAYS_READ_BYTES = 2**28
_LARGEST_RATIO = 32


class Expected(NamedTuple):
    """The type and shape that an array of a file is expected to have."""

    kind: type[np.generic]
    """The type of the elements, such as ``np.floating``, or a type that it is derived from."""
    shape: tuple[int | str, ...]
    """The length of every axis. Axes with the same letter have the same length in all arrays of a file."""
    finite: bool = False
    """Whether NaN and infinite values are refused."""


class Header(NamedTuple):
    """The type of the elements and the length of every axis of an array, known before its values are read."""

    dtype: np.dtype
    shape: tuple[int, ...]


def array_headers(path: Path, *, names: Collection[str] | None = None) -> dict[str, Header]:
    """Read types and shapes of an ``.npz`` file's arrays, by default all, by name; absent ones are left out."""
    with _opened(path) as archive:
        return {name: _header(archive, member) for name, member in _members(archive, names)}


def load_arrays(path: Path, *, names: Collection[str] | None = None) -> dict[str, np.ndarray]:
    """Read an ``.npz`` file's arrays, by default all, by name, without checks; absent ones are left out."""
    with _opened(path) as archive:
        return {name: _values(archive, member) for name, member in _members(archive, names)}


class ReadableArrays(NamedTuple):
    """The arrays of a file that can be read, and the reasons, by name, why other members cannot."""

    arrays: dict[str, np.ndarray]
    skipped: dict[str, str]


def load_readable_arrays(path: Path) -> ReadableArrays:
    """Read all arrays of an ``.npz`` file that can be read, for files whose other members do not matter."""
    found = ReadableArrays({}, {})
    with _opened(path) as archive:
        for name, member in _members(archive, None):
            try:
                found.arrays[name] = _values(archive, member)
            except _DAMAGE as error:
                found.skipped[name] = str(error)
    return found


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an archive and compare the number of members with that at its end, which zipfile does not."""
    check_file(path, "NumPy .npz")
    try:
        with path.open("rb") as stream, open_archive(stream) as archive:
            stream.seek(-_END_BYTES - len(archive.comment), os.SEEK_END)
            expected = int.from_bytes(stream.read(_END_BYTES)[10:12], "little")
            if len(archive.namelist()) != expected:
                raise zipfile.BadZipFile(f"{len(archive.namelist())} of {expected} members are listed")
            size = sum(member.file_size for member in archive.infolist())
            if size > max(_ALWAYS_READ_BYTES, _LARGEST_RATIO * path.stat().st_size):
                raise InputError(
                    f"{path} unpacks to {size} bytes; at most {_LARGEST_RATIO} times its own size is expected"
                )
            yield archive
    except InputError:
        raise
    except _DAMAGE as error:
        raise InputError(f"{path} is damaged, or is no .npz of plain arrays: {error}") from error


def _members(archive: zipfile.ZipFile, names: Collection[str] | None) -> list[tuple[str, zipfile.ZipInfo]]:
    members = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
    return [(name, member) for name, member in members.items() if names is None or name in names]


def _header(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Header:
    with open_member(archive, member) as stream:
        return _checked_header(stream, member)


def _values(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    """Read an array and compare its checksum, as zipfile does once it has read a member to its end."""
    with open_member(archive, member) as stream:
        _checked_header(stream, member)
        stream.seek(0)
        with warnings.catch_warnings(action="ignore"):
            array = np.lib.format.read_array(stream, allow_pickle=False)
    if array.dtype.kind == "U" and not _are_texts(array):
        raise ValueError(f"{member.filename} has numbers that are no characters")
    return array


def _are_texts(array: np.ndarray) -> bool:
    """Return whether all characters exist; NumPy reads any numbers, and Python then fails on them."""
    number = np.dtype(np.uint32).newbyteorder(array.dtype.byteorder)
    codes = np.frombuffer(array.tobytes(), number)
    return bool(((codes <= sys.maxunicode) & ~((codes >= 0xD800) & (codes < 0xE000))).all())


def _checked_header(stream: zipfile.ZipExtFile, member: zipfile.ZipInfo) -> Header:
    """Read a header, and compare the size that it states with the member's."""
    # NumPy warns of headers that only Python 2 wrote; here they are damage.
    with warnings.catch_warnings(action="ignore"):
        version = np.lib.format.read_magic(stream)
        if version not in _READ_HEADER:
            raise ValueError(f"{member.filename} has the unknown version {version}")
        shape, _, dtype = _READ_HEADER[version](stream)
    if dtype.hasobject:
        raise ValueError(f"{member.filename} has pickled objects")
    if not dtype.itemsize or min(shape, default=0) < 0:
        raise ValueError(f"{member.filename} is {dtype} of shape {shape}")
    expected = stream.tell() + math.prod(shape) * dtype.itemsize
    if member.file_size != expected:
        raise ValueError(f"{member.filename} has {member.file_size} bytes; {expected} are expected")
    return Header(dtype, shape)


def read_arrays(
    path: Path, expected: Mapping[str, Expected], *, optional: Collection[str] = ()
) -> dict[str, np.ndarray]:
    """Read the arrays of an ``.npz`` file that are expected, once their types and shapes are checked."""
    headers = array_headers(path, names=expected)
    absent = [name for name in expected if name not in headers and name not in optional]
    if absent:
        plural = "is" if len(expected) == 1 else "are"
        raise InputError(f"{path} has no array {absent[0]!r}; {', '.join(expected)} {plural} expected")
    sizes: dict[str, int] = {}
    for name in filter(headers.__contains__, expected):
        (dtype, shape), (kind, lengths, _) = headers[name], expected[name]
        fits = len(shape) == len(lengths) and all(
            size == (sizes.setdefault(axis, size) if isinstance(axis, str) else axis)
            for size, axis in zip(shape, lengths, strict=True)
        )
        if not fits or not np.issubdtype(dtype, kind):
            raise InputError(
                f"{path}: array {name!r} is {dtype} of shape {shape}; "
                f"{kind.__name__} of shape {lengths} is expected"
            )
    arrays = load_arrays(path, names=expected)
    for name, array in arrays.items():
        if expected[name].finite and not np.isfinite(array).all():
            raise InputError(f"{path}: array {name!r} has values that are not finite")
    return arrays


def write_arrays(path: str | Path, **arrays: np.ndarray | np.generic) -> None:
    """Write named arrays of any shapes as one compressed ``.npz`` file."""
    with written_whole(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]


def write_arrays_uncompressed(path: str | Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write named arrays as one ``.npz`` file without compression, which takes a minute a gigabyte."""
    with written_whole(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, **arrays)  # type: ignore[arg-type]
