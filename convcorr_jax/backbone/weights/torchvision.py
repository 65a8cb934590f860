"""Reader of torchvision's ``.pth`` checkpoints without torch.

Both of torch's formats contain a pickled dictionary whose tensors name *storages*, which are stored outside the
pickle as raw little-endian numbers. The newer format is a zip archive: ``data.pkl`` and one member for each
storage. The older format is a sequence of pickles (a magic number, a version, properties of the system, the
dictionary, the keys of the storages) followed by each storage: its length in eight bytes, then its numbers.

`convcorr_jax.backbone.weights.torch_pickle` reads the pickles. Shapes and sizes are compared with those of the
network before the storages are read. Checkpoints of training scripts are read as well: the network as one entry
of several or as part of a greater model, in half, bfloat16 or double precision, and stored with channels last.
"""

import io
import os
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from convcorr_jax.backbone.networks import NETWORKS, Network, filter_shapes
from convcorr_jax.backbone.weights import torch_pickle
from convcorr_jax.backbone.weights.layout import Stored, check_shapes, count_numbers
from convcorr_jax.backbone.weights.torch_pickle import Tensor, Unpickler
from convcorr_jax.errors import InputError
from convcorr_jax.io.arrays import open_archive, read_member

# The first pickle of the older format, which holds torch's magic number.
MAGIC = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e"

_FLOATS = tuple(
    np.dtype(torch_pickle.STORAGES[f"{kind}Storage"]) for kind in ("Float", "Half", "BFloat16", "Double")
)
# Names of tensors that a message lists.
_NAMES_SHOWN = 8
# The names of a layer's tensors behind that of its module.
_PARTS = ("weight", "bias")

# The modules of torchvision's models for each layer; the numbers also count ReLU and pooling.
_MODULES = {
    name: dict(zip(filter_shapes(NETWORKS[name]), modules, strict=True))
    for name, modules in (
        ("alexnet", [f"features.{n}" for n in (0, 3, 6, 8, 10)] + ["classifier.1", "classifier.4"]),
        (
            "vgg16",
            [f"features.{n}" for n in (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)]
            + ["classifier.0", "classifier.3"],
        ),
    )
}


def read(path: Path, network: Network) -> dict[str, Stored]:
    """Read kernel and bias of each of the network's convolutions that the checkpoint contains.

    Raises:
        InputError: the network is not one of torchvision's, or the pickle names a function that is not allowed.
        Exception: the file is damaged; zipfile and pickle raise many kinds of errors.
    """
    if network.name not in _MODULES:
        raise InputError(f"{path} is a torch checkpoint, and {network.name} is Caffe's, not torchvision's")
    with path.open("rb") as stream:
        is_archive = stream.read(2) == b"PK"
        stream.seek(0)
        if is_archive:
            with open_archive(stream) as archive:
                return _stored(_archive(archive, path), path, network)
        return _stored(_sequence(stream, path), path, network)


class _File(NamedTuple):
    """An open checkpoint: tensors by name; kinds, counts and a reader of the numbers by storage."""

    state: dict[str, Any]
    kinds: Mapping[str, np.dtype]
    counts: Mapping[str, int]
    numbers: Callable[[str], np.ndarray]


def _stored(file: _File, path: Path, network: Network) -> dict[str, Stored]:
    """Find the tensors of the network's layers, check their shapes, and only then read their numbers."""
    tensors: dict[str, tuple[Tensor, Tensor]] = {}
    modules = _MODULES[network.name]
    state = _model(file.state, f"{next(iter(modules.values()))}.weight", path, network)
    for layer, shape in filter_shapes(network).items():
        module = modules[layer]
        if f"{module}.weight" in state:
            kernel, bias = (_tensor(state, f"{module}.{part}", file, path) for part in _PARTS)
            check_shapes(kernel.shape, bias.shape, shape, what=f"{layer} in {path}")
            tensors[layer] = kernel, bias
    needed = {tensor.storage for pair in tensors.values() for tensor in pair}
    most = count_numbers(network)
    if sum(file.counts[key] for key in needed) > most:
        raise InputError(f"{path} has more numbers in its storages than {network.name}, {most}")
    numbers = {key: _float32(file.numbers(key)) for key in needed}
    return {
        layer: Stored(*(_array(numbers[tensor.storage], tensor) for tensor in pair))
        for layer, pair in tensors.items()
    }


def _model(state: dict[Any, Any], first: str, path: Path, network: Network) -> dict[str, Any]:
    """Return the tensors of the network by torchvision's names, wherever a training script put them."""
    found: dict[str, dict[str, Any]] = {}
    names: list[str] = []
    for entry, part in [("", state), *((f"{key}/", value) for key, value in state.items())]:
        if type(part) is not dict:
            continue
        plain: dict[str, Any] = {}
        for name, value in part.items():
            parts = [one for one in str(name).split(".") if one not in ("module", "_orig_mod")]
            if plain.setdefault(".".join(parts), value) is not value:
                raise InputError(f"{path} has {entry}{name} twice, with and without its wrapper")
        names += [f"{entry}{name}" for name, value in part.items() if isinstance(value, Tensor)]
        for name in plain:
            if name == first or name.endswith(f".{first}"):
                prefix = name.removesuffix(first)
                inside = {n.removeprefix(prefix): v for n, v in plain.items() if n.startswith(prefix)}
                found[entry + prefix] = inside
    if len(found) > 1:
        raise InputError(f"{path} has several networks, {', '.join(found)}; one is expected")
    if not found:
        some = ", ".join(names[:_NAMES_SHOWN]) or "none"
        raise InputError(f"{path} has no {first}, the first tensor of {network.name}; it has {some}")
    return found.popitem()[1]


def _tensor(state: dict[str, Any], name: str, file: _File, path: Path) -> Tensor:
    tensor = state.get(name)
    if not isinstance(tensor, Tensor) or file.kinds[tensor.storage] not in _FLOATS:
        raise InputError(f"{name} in {path} is not a float tensor")
    if tensor.stored_axes is None:
        raise InputError(f"{name} in {path} is not stored without gaps")
    return tensor


def _float32(numbers: np.ndarray) -> np.ndarray:
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


def _archive(archive: zipfile.ZipFile, path: Path) -> _File:
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
    return _File(state, kinds, counts, numbers)


def _kinds(unpickler: Unpickler) -> dict[str, np.dtype]:
    return {key: np.dtype(torch_pickle.STORAGES[kind]) for key, kind in unpickler.kinds.items()}


def _sequence(stream: BinaryIO, path: Path) -> _File:
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
        return np.fromfile(stream, kinds[key], counts[key])

    return _File(_dictionary(state), kinds, counts, numbers)


def _dictionary(state: Any) -> dict[str, Any]:
    if type(state) is not dict:
        raise ValueError("it is not a dictionary of tensors")
    return state
