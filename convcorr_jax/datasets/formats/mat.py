"""MATLAB ``.mat`` files of version 5 as plain values, each parsed on access.

`read` returns the variables of a file as a `Group`. A value is

* a NumPy array, with the shape and the kind of number that it has in MATLAB;
* a string, for characters; several rows are joined by line breaks;
* a tuple of groups, for structs (fields by name), in MATLAB's column order;
* a group, for cells (by number from 0), in the same order.

Differs from `scipy.io.loadmat`: every read stays inside its element and no function is recursive, whereas
nested cells in a file of 2 MB overrun SciPy's stack and end the process; and a data set of a million one-number
arrays is never in memory at once. Sparse arrays, complex numbers, objects and function handles are refused; no
data set here has them.
"""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeAlias, TypeVar, Union

import numpy as np

from convcorr_jax.datasets.formats import mat_bytes
from convcorr_jax.datasets.formats.mat_bytes import Part
from convcorr_jax.errors import InputError

# The classes of arrays that are refused on access.
_REFUSED = {3: "an object", 5: "a sparse array", 16: "a function handle", mat_bytes.OPAQUE: "an object"}

_Kind = TypeVar("_Kind")
Value: TypeAlias = Union[np.ndarray, str, tuple["Group", ...], "Group"]


class Group:
    """Variables or fields by name, or cells by number, each parsed on access; messages name ``where``."""

    def __init__(self, where: str, parts: Mapping[str, Part] | Mapping[int, Part]) -> None:
        self.where = where
        self._parts: dict[str | int, Part] = dict(parts.items())

    def __getitem__(self, key: str | int) -> Value:
        return _value(self._parts[key], self._place(key))

    def __contains__(self, key: object) -> bool:
        return key in self._parts

    def __iter__(self) -> Iterator[str | int]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)

    def has(self, key: str | int) -> bool:
        """Return whether a value exists that is not the empty array or text."""
        return key in self and not _is_empty(self[key])

    def array(self, key: str | int) -> np.ndarray:
        """Return an array of numbers."""
        return self._checked(key, np.ndarray, "numbers are")

    def number(self, key: str | int) -> float:
        """Return one finite number, stored as a number or as text."""
        value = self._present(key)
        number = _number(value)
        if number is None:
            raise self._refusal(key, value, "one finite number is")
        return number

    def number_if_any(self, key: str | int) -> float | None:
        """Return one finite number; None if the value is missing, or is the empty array or text."""
        value = self[key] if key in self else ""
        number = _number(value)
        if number is None and not _is_empty(value):
            raise self._refusal(key, value, "one finite number is")
        return number

    def text(self, key: str | int) -> str:
        """Return text."""
        return self._checked(key, str, "text is")

    def structs(self, key: str | int) -> tuple["Group", ...]:
        """Return structs; none for MATLAB's empty array ``[]``."""
        value = self._present(key)
        if isinstance(value, np.ndarray) and value.size == 0:
            return ()
        if not isinstance(value, tuple):
            raise self._refusal(key, value, "structs are")
        return value

    def only_struct(self, key: str | int) -> "Group":
        """Return the only struct of a value; several are refused."""
        structs = self.structs(key)
        if len(structs) != 1:
            raise self._refusal(key, structs, "one struct is")
        return structs[0]

    def cells(self, key: str | int) -> "Group":
        """Return the cells of a cell array, by number from 0."""
        return self._checked(key, Group, "cells are")

    def _place(self, key: str | int) -> str:
        return f"{self.where}.{key}" if isinstance(key, str) else f"{self.where}{{{key + 1}}}"

    def _checked(self, key: str | int, kind: type[_Kind], expected: str) -> _Kind:
        value = self._present(key)
        if not isinstance(value, kind):
            raise self._refusal(key, value, expected)
        return value

    def _present(self, key: str | int) -> Value:
        if key not in self._parts:
            names = ", ".join(map(str, list(self)[:20])) or "nothing"
            raise InputError(f"{self.where} has no {key!r}; it has {names}")
        return self[key]

    def _refusal(self, key: str | int, value: Value, expected: str) -> InputError:
        match value:
            case np.ndarray():
                kind = f"an array {value.shape}" if value.size != 1 else f"{value.item()}"
            case str():
                kind = f"the text {value[:40]!r}"
            case tuple():
                kind = f"{len(value)} structs"
            case _:
                kind = f"{len(value)} cells"
        return InputError(f"{self._place(key)} is {kind}; {expected} expected")


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
    """Read the variables of a file of version 5 by name; a damaged value is refused on access."""
    return Group(str(path), mat_bytes.variables(path))


def _value(part: Part, where: str) -> Value:
    if part.start == part.stop:
        # MATLAB writes an empty array inside another one as no bytes at all.
        return np.empty((0, 0))
    head = mat_bytes.head(part, where)
    if head.array_class in _REFUSED or head.flags & mat_bytes.COMPLEX:
        kind = _REFUSED.get(head.array_class, "complex")
        raise InputError(f"{where} is {kind}, which is not read")
    if head.array_class == mat_bytes.CELLS:
        return Group(where, dict(enumerate(mat_bytes.cells(part, head, where))))
    if head.array_class == mat_bytes.STRUCTS:
        structs = mat_bytes.structs(part, head, where)
        return tuple(Group(f"{where}({number})", each) for number, each in enumerate(structs, 1))
    if head.array_class == mat_bytes.TEXT:
        return mat_bytes.text(part, head, where)
    if head.array_class in mat_bytes.NUMBERS:
        return mat_bytes.numbers(part, head, where)
    raise mat_bytes.damage(where)
