"""Reader of torch's files of tensors without torch.

Both of torch's formats contain a pickled dictionary whose tensors name *storages*, which are stored outside the
pickle as raw little-endian numbers. The newer format is a zip archive: ``data.pkl`` and one member for each
storage. The older format is a sequence of pickles (a magic number, a version, properties of the system, the
dictionary, the keys of the storages) followed by each storage: its length in eight bytes, then its numbers.

`convcorr_jax.backbone.weights.torch_pickle` reads the pickles. Numbers may be in half, bfloat16 or double
precision, and stored with channels last.
"""

import contextlib
import io
import os
import struct
import zipfile
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from convcorr_jax.backbone.weights import torch_pickle
from convcorr_jax.backbone.weights.torch_pickle import Tensor, Unpickler
from convcorr_jax.errors import InputError
from convcorr_jax.io.arrays import open_archive, read_member

# The first pickle of the older format, which holds torch's magic number.
MAGIC = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e"

_FLOATS = tuple(
    np.dtype(torch_pickle.STORAGES[f"{kind}Storage"]) for kind in ("Float", "Half", "BFloat16", "Double")
)


class TorchFile(NamedTuple):
    """An open file: tensors by name; kinds, counts and a reader of the numbers by storage."""

    path: Path
    state: dict[str, Any]
    kinds: Mapping[str, np.dtype]
    counts: Mapping[str, int]
    numbers: Callable[[str], np.ndarray]

    def is_float(self, tensor: Any) -> bool:
        """Return whether something in the dictionary is a tensor of floating-point numbers."""
        return isinstance(tensor, Tensor) and self.kinds[tensor.storage] in _FLOATS

    def check(self, tensor: Any, name: str) -> Tensor:
        """Refuse, with an `InputError`, what is no float tensor or is stored with gaps."""
        if not self.is_float(tensor):
            raise InputError(f"{name} in {self.path} is not a float tensor")
        if tensor.stored_axes is None:
            raise InputError(f"{name} in {self.path} is not stored without gaps")
        return tensor

    def read(self, tensors: Collection[Tensor], *, most: int, what: str) -> list[np.ndarray]:
        """Read tensors in single precision, whose storages may have ``most`` numbers, those of ``what``."""
        needed = {tensor.storage for tensor in tensors}
        if sum(self.counts[key] for key in needed) > most:
            raise InputError(f"{self.path} has more numbers in its storages than {what}, {most}")
        numbers = {key: float32(self.numbers(key)) for key in needed}
        return [_array(numbers[tensor.storage], tensor) for tensor in tensors]


@contextlib.contextmanager
def opened(path: Path, *, content: bytes | None = None) -> Iterator[TorchFile]:
    """Open a file of either format, or one whose content is a part of another file.

    Raises:
        InputError: the pickle names a function that is not allowed.
        Exception: the file is damaged; zipfile and pickle raise many kinds of errors.
    """
    with path.open("rb") if content is None else io.BytesIO(content) as stream:
        is_archive = stream.read(2) == b"PK"
        stream.seek(0)
        if is_archive:
            with open_archive(stream) as archive:
                yield _archive(archive, path)
        else:
            yield _sequence(stream, path)


def float32(numbers: np.ndarray) -> np.ndarray:
    """Convert numbers, 16-bit ones without a sign from bfloat16, to single precision."""
    if numbers.dtype == np.uint16:
        return (numbers.astype(np.uint32) << 16).view(np.float32)
    # What is too large becomes infinite, which is refused as not finite.
    with np.errstate(over="ignore"):
        return numbers.astype(np.float32, copy=False)


def _array(numbers: np.ndarray, tensor: Tensor) -> np.ndarray:
    if tensor.stop > numbers.size:
        raise ValueError("a tensor ends beyond the end of its storage")
    axes = tensor.stored_axes or ()
    stored = numbers[tensor.offset : tensor.stop].reshape([tensor.shape[axis] for axis in axes])
    return stored.transpose(np.argsort(axes)) if axes else stored


def _archive(archive: zipfile.ZipFile, path: Path) -> TorchFile:
    members = {member.filename: member for member in archive.infolist()}
    (pickled,) = (name for name in members if name.endswith("/data.pkl"))
    folder = pickled.removesuffix("data.pkl") + "data/"
    storages = {
        name.removeprefix(folder): member for name, member in members.items() if name.startswith(folder)
    }
    content = read_member(archive, members[pickled], most=torch_pickle.MAX_BYTES)

    unpickler = Unpickler(io.BytesIO(content), path)
    state = _dictionary(unpickler.load())
    kinds = _kinds(unpickler)

    def numbers(key: str) -> np.ndarray:
        content = read_member(archive, storages[key], most=storages[key].file_size)
        return np.frombuffer(content, kinds[key])

    counts = {key: member.file_size // kinds[key].itemsize for key, member in storages.items() if key in kinds}
    return TorchFile(path, state, kinds, counts, numbers)


def _kinds(unpickler: Unpickler) -> dict[str, np.dtype]:
    return {key: np.dtype(torch_pickle.STORAGES[kind]) for key, kind in unpickler.kinds.items()}


def _sequence(stream: BinaryIO | io.BytesIO, path: Path) -> TorchFile:
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    head = io.BytesIO(stream.read(torch_pickle.MAX_BYTES))
    unpicklers = [Unpickler(head, path) for _ in range(5)]
    _magic, _version, _system, state, keys = (unpickler.load() for unpickler in unpicklers)
    kinds = _kinds(unpicklers[3])
    position, starts, counts = head.tell(), {}, {}
    for key in keys:
        if type(key) is not str or key not in kinds:
            raise ValueError("the key of a storage is not that of a tensor")
        stream.seek(position)
        (counts[key],) = struct.unpack("<Q", stream.read(8))
        starts[key] = position + 8
        position = starts[key] + kinds[key].itemsize * counts[key]
        if position > size:
            raise ValueError("it ends within the numbers of a tensor")

    def numbers(key: str) -> np.ndarray:
        stream.seek(starts[key])
        return np.frombuffer(stream.read(kinds[key].itemsize * counts[key]), kinds[key])

    return TorchFile(path, _dictionary(state), kinds, counts, numbers)


def _dictionary(state: Any) -> dict[str, Any]:
    if type(state) is not dict:
        raise ValueError("it is not a dictionary of tensors")
    return state
