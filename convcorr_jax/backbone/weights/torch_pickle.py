"""Reader of the pickles in torch's checkpoints, which contain dictionaries of tensors.

A pickle is a program: it can name functions, call them, and set attributes of whatever they return. Here a
pickle can only build dictionaries whose keys are texts or whole numbers, lists, tuples, numbers, texts and
`Tensor`. What it may name is represented by constants, and every other instruction is refused.
"""

import enum
import io
import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from convcorr_jax.errors import InputError

MAX_BYTES = 2**20
"""The limit of the size of a file's pickles; VGG16's takes 4 kB."""

_MAX_AXES = 8


class Tensor(NamedTuple):
    """Where a tensor is: the storage's key, the first number's position in it, lengths and strides."""

    storage: str
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def stored_axes(self) -> tuple[int, ...] | None:
        """The axes from the slowest to the fastest, as of channels last; None if there are gaps."""
        if 0 in self.shape:
            return tuple(range(len(self.shape)))
        # The stride of an axis of length 1 means nothing.
        order = sorted(range(len(self.shape)), key=lambda axis: (self.shape[axis] == 1, -self.stride[axis]))
        lengths = [self.shape[axis] for axis in order]
        whole = all(
            self.shape[axis] == 1 or self.stride[axis] == math.prod(lengths[place + 1 :])
            for place, axis in enumerate(order)
        )
        return tuple(order) if whole else None

    @property
    def stop(self) -> int:
        """The position behind the last number in the storage."""
        return self.offset + math.prod(self.shape)


STORAGES = {
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    # The upper halves of 32-bit floats.
    "BFloat16Storage": "<u2",
    "DoubleStorage": "<f8",
    # Counters of training scripts, which are skipped.
    **{"LongStorage": "<i8", "IntStorage": "<i4", "ByteStorage": "|u1", "BoolStorage": "|b1"},
}
"""How torch stores the numbers of each kind of storage."""


class _Function(enum.Enum):
    """What a pickle of tensors may name besides kinds of storages."""

    DICTIONARY = enum.auto()
    TENSOR = enum.auto()
    PARAMETER = enum.auto()


class _Kind(NamedTuple):
    name: str


_NAMES: dict[tuple[str, str], Any] = {
    **{("torch", name): _Kind(name) for name in STORAGES},
    ("collections", "OrderedDict"): _Function.DICTIONARY,
    ("torch._utils", "_rebuild_tensor"): _Function.TENSOR,
    ("torch._utils", "_rebuild_tensor_v2"): _Function.TENSOR,
    ("torch._utils", "_rebuild_parameter"): _Function.PARAMETER,
}


class _Storage(NamedTuple):
    key: str


class _Instructions(dict[int, Callable[[Any], None]]):
    def __missing__(self, code: int) -> Callable[[Any], None]:
        raise pickle.UnpicklingError(f"its pickle has the unexpected instruction {chr(code)!r}")


def _without_calls() -> _Instructions:
    """Return the instructions, of protocols 2 to 4, that build plain values."""
    names = (
        "PROTO FRAME STOP MARK MEMOIZE BINPUT LONG_BINPUT BINGET LONG_BINGET GLOBAL STACK_GLOBAL BINPERSID "
        "NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 BINFLOAT BINUNICODE SHORT_BINUNICODE BINSTRING "
        "SHORT_BINSTRING EMPTY_TUPLE TUPLE1 TUPLE2 TUPLE3 TUPLE EMPTY_LIST APPEND APPENDS EMPTY_DICT"
    )
    codes = [getattr(pickle, name)[0] for name in names.split()]
    return _Instructions({code: pickle._Unpickler.dispatch[code] for code in codes})  # type: ignore


# The Python implementation, whose instructions can be chosen.
class Unpickler(pickle._Unpickler):  # type: ignore
    """An unpickler of dictionaries of tensors; `kinds` has the kind of each storage, by its key.

    `load` returns a plain value, in which tensors are of the type `Tensor`. It raises an `InputError` if the
    pickle names a function that is not needed, and other errors if the pickle is damaged.
    """

    # Attributes of the base class, whose module declares none.
    stack: list[Any]
    pop_mark: Callable[[], list[Any]]

    def __init__(self, stream: io.BytesIO, path: Path) -> None:
        super().__init__(stream)
        self._path = path
        self.kinds: dict[str, str] = {}

    dispatch = _without_calls()

    def find_class(self, module: str, name: str) -> "_Function | _Kind":
        """Return the constant that stands for a function or for a kind of storage."""
        if (module, name) not in _NAMES:
            raise InputError(
                f"{self._path} names {module}.{name}, which a checkpoint of float tensors does not need"
            )
        return _NAMES[module, name]

    def persistent_load(self, pid: Any) -> _Storage:
        """Return the storage that a persistent id names: "storage", its kind, its key, and facts not needed."""
        match pid:
            case ("storage", _Kind(kind), str(key), *_) if self.kinds.setdefault(key, kind) == kind:
                return _Storage(key)
        raise pickle.UnpicklingError("its pickle names a storage that is not one of numbers")

    def _call(self) -> None:
        arguments = self.stack.pop()
        function = self.stack[-1]
        self.stack[-1] = _called(function, arguments)

    def _set_state(self) -> None:
        # torch sets the attribute `_metadata` of its dictionaries, which no tensor needs.
        self.stack.pop()
        if type(self.stack[-1]) is not dict:
            raise pickle.UnpicklingError("its pickle sets attributes of something but a dictionary")

    def _set_item(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        _update(self.stack[-1], [(key, value)])

    def _set_items(self) -> None:
        items = self.pop_mark()
        _update(self.stack[-1], list(zip(items[::2], items[1::2], strict=True)))

    dispatch[pickle.REDUCE[0]] = _call
    dispatch[pickle.BUILD[0]] = _set_state
    dispatch[pickle.SETITEM[0]] = _set_item
    dispatch[pickle.SETITEMS[0]] = _set_items


def _called(function: Any, arguments: Any) -> Any:
    match function, arguments:
        case _Function.DICTIONARY, ():
            return {}
        case _Function.DICTIONARY, (list(pairs),):
            # Python 2 passes the items to the constructor.
            dictionary: dict[str, Any] = {}
            _update(dictionary, pairs)
            return dictionary
        case _Function.PARAMETER, (Tensor() as tensor, *_):
            return tensor
        case _Function.TENSOR, (_Storage(key), int(offset), tuple(shape), tuple(stride), *_):
            numbers = (offset, *shape, *stride)
            plain = all(type(number) is int and 0 <= number < 2**31 for number in numbers)
            if plain and len(shape) <= _MAX_AXES:
                return Tensor(key, offset, shape, stride)
    raise pickle.UnpicklingError("its pickle has a call that creates no dictionary or float tensor")


def _update(dictionary: Any, pairs: list[Any]) -> None:
    if type(dictionary) is not dict:
        raise pickle.UnpicklingError("its pickle sets items of something but a dictionary")
    for pair in pairs:
        match pair:
            # Optimizers number their parameters.
            case (str(key) | int(key), value):
                dictionary[key] = value
            case _:
                # The hash of a nested tuple can take forever.
                raise pickle.UnpicklingError("its pickle has a key that is not text")
