"""Reader of torchvision's ``.pth`` checkpoints without torch.

Both of torch's formats contain a pickled dictionary whose tensors name *storages*, which are stored outside the
pickle as raw little-endian numbers. The newer format is a zip archive: ``data.pkl`` and one member for each
storage. The older format is a sequence of pickles (a magic number, a version, properties of the system, the
dictionary, the keys of the storages) followed by each storage: its length in eight bytes, then its numbers.

A pickle can name any function to be called. Here it may only name the functions that a dictionary of float
tensors needs; any other name is refused.
"""

import io
import math
import pickle
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from convcorr_jax.backbone.networks import Network
from convcorr_jax.backbone.weights.layout import Stored
from convcorr_jax.errors import InputError

# The first pickle of the older format, which holds torch's magic number.
MAGIC = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e"

# The modules of torchvision's models for each layer; the numbers also count ReLU and pooling.
_MODULES = {
    "alexnet": {
        "conv1": "features.0",
        "conv2": "features.3",
        "conv3": "features.6",
        "conv4": "features.8",
        "conv5": "features.10",
        "fc6": "classifier.1",
        "fc7": "classifier.4",
    },
    "vgg16": {
        "conv1_1": "features.0",
        "conv1_2": "features.2",
        "conv2_1": "features.5",
        "conv2_2": "features.7",
        "conv3_1": "features.10",
        "conv3_2": "features.12",
        "conv3_3": "features.14",
        "conv4_1": "features.17",
        "conv4_2": "features.19",
        "conv4_3": "features.21",
        "conv5_1": "features.24",
        "conv5_2": "features.26",
        "conv5_3": "features.28",
        "fc6": "classifier.0",
        "fc7": "classifier.3",
    },
}


class _Storage(NamedTuple):
    key: str


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


def read(path: Path, network: Network) -> dict[str, Stored]:
    """Read kernel and bias of each of the network's convolutions that the checkpoint contains.

    Args:
        path: the file.
        network: the layer table.

    Raises:
        InputError: the network is not one of torchvision's, or the pickle names a function that is not allowed.
        Exception: the file is damaged; zipfile and pickle raise many kinds of errors.
    """
    if network.name not in _MODULES:
        raise InputError(
            f"{path} is a torch checkpoint, and {network.name} is Caffe's, not torchvision's"
        )
    with path.open("rb") as stream:
        is_archive = stream.read(2) == b"PK"
        stream.seek(0)
        tensors, storages = (_read_archive if is_archive else _read_sequence)(stream, path)

    def array(name: str) -> np.ndarray:
        tensor = tensors[name]
        if tensor.stride != tuple(
            math.prod(tensor.shape[i + 1 :]) for i in range(len(tensor.shape))
        ):
            raise InputError(f"{name} in {path} is not stored in row-major order")
        numbers = storages[tensor.storage.key][tensor.offset :]
        return numbers[: math.prod(tensor.shape)].reshape(tensor.shape)

    return {
        layer: Stored(array(f"{module}.weight"), array(f"{module}.bias"))
        for layer, module in _MODULES[network.name].items()
        if f"{module}.weight" in tensors
    }


def _read_archive(stream: BinaryIO, path: Path) -> tuple[dict[str, _Tensor], dict[str, np.ndarray]]:
    with zipfile.ZipFile(stream) as archive:
        (pickled,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
        folder = pickled.removesuffix("data.pkl") + "data/"
        storages = {
            name.removeprefix(folder): np.frombuffer(archive.read(name), "<f4")
            for name in archive.namelist()
            if name.startswith(folder)
        }
        return _Unpickler(io.BytesIO(archive.read(pickled)), path).load(), storages


def _read_sequence(
    stream: BinaryIO, path: Path
) -> tuple[dict[str, _Tensor], dict[str, np.ndarray]]:
    _magic, _version, _system, tensors, keys = (_Unpickler(stream, path).load() for _ in range(5))
    storages = {}
    for key in keys:
        (count,) = struct.unpack("<q", stream.read(8))
        storages[key] = np.fromfile(stream, "<f4", count)
        if storages[key].size != count:
            raise ValueError("it ends within the numbers of a tensor")
    return tensors, storages


def _rebuild_tensor(
    storage: _Storage, offset: int, shape: tuple[int, ...], stride: tuple[int, ...], *_rest: object
) -> _Tensor:
    return _Tensor(storage, offset, shape, stride)


def _rebuild_parameter(tensor: _Tensor, *_rest: object) -> _Tensor:
    return tensor


_NAMES = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch", "FloatStorage"): _Storage,
    ("torch._utils", "_rebuild_tensor"): _rebuild_tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
}


# The Python implementation, because in the C implementation a damaged memo index can exhaust the memory.
class _Unpickler(pickle._Unpickler):
    def __init__(self, stream: BinaryIO | io.BytesIO, path: Path) -> None:
        super().__init__(stream)
        self._path = path

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _NAMES:
            raise InputError(
                f"{self._path} names {module}.{name}, which a checkpoint of float tensors does not need"
            )
        return _NAMES[module, name]

    def persistent_load(self, pid: Any) -> _Storage:
        _kind, make_storage, key, *_rest = pid
        return make_storage(key)
