"""The door through which arrays enter the numerical rooms.

Arguments that are annotated as floating-point arrays may be arrays of any real type, of NumPy or JAX, or lists
of numbers. Formulas hold for real numbers: whole numbers would be divided and negated as such (0 - 1 is 255 in
8 bits), and half precision has too few digits for the square of a position. Such arrays are therefore promoted
to single precision, once, where they enter; single and double precision stay.
"""

import functools
import inspect
import sys
import types
import typing
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from convcorr_jax.errors import InputError

# What a compiled function has beside being callable.
_OF_COMPILED = ("lower", "trace", "eval_shape", "clear_cache", "_cache_size")


def open_room(namespace: dict[str, Any]) -> None:
    """Let a room's public functions, and the methods of its classes, accept arrays of any real type.

    Args:
        namespace: the global names of the room, which are replaced.
    """
    room = namespace["__name__"]
    for name, value in list(namespace.items()):
        if name.startswith("_") or not str(getattr(value, "__module__", "")).startswith(room):
            continue
        if isinstance(value, type):
            for method, function in list(vars(value).items()):
                if isinstance(function, types.FunctionType) and not method.startswith("_"):
                    setattr(value, method, promoting(function))
        elif callable(value):
            namespace[name] = promoting(value)


def promoting(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that promotes its floating-point arguments by `real_array`.

    What NumPy holds may change after the call, and JAX reads it later where both share memory: the results of
    NumPy arrays are therefore computed before the call returns.
    """
    parameters = inspect.signature(function).parameters
    doors = {name: _door(parameter.annotation) for name, parameter in parameters.items()}
    if not any(door.types for door in doors.values()):
        return function
    order = list(parameters)

    @functools.wraps(function)
    def promoted(*args: Any, **kwargs: Any) -> Any:
        from_numpy = any(isinstance(value, np.ndarray) for value in (*args, *kwargs.values()))
        entered = [
            real_array(value, name=name, door=doors[name])
            for name, value in zip(order, args, strict=False)
        ]
        args = (*entered, *args[len(order) :])
        kwargs = {
            name: real_array(value, name=name, door=doors[name]) if name in doors else value
            for name, value in kwargs.items()
        }
        result = function(*args, **kwargs)
        # Rooms without JAX do not import it here.
        if from_numpy and "jax" in sys.modules:
            sys.modules["jax"].block_until_ready(result)
        return result

    for name in _OF_COMPILED:
        if hasattr(function, name):
            setattr(promoted, name, getattr(function, name))
    return promoted


class Door(NamedTuple):
    """What an argument's annotation says of arrays."""

    types: frozenset[type]
    """The types of arrays that the argument may have; none if it is no array."""
    promotes: bool
    """Whether the function computes with real numbers, and not with numbers as they are stored."""
    truths: bool
    """Whether it takes arrays of truth values, too."""
    whole: bool
    """Whether the argument may be a whole number."""


def real_array(value: Any, *, name: str, door: Door) -> Any:
    """Return an array in single or double precision; what is no array comes back as it is.

    Args:
        value: an argument.
        name: its name, for messages.
        door: what its annotation says.

    Raises:
        InputError: the array, or list, does not hold real numbers.
    """
    if not door.types:
        return value
    if type(value) is int and door.promotes and not door.whole:
        return float(value)
    if type(value) in (list, tuple):
        try:
            value = np.asarray(value)
        except ValueError as error:
            raise InputError(f"{name} is no array of numbers: {error}") from error
    if not (hasattr(value, "dtype") and hasattr(value, "astype")):
        return value
    dtype = value.dtype
    # NumPy knows no kind of bfloat16, and keys of random numbers have none.
    if not (getattr(dtype, "kind", "O") in "fiub" or dtype.name.lstrip("b").startswith("float")):
        if door.promotes:
            raise InputError(f"{name} holds values of type {dtype}; real numbers are expected")
        return value
    if isinstance(value, np.ndarray) and np.ndarray not in door.types:
        value = sys.modules["jax"].numpy.asarray(value)
    stays = dtype in (np.float32, np.float64) or (door.truths and dtype == np.bool_)
    if stays or not door.promotes:
        return value
    return value.astype(np.float64 if dtype == np.longdouble else np.float32)


def _door(annotation: Any) -> Door:
    """Read an annotation: arrays of floating-point numbers are promoted, those of any numbers only made."""
    members = list(_members(annotation))
    arrays = [one for one in members if isinstance(getattr(one, "dtypes", None), tuple)]
    names = {name for one in arrays for name in one.dtypes}
    return Door(
        frozenset(one.array_type for one in arrays),
        all(name.startswith("bool") or name.lstrip("b").startswith("float") for name in names)
        and any("float" in name for name in names),
        any(name.startswith("bool") for name in names),
        int in members,
    )


def _members(annotation: Any) -> Iterator[Any]:
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        for one in typing.get_args(annotation):
            yield from _members(one)
    elif isinstance(annotation, typing.TypeVar) and annotation.__constraints__:
        yield from annotation.__constraints__
    else:
        yield annotation
