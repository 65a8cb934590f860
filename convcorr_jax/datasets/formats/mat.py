"""MATLAB ``.mat`` files of version 5 as plain values, each parsed when it is looked at.

`read` gives the variables of a file as a `Group`. A value is

* a NumPy array, with the shape and the kind of number that it has in MATLAB;
* a string, for characters; several rows of them are joined by line breaks;
* a tuple of groups, for structs (fields by name), in MATLAB's column order;
* a group, for cells (by number from 0), in the same order.

Differs from `scipy.io.loadmat`: every read stays inside its element and nothing recurses, where
nested cells in a file of 2 MB overrun SciPy's stack and end the process; and a data set of a million
one-number arrays is never held at once. Sparse arrays, complex numbers, objects and function
handles are refused; no data set here has them.

Source: "MAT-File Format", The MathWorks, chapter 1 (level 5).
"""

import math
import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, TypeAlias, Union

import numpy as np

from convcorr_jax import files
from convcorr_jax.errors import InputError

# MPII's annotations, the largest here, inflate to about a fifth of it.
MAX_INFLATED_BYTES = 2**30

_HEADER_BYTES = 128
_MATRIX, _COMPRESSED = 14, 15
# How numbers are stored: in fewer bytes than MATLAB gave them, where that loses nothing.
_STORED = {
    **{1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4"},
    **{9: "f8", 12: "i8", 13: "u8"},
}
# How characters are stored; those of two or four bytes are in the order of the file.
_CODECS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
_ORDERED = (4, 17, 18)
# The classes of arrays.
_CELL, _STRUCT, _CHARACTERS = 1, 2, 4
_NUMBERS = {
    **{6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2"},
    **{12: "i4", 13: "u4", 14: "i8", 15: "u8"},
}
_OPAQUE = 17
_REFUSED = {3: "an object", 5: "a sparse array", 16: "a function handle", _OPAQUE: "an object"}
_LOGICAL, _COMPLEX = 0x200, 0x800

Value: TypeAlias = Union[np.ndarray, str, tuple["Group", ...], "Group"]


class _Part(NamedTuple):
    """An array's bytes, from ``start`` to ``stop``, and the byte order, "<" or ">"."""

    data: bytes
    order: str
    start: int
    stop: int


class Group:
    """Variables or fields by name, or cells by number; each is parsed on access.

    Its methods look a value up and refuse another kind than they promise, in one sentence.

    Attributes:
        where: The file and the place in it, for sentences.
    """

    def __init__(self, where: str, parts: Mapping[str, _Part] | Mapping[int, _Part]) -> None:
        self.where = where
        self._parts: dict[str | int, _Part] = dict(parts.items())

    def __getitem__(self, key: str | int) -> Value:
        return _value(self._parts[key], self._place(key))

    def __contains__(self, key: object) -> bool:
        return key in self._parts

    def __iter__(self) -> Iterator[str | int]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)

    def has(self, key: str | int) -> bool:
        """Whether something is there, and not the empty array or text."""
        return key in self and not _is_empty(self[key])

    def array(self, key: str | int) -> np.ndarray:
        """An array of numbers.

        Raises:
            InputError: there is nothing of this name, or something else; so for all methods here.
        """
        value = self._present(key)
        if not isinstance(value, np.ndarray):
            raise self._refusal(key, value, "numbers are")
        return value

    def number(self, key: str | int) -> float:
        """One finite number, or the characters of one."""
        value = self._present(key)
        number = _number(value)
        if number is None:
            raise self._refusal(key, value, "one finite number is")
        return number

    def number_if_any(self, key: str | int) -> float | None:
        """One number as in `number`; None where there is nothing, or the empty array or text."""
        value = self[key] if key in self else ""
        number = _number(value)
        if number is None and not _is_empty(value):
            raise self._refusal(key, value, "one finite number is")
        return number

    def text(self, key: str | int) -> str:
        """Characters."""
        value = self._present(key)
        if not isinstance(value, str):
            raise self._refusal(key, value, "text is")
        return value

    def structs(self, key: str | int) -> tuple["Group", ...]:
        """Structs; none where MATLAB has the empty array ``[]`` in their place."""
        value = self._present(key)
        if isinstance(value, np.ndarray) and value.size == 0:
            return ()
        if not isinstance(value, tuple):
            raise self._refusal(key, value, "structs are")
        return value

    def only_struct(self, key: str | int) -> "Group":
        """The one struct that is there."""
        found = self.structs(key)
        if len(found) != 1:
            raise self._refusal(key, found, "one struct is")
        return found[0]

    def cells(self, key: str | int) -> "Group":
        """The cells of a cell array, by number from 0."""
        value = self._present(key)
        if not isinstance(value, Group):
            raise self._refusal(key, value, "cells are")
        return value

    def _place(self, key: str | int) -> str:
        return f"{self.where}.{key}" if isinstance(key, str) else f"{self.where}{{{key + 1}}}"

    def _present(self, key: str | int) -> Value:
        if key not in self._parts:
            found = ", ".join(map(str, list(self)[:20])) or "nothing"
            raise InputError(f"{self.where} has no {key!r}; it has {found}")
        return self[key]

    def _refusal(self, key: str | int, value: Value, expected: str) -> InputError:
        match value:
            case np.ndarray():
                found = f"an array {value.shape}" if value.size != 1 else f"{value.item()}"
            case str():
                found = f"the text {value[:40]!r}"
            case tuple():
                found = f"{len(value)} structs"
            case _:
                found = f"{len(value)} cells"
        return InputError(f"{self._place(key)} is {found}; {expected} expected")


def _number(value: Value) -> float | None:
    if isinstance(value, str) or (isinstance(value, np.ndarray) and value.size == 1):
        try:
            number = float(value if isinstance(value, str) else value.item())
        except ValueError:
            return None
        return number if math.isfinite(number) else None
    return None


def _is_empty(value: Value) -> bool:
    return value.size == 0 if isinstance(value, np.ndarray) else len(value) == 0


def read(path: Path) -> Group:
    """The variables of a file, by name.

    Raises:
        InputError: the file is missing, cut short, no MATLAB file of version 5 (7.3 is HDF5 and not
            read), or inflates to more than a gigabyte. A damaged value is found when it is parsed.
    """
    files.check_file(path, "MATLAB .mat")
    content = path.read_bytes()
    order = {b"IM": "<", b"MI": ">"}.get(content[126:_HEADER_BYTES])
    if content.startswith(b"MATLAB 7.3") or b"\x89HDF\r\n" in content[:1024]:
        raise InputError(f"{path} is a MATLAB 7.3 file; version 5 is expected (save with -v7)")
    if order is None or not content.startswith(b"MATLAB"):
        raise InputError(f"{path} is no MATLAB file of version 5")
    variables: dict[str, _Part] = {}
    left = MAX_INFLATED_BYTES
    at = _HEADER_BYTES
    whole = _Part(content, order, _HEADER_BYTES, len(content))
    while at < len(content):
        # Compressed elements are not padded to eight bytes, and others are whole already.
        kind, start, at, _ = _element(whole, at, str(path))
        part = _Part(content, order, start, at)
        if kind == _COMPRESSED:
            inflated = _inflated(content[start:at], left, path)
            left -= len(inflated)
            part = _Part(inflated, order, 0, len(inflated))
            kind, start, stop, _ = _element(part, 0, str(path))
            part = _Part(inflated, order, start, stop)
        if kind == _MATRIX:
            name = _head(part, str(path)).name
            if name in variables:
                raise InputError(f"{path} has two variables {name!r}")
            variables[name] = part
    return Group(str(path), variables)


def _inflated(compressed: bytes, most: int, path: Path) -> bytes:
    stream = zlib.decompressobj()
    try:
        inflated = stream.decompress(compressed, most)
    except zlib.error as error:
        raise _damage(str(path)) from error
    if not stream.eof:
        if len(inflated) < most:
            raise _damage(str(path))
        raise InputError(f"{path} inflates to more than {MAX_INFLATED_BYTES} bytes")
    return inflated


def _damage(where: str) -> InputError:
    return InputError(f"{where} is damaged or cut short")


def _element(part: _Part, at: int, where: str) -> tuple[int, int, int, int]:
    """The element at a place of a part: its type, its data's start and stop, the next one's start."""
    if at + 8 > part.stop:
        raise _damage(where)
    kind, count = struct.unpack_from(part.order + "II", part.data, at)
    if kind >> 16:
        # A small element: type and count share the first four bytes, the data has the others.
        kind, count, start, after = kind & 0xFFFF, kind >> 16, at + 4, at + 8
    else:
        start = at + 8
        after = start + count + -count % 8
    stop = start + count
    if stop > part.stop or stop > after:
        raise _damage(where)
    return kind, start, stop, after


class _Head(NamedTuple):
    """What stands before the values of an array, and where they start."""

    array_class: int
    flags: int
    shape: tuple[int, ...]
    name: str
    body: int


def _head(part: _Part, where: str) -> _Head:
    _, start, stop, after = _element(part, part.start, where)
    if stop - start != 8:
        raise _damage(where)
    (flags,) = struct.unpack_from(part.order + "I", part.data, start)
    array_class = flags & 0xFF
    shape: tuple[int, ...] = ()
    if array_class != _OPAQUE:
        _, start, stop, after = _element(part, after, where)
        if (stop - start) % 4 or stop - start < 8:
            raise _damage(where)
        shape = struct.unpack_from(f"{part.order}{(stop - start) // 4}i", part.data, start)
        if min(shape) < 0:
            raise _damage(where)
    _, start, stop, after = _element(part, after, where)
    return _Head(array_class, flags, shape, part.data[start:stop].decode("latin-1"), after)


def _value(part: _Part, where: str) -> Value:
    if part.start == part.stop:
        # MATLAB writes an empty array inside another one as no bytes at all.
        return np.empty((0, 0))
    head = _head(part, where)
    if head.array_class in _REFUSED or head.flags & _COMPLEX:
        kind = _REFUSED.get(head.array_class, "complex")
        raise InputError(f"{where} is {kind}, which is not read")
    if head.array_class == _CELL:
        cells = _arrays(part, head.body, math.prod(head.shape), where)
        return Group(where, dict(enumerate(cells)))
    if head.array_class == _STRUCT:
        return _structs(part, head, where)
    if head.array_class == _CHARACTERS:
        return _text(part, head, where)
    if head.array_class in _NUMBERS:
        return _numbers(part, head, where)
    raise _damage(where)


def _arrays(part: _Part, at: int, count: int, where: str) -> list[_Part]:
    """Exactly ``count`` arrays, which take up the rest of the part."""
    found = []
    while at < part.stop:
        kind, start, stop, at = _element(part, at, where)
        if kind != _MATRIX:
            raise _damage(where)
        found.append(_Part(part.data, part.order, start, stop))
    if len(found) != count:
        raise _damage(where)
    return found


def _structs(part: _Part, head: _Head, where: str) -> tuple[Group, ...]:
    _, start, stop, after = _element(part, head.body, where)
    if stop - start != 4:
        raise _damage(where)
    (length,) = struct.unpack_from(part.order + "i", part.data, start)
    _, start, stop, after = _element(part, after, where)
    if length < 1 or (stop - start) % length:
        raise _damage(where)
    fields = [
        part.data[at : at + length].split(b"\0")[0].decode("latin-1")
        for at in range(start, stop, length)
    ]
    if not fields or len(set(fields)) != len(fields):
        raise _damage(where)
    count = math.prod(head.shape)
    parts = iter(_arrays(part, after, count * len(fields), where))
    return tuple(
        Group(f"{where}({number})", dict(zip(fields, parts, strict=False)))
        for number in range(1, count + 1)
    )


def _numbers(part: _Part, head: _Head, where: str) -> np.ndarray:
    kind, start, stop, _ = _element(part, head.body, where)
    wanted = np.dtype(_NUMBERS[head.array_class])
    stored = np.dtype(part.order + _STORED[kind]) if kind in _STORED else None
    count = math.prod(head.shape)
    if stored is None or stop - start != count * stored.itemsize:
        raise _damage(where)
    if stored.kind == "f" and (wanted.kind != "f" or wanted.itemsize < stored.itemsize):
        raise _damage(where)
    numbers = np.frombuffer(part.data, stored, count, start)
    if head.flags & _LOGICAL:
        wanted = np.dtype(bool)
    return numbers.astype(wanted).reshape(head.shape, order="F")


def _text(part: _Part, head: _Head, where: str) -> str:
    kind, start, stop, _ = _element(part, head.body, where)
    if kind not in _CODECS:
        raise _damage(where)
    codec = _CODECS[kind]
    if kind in _ORDERED:
        codec += "-le" if part.order == "<" else "-be"
    try:
        text = part.data[start:stop].decode(codec)
    except UnicodeDecodeError as error:
        raise _damage(where) from error
    rows = head.shape[0]
    if rows <= 1 or not text:
        return text
    if len(text) != math.prod(head.shape):
        raise _damage(where)
    return "\n".join(text[row::rows] for row in range(rows))
