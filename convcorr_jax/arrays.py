"""Types and shapes of the arrays that numerical rooms accept (packages such as `convcorr_jax.flow`); batches.

Arguments that are annotated as floating-point arrays may be arrays of any real type, of NumPy or JAX, or lists
of numbers. Formulas hold for real numbers: whole numbers would be divided and negated as such (0 - 1 is 255 in
8 bits), and half precision has too few digits for the square of a position. Such arrays are therefore promoted
to single precision, once, where they enter; single and double precision stay. Whole numbers without a sign get
one. Arrays of other types, and of other shapes than the annotations name, are refused.
"""

import functools
import inspect
import os
import sys
import types
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int

from convcorr_jax.errors import InputError


def padded_batches(count: int, *, size: int) -> Iterator[tuple[Int[np.ndarray, " size"], int]]:
    """Yield the row numbers of every batch of ``size`` rows, and how many of them are the batch's own.

    The last batch is padded with copies of its last row; drop what is computed from them.

    >>> [(rows.tolist(), own) for rows, own in padded_batches(5, size=2)]
    [([0, 1], 2), ([2, 3], 2), ([4, 4], 1)]
    """
    for start in range(0, count, size):
        yield np.minimum(np.arange(start, start + size), count - 1), min(size, count - start)


# What follows a description of 8-bit images, where the image holds other real numbers.
_OF_IMAGES = "3] of uint8"
_FROM_REAL = ": 8-bit RGB, from numbers between 0 and 1 by (255 * image).round().astype(np.uint8)"
# Combinations of types and shapes that a function remembers.
_MOST_ACCEPTED = 1000
# What a compiled function has beside being callable.
_OF_COMPILED = ("lower", "trace", "eval_shape", "clear_cache", "_cache_size")


def promote_arrays(namespace: dict[str, Any]) -> None:
    """Let a room's public functions, and the methods of its classes, accept arrays of any real type."""
    room = namespace["__name__"]
    for name, value in list(namespace.items()):
        if name.startswith("_") or not str(getattr(value, "__module__", "")).startswith(room):
            continue
        if isinstance(value, type):
            for method, function in list(vars(value).items()):
                if isinstance(function, types.FunctionType) and not method.startswith("_"):
                    setattr(value, method, with_promotion(function))
        elif callable(value):
            namespace[name] = with_promotion(value)


def with_promotion(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function whose arrays enter by `real_array`, in the shapes that its annotations name.

    What NumPy holds may change after the call, and JAX reads it later where both share memory: the results of
    NumPy arrays are therefore computed before the call returns.
    """
    parameters = inspect.signature(function).parameters
    rules = {name: argument_rule(parameter.annotation) for name, parameter in parameters.items()}
    rules = {name: rule for name, rule in rules.items() if rule.arrays}
    if not rules:
        return function
    order = list(parameters)
    places = [(order.index(name), name) for name in rules]
    # The types and shapes of arguments that entered as they were: the next such call is not examined again.
    accepted: set[tuple[Any, ...]] = set()

    @functools.wraps(function)
    def promoted(*args: Any, **kwargs: Any) -> Any:
        from_numpy = any(isinstance(value, np.ndarray) for value in (*args, *kwargs.values()))
        values = [args[place] if place < len(args) else kwargs.get(name) for place, name in places]
        facts = tuple((type(one), getattr(one, "dtype", None), getattr(one, "shape", None)) for one in values)
        if facts in accepted:
            result = function(*args, **kwargs)
        else:
            entered = dict(zip(order, args, strict=False))
            # Dimensions of one name have one length in all arguments; nothing is repeated without a word.
            lengths: dict[str, Any] = {}
            changed = False
            for (_, name), value, rule in zip(places, values, rules.values(), strict=True):
                arguments = entered if name in entered else kwargs
                if name in arguments:
                    arguments[name] = real_array(value, name=name, rule=rule, lengths=lengths)
                    changed |= arguments[name] is not value
            result = function(*entered.values(), *args[len(entered) :], **kwargs)
            if not changed and len(accepted) < _MOST_ACCEPTED:
                accepted.add(facts)
        # Rooms without JAX do not import it here.
        if from_numpy and "jax" in sys.modules:
            sys.modules["jax"].block_until_ready(result)
        return result

    for name in _OF_COMPILED:
        if hasattr(function, name):
            setattr(promoted, name, getattr(function, name))
    return promoted


class Kind(NamedTuple):
    """One kind of arrays that an annotation names."""

    dtypes: frozenset[str]
    first: tuple[str, ...]
    middle: str | None
    """The name of any number of dimensions between the first and the last; None if there are none."""
    last: tuple[str, ...]

    @property
    def description(self) -> str:
        """The shape and the type of the numbers, in words."""
        middle = () if self.middle is None else ("...",)
        shape = f"[{', '.join((*self.first, *middle, *self.last))}]"
        if len(self.dtypes) == 1:
            return f"{shape} of {min(self.dtypes)}"
        return f"{shape} of {'real' if 'float32' in self.dtypes else 'whole'} numbers"

    def fits(self, array: Any, lengths: dict[str, Any]) -> bool:
        """Return whether an array is of this kind, and add its dimensions to those whose lengths are known."""
        shape, least = array.shape, len(self.first) + len(self.last)
        if array.dtype.name not in self.dtypes or (
            len(shape) < least or (self.middle is None and len(shape) > least)
        ):
            return False
        end = len(shape) - len(self.last)
        found = [*zip(self.first, shape, strict=False), *zip(self.last, shape[end:], strict=True)]
        if self.middle is not None:
            found.append((f"*{self.middle}", shape[len(self.first) : end]))
        known = dict(lengths)
        for name, length in found:
            if name.isdigit():
                if int(name) != length:
                    return False
            elif name.strip("*_") and known.setdefault(name, length) != length:
                return False
        lengths.update(known)
        return True


class ArgumentRule(NamedTuple):
    """What an annotation says of arrays, and whether it may be truth values, a whole number or text."""

    arrays: tuple[Kind, ...]
    """What the argument may be; none if it is no array."""
    types: frozenset[type]
    """NumPy's, JAX's or both."""
    promotes: bool
    """Whether the function computes with real numbers, and not with numbers as they are stored."""
    truths: bool
    whole: bool
    text: bool

    @property
    def expected(self) -> str:
        """The shapes and types of the arrays, in words."""
        return " or ".join(dict.fromkeys(one.description for one in self.arrays))


def real_array(value: Any, *, name: str, rule: ArgumentRule, lengths: dict[str, Any]) -> Any:
    """Return an array in single or double precision; what is no array comes back as it is.

    The array's lengths of dimensions are added to those given, by their names.

    Raises:
        InputError: the array, or list, does not hold real numbers, or has another shape than the annotation
            names.
    """
    if type(value) is int and rule.promotes and not rule.whole:
        return float(value)
    if type(value) in (list, tuple):
        try:
            value = np.asarray(value)
        except ValueError as error:
            raise InputError(f"{name} is no array of numbers: {error}") from error
    if not (hasattr(value, "dtype") and hasattr(value, "astype")):
        if not rule.text:
            _check_no_file(value, name=name, expected=rule.expected)
        return value
    value = _promoted(value, name=name, rule=rule)
    if not any(one.fits(value, lengths) for one in rule.arrays):
        others = ", ".join(f"{name} = {length}" for name, length in lengths.items())
        raise InputError(
            f"{name} has shape {list(value.shape)} and holds values of type {value.dtype}; "
            f"{rule.expected} is expected"
            + (f" (with {others})" if others else "")
            + (_FROM_REAL if rule.expected.endswith(_OF_IMAGES) and value.dtype.kind == "f" else "")
        )
    return value


def _check_no_file(value: Any, *, name: str, expected: str) -> None:
    """Refuse a path or Pillow's image in place of an array."""
    if isinstance(value, str | bytes | os.PathLike):
        how = "`convcorr_jax.io.read_image` reads a photograph"
    elif hasattr(value, "__array_interface__"):
        how = 'np.asarray(image.convert("RGB")) converts an image of Pillow'
    else:
        return
    raise InputError(
        f"{name} is no array, but a value of type {type(value).__name__}; {expected} is expected: {how}"
    )


def _promoted(value: Any, *, name: str, rule: ArgumentRule) -> Any:
    dtype = value.dtype
    # NumPy knows no kind of bfloat16, and keys of random numbers have none.
    if not (getattr(dtype, "kind", "O") in "fiub" or dtype.name.lstrip("b").startswith("float")):
        if rule.promotes:
            raise InputError(f"{name} holds values of type {dtype}; real numbers are expected")
        return value
    if isinstance(value, np.ndarray) and not {np.ndarray, Any} & rule.types:
        value = sys.modules["jax"].numpy.asarray(value)
    elif rule.types == {np.ndarray}:
        value = np.asarray(value)
    if dtype.kind == "u" and not any(dtype.name in one.dtypes for one in rule.arrays):
        value = value.astype(np.int64 if isinstance(value, np.ndarray) else np.int32)
    stays = dtype in (np.float32, np.float64) or (rule.truths and dtype == np.bool_)
    if stays or not rule.promotes:
        return value
    return value.astype(np.float64 if dtype == np.longdouble else np.float32)


def argument_rule(annotation: Any) -> ArgumentRule:
    """Read an annotation: arrays of floating-point numbers are promoted, those of any numbers only made."""
    members = list(_members(annotation))
    arrays = [
        one
        for one in members
        if isinstance(dtypes := getattr(one, "dtypes", None), tuple) and "prng_key" not in dtypes
    ]
    names = {name for one in arrays for name in one.dtypes}
    return ArgumentRule(
        tuple(map(_kind, arrays)),
        frozenset(one.array_type for one in arrays),
        all(name.startswith("bool") or name.lstrip("b").startswith("float") for name in names)
        and any("float" in name for name in names),
        any(name.startswith("bool") for name in names),
        int in members,
        not {str, bytes, Path}.isdisjoint(members),
    )


def _kind(annotation: Any) -> Kind:
    dimensions = annotation.dim_str.replace("...", "*_").split()
    stars = [place for place, name in enumerate(dimensions) if name.startswith("*")]
    place = stars[0] if stars else len(dimensions)
    return Kind(
        # Truth values have one name in NumPy, and another in older releases.
        frozenset(annotation.dtypes) - {"bool_"},
        tuple(dimensions[:place]),
        dimensions[place][1:] if stars else None,
        tuple(dimensions[place + 1 :]),
    )


def _members(annotation: Any) -> Iterator[Any]:
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        for one in typing.get_args(annotation):
            yield from _members(one)
    elif isinstance(annotation, typing.TypeVar) and annotation.__constraints__:
        yield from annotation.__constraints__
    else:
        yield annotation
