"""Parsing the bytes of a MATLAB ``.mat`` file of version 5; `mat` converts them to values.

A file is a sequence of elements: a type, a length, and that many bytes. Those of an array are its head (class,
shape, name), followed by numbers, characters or further arrays. Every function here reads inside one `Part`
only, and does not parse the arrays that it contains. Each takes ``where``, the file and the place in it, for
the message of the `InputError` that it raises if bytes contradict each other.

Source: "MAT-File Format", The MathWorks, chapter 1 (level 5).
"""

import math
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from convcorr_jax.errors import InputError
from convcorr_jax.io import check_file

# The largest annotations, MPII's, inflate to about half of it, and inflating takes twice the bytes.
MAX_INFLATED_BYTES = 3 * 2**27
"""The limit of the size of a file's inflated variables."""

# The classes of arrays.
CELLS, STRUCTS, TEXT, OPAQUE = 1, 2, 4, 17
NUMBERS = {
    **{6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2"},
    **{12: "i4", 13: "u4", 14: "i8", 15: "u8"},
}
# Among an array's flags.
LOGICAL, COMPLEX = 0x200, 0x800

_HEADER_BYTES = 128
_MATRIX, _COMPRESSED = 14, 15
# The types of stored numbers: MATLAB stores them in fewer bytes than their class has, if that is exact.
_STORED = {**{1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4"}, **{9: "f8", 12: "i8", 13: "u8"}}
# The encodings of stored characters, and those that depend on the byte order of the file.
_CODECS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
_ORDERED = (4, 17, 18)


class Part(NamedTuple):
    """The bytes of an array: from ``start`` to before ``stop`` in ``data``, in the byte order "<" or ">"."""

    data: bytes
    order: str
    start: int
    stop: int


class Head(NamedTuple):
    """The description of an array, before its values."""

    array_class: int
    """The class, such as `CELLS`, `STRUCTS`, `TEXT` or a key of `NUMBERS`."""
    flags: int
    """A sum of flags, such as `LOGICAL` and `COMPLEX`."""
    shape: tuple[int, ...]
    name: str
    """The name of a variable; empty for an array inside another one."""
    body: int
    """The index of the first byte of the values."""


def variables(path: Path) -> dict[str, Part]:
    """Return the arrays of a file by name, inflated to at most `MAX_INFLATED_BYTES`."""
    check_file(path, "MATLAB .mat")
    content = path.read_bytes()
    order = {b"IM": "<", b"MI": ">"}.get(content[126:_HEADER_BYTES])
    if content.startswith(b"MATLAB 7.3") or b"\x89HDF\r\n" in content[:1024]:
        raise InputError(f"{path} is a MATLAB 7.3 file; version 5 is expected (save with -v7)")
    if order is None or not content.startswith(b"MATLAB"):
        raise InputError(f"{path} is no MATLAB file of version 5")
    parts: dict[str, Part] = {}
    remaining = MAX_INFLATED_BYTES
    at = _HEADER_BYTES
    whole = Part(content, order, at, len(content))
    while at < len(content):
        # Compressed elements are not padded to eight bytes; padding of others is not required.
        kind, start, at, _ = _element(whole, at, str(path))
        part = Part(content, order, start, at)
        if kind == _COMPRESSED:
            inflated = _inflated(content[start:at], remaining, path)
            remaining -= len(inflated)
            part = Part(inflated, order, 0, len(inflated))
            kind, start, stop, _ = _element(part, 0, str(path))
            part = Part(inflated, order, start, stop)
        if kind == _MATRIX:
            name = head(part, str(path)).name
            if name in parts:
                raise InputError(f"{path} has two variables {name!r}")
            parts[name] = part
    return parts


def head(part: Part, where: str) -> Head:
    """Return the head of an array."""
    _, start, stop, after = _element(part, part.start, where)
    if stop - start != 8:
        raise damage(where)
    (flags,) = struct.unpack_from(part.order + "I", part.data, start)
    array_class = flags & 0xFF
    shape: tuple[int, ...] = ()
    if array_class != OPAQUE:
        _, start, stop, after = _element(part, after, where)
        if (stop - start) % 4 or stop - start < 8:
            raise damage(where)
        shape = struct.unpack_from(f"{part.order}{(stop - start) // 4}i", part.data, start)
        if min(shape) < 0:
            raise damage(where)
    _, start, stop, after = _element(part, after, where)
    return Head(array_class, flags, shape, part.data[start:stop].decode("latin-1"), after)


def cells(part: Part, head: Head, where: str) -> list[Part]:
    """Return the arrays in a cell array."""
    return _arrays(part, head.body, math.prod(head.shape), where)


def structs(part: Part, head: Head, where: str) -> list[dict[str, Part]]:
    """Return the arrays in a struct array, by field."""
    _, start, stop, after = _element(part, head.body, where)
    if stop - start != 4:
        raise damage(where)
    (length,) = struct.unpack_from(part.order + "i", part.data, start)
    _, start, stop, after = _element(part, after, where)
    if length < 1 or (stop - start) % length:
        raise damage(where)
    fields = [
        part.data[at : at + length].split(b"\0")[0].decode("latin-1") for at in range(start, stop, length)
    ]
    if not fields or len(set(fields)) != len(fields):
        raise damage(where)
    arrays = _arrays(part, after, math.prod(head.shape) * len(fields), where)
    return [
        dict(zip(fields, arrays[first : first + len(fields)], strict=True))
        for first in range(0, len(arrays), len(fields))
    ]


def numbers(part: Part, head: Head, where: str) -> np.ndarray:
    """Return the numbers of an array, in its shape."""
    kind, start, stop, _ = _element(part, head.body, where)
    target = np.dtype(NUMBERS[head.array_class])
    stored = np.dtype(part.order + _STORED[kind]) if kind in _STORED else None
    count = math.prod(head.shape)
    if stored is None or stop - start != count * stored.itemsize:
        raise damage(where)
    if stored.kind == "f" and (target.kind != "f" or target.itemsize < stored.itemsize):
        raise damage(where)
    if head.flags & LOGICAL:
        target = np.dtype(bool)
    values = np.frombuffer(part.data, stored, count, start)
    if stored.kind == "f":
        # NumPy warns of computations with a signalling NaN; a quiet NaN replaces it.
        values = np.where(np.isnan(values), stored.type(np.nan), values)
    return values.astype(target).reshape(head.shape, order="F")


def text(part: Part, head: Head, where: str) -> str:
    """Return the characters of an array, one line for each row."""
    kind, start, stop, _ = _element(part, head.body, where)
    if kind not in _CODECS:
        raise damage(where)
    codec = _CODECS[kind]
    if kind in _ORDERED:
        codec += "-le" if part.order == "<" else "-be"
    try:
        characters = part.data[start:stop].decode(codec)
    except UnicodeDecodeError as error:
        raise damage(where) from error
    rows = head.shape[0]
    if rows <= 1 or not characters:
        return characters
    if len(characters) != math.prod(head.shape):
        raise damage(where)
    return "\n".join(characters[row::rows] for row in range(rows))


def damage(where: str) -> InputError:
    """Return the error to raise if bytes contradict each other."""
    return InputError(f"{where} is damaged or cut short")


def _inflated(compressed: bytes, most: int, path: Path) -> bytes:
    stream = zlib.decompressobj()
    try:
        inflated = stream.decompress(compressed, most)
    except zlib.error as error:
        raise damage(str(path)) from error
    if not stream.eof:
        if len(inflated) < most:
            raise damage(str(path))
        raise InputError(f"{path} inflates to more than {MAX_INFLATED_BYTES} bytes")
    return inflated


def _element(part: Part, at: int, where: str) -> tuple[int, int, int, int]:
    """Return the element at an index: its type, start and stop of its data, the start of the next one."""
    if at + 8 > part.stop:
        raise damage(where)
    kind, count = struct.unpack_from(part.order + "II", part.data, at)
    if kind >> 16:
        # In a small element type and count share the first four bytes, and the data follow in the next four.
        kind, count, start, after = kind & 0xFFFF, kind >> 16, at + 4, at + 8
    else:
        start = at + 8
        after = start + count + -count % 8
    stop = start + count
    if stop > part.stop or stop > after:
        raise damage(where)
    return kind, start, stop, after


def _arrays(part: Part, at: int, count: int, where: str) -> list[Part]:
    """Return the ``count`` arrays that fill the rest of the part."""
    parts = []
    while at < part.stop:
        kind, start, stop, at = _element(part, at, where)
        if kind != _MATRIX:
            raise damage(where)
        parts.append(Part(part.data, part.order, start, stop))
    if len(parts) != count:
        raise damage(where)
    return parts
