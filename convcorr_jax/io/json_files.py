"""Reading and writing JSON files, and checks of the types of JSON values, by Python's annotations."""

import contextlib
import json
import math
import types
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
import numpy.typing as npt

from convcorr_jax.errors import InputError
from convcorr_jax.io.atomic import written_whole
from convcorr_jax.io.outputs import check_file

# Characters of a value that a message quotes.
_QUOTED = 60


def check_fields(value: Any, kinds: Mapping[str, Any], *, name: str, optional: Collection[str] = ()) -> None:
    """Refuse a value, as `json.loads` returns it, that is not a JSON object with these fields.

    Args:
        kinds: the annotation of every field: int, float, str, bool, None, Any, a literal, a union, a tuple, a
            dictionary with text keys, or a named tuple. Tuples are lists in JSON, floats are finite, and text
            has no control characters.
        name: what messages call the value.
        optional: names of fields that may be absent.
    """
    if type(value) is not dict:
        raise InputError(f"{name} is {_quoted(value)}; an object with named fields is expected")
    missing = [field for field in kinds if field not in value and field not in optional]
    if missing:
        raise InputError(f"{name} has no {missing[0]!r}; {', '.join(kinds)} are expected")
    for field, part in value.items():
        if field not in kinds:
            raise InputError(f"{name} has the unknown {field!r}; {', '.join(kinds)} are expected")
        if not _matches(part, kinds[field]):
            raise InputError(f"{name} has {field} {_quoted(part)}; {_described(kinds[field])} is expected")


def _quoted(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _QUOTED else f"{text[:_QUOTED]}..."


def _matches(value: Any, kind: Any) -> bool:
    origin, parts = get_origin(kind), get_args(kind)
    if kind is Any:
        return True
    if kind is float:
        return type(value) in (int, float) and math.isfinite(value)
    if kind is str:
        return type(value) is str and value.isprintable()
    if kind in (None, types.NoneType):
        return value is None
    if origin is Literal:
        return any(type(value) is type(part) and value == part for part in parts)
    if origin in (Union, types.UnionType):
        return any(_matches(value, part) for part in parts)
    if origin is dict:
        return type(value) is dict and all(_matches(each, parts[1]) for each in value.values())
    if origin is tuple and parts[-1] is Ellipsis:
        return type(value) is list and all(_matches(each, parts[0]) for each in value)
    if origin is not tuple and isinstance(kind, type) and issubclass(kind, tuple):
        # A named tuple.
        parts, origin = tuple(get_type_hints(kind).values()), tuple
    if origin is tuple:
        return type(value) is list and len(value) == len(parts) and all(map(_matches, value, parts))
    return type(value) is kind


def _described(kind: Any) -> str:
    origin, parts = get_origin(kind), get_args(kind)
    names = {int: "an integer", float: "a finite number", str: "text", bool: "true or false"}
    if origin is Literal:
        return " or ".join(map(repr, parts))
    if origin in (Union, types.UnionType):
        return " or ".join(map(_described, parts))
    if kind in (None, types.NoneType):
        return "null"
    if origin is dict:
        return "an object"
    return names.get(kind, "a list of the right length and types")


# Python's objects take twenty times the bytes of a file; the largest annotations, MPII's, have 20 MB.
MAX_BYTES = 2**25
"""The usual limit of the size of a JSON file."""


@contextlib.contextmanager
def naming_file(path: Path, *, kind: str) -> Iterator[None]:
    """Name a file, and its expected ``kind``, in all errors of a ``with`` block from unexpected content."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except (OSError, ValueError, OverflowError, RecursionError) as error:
        raise InputError(f"{path} is damaged, or is no {kind}: {error}") from error
    except (LookupError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is damaged, or is no {kind} ({type(error).__name__}: {error})") from error


@contextlib.contextmanager
def json_file(path: Path, kind: str, *, most_bytes: int = MAX_BYTES) -> Iterator[Any]:
    """Read a JSON file, by default of at most 32 MB, and yield its content to a ``with`` block.

    The message of an error in the block names the file, and the ``kind`` of file that is expected.
    """
    check_file(path, kind, most_bytes=most_bytes)
    with naming_file(path, kind=kind):
        content = path.read_bytes()
        # Editors and other systems add byte order marks, or write UTF-16.
        yield json.loads(content.decode(json.detect_encoding(content)))


def json_array(value: Any, *, dtype: npt.DTypeLike | None = None) -> np.ndarray:
    """Return nested lists of a JSON file as an array; null in place of a list stands for a list of nulls.

    A null is NaN, or None without a ``dtype``. Lists side by side of different lengths are a ValueError.

    >>> json_array([[1, 2], None], dtype=float)
    array([[ 1.,  2.],
           [nan, nan]])
    """
    return np.array(_filled(value, _shape(value)), dtype)


def _shape(value: Any) -> tuple[int, ...]:
    """Return the shape of nested lists, beyond the first axis that of the deepest entry."""
    if not isinstance(value, list):
        return ()
    return (len(value), *max(map(_shape, value), key=len, default=()))


def _filled(value: Any, shape: tuple[int, ...]) -> Any:
    if value is None:
        return np.full(shape, None).tolist()
    return [_filled(each, shape[1:]) for each in value] if isinstance(value, list) else value


def write_json(path: str | Path, value: Mapping[str, Any] | Sequence[Any]) -> None:
    """Write a mapping or a sequence as indented JSON; a number that is NaN or infinite is a ValueError."""
    text = json.dumps(value, indent=2, allow_nan=False) + "\n"
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
