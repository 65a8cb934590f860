"""Checks of the types of JSON values, by Python's annotations."""

import math
import types
from collections.abc import Collection, Mapping
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from convcorr_jax.errors import InputError

# Characters of a value that a message quotes.
_QUOTED = 60


def check_fields(
    value: Any, kinds: Mapping[str, Any], *, name: str, optional: Collection[str] = ()
) -> None:
    """Refuse a value that is not a JSON object with these fields.

    Args:
        value: the value, as `json.loads` returns it.
        kinds: the annotation of every field: int, float, str, bool, None, Any, a literal, a union, a tuple, a
            dictionary with text keys, or a named tuple. Tuples are lists in JSON, floats are finite, and text
            has no control characters.
        name: what messages call the value.
        optional: names of fields that may be absent.

    Raises:
        InputError: the value is no object; a field is missing, unknown or of another type.
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
            raise InputError(
                f"{name} has {field} {_quoted(part)}; {_described(kinds[field])} is expected"
            )


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
