"""Reader of torchvision's ``.pth`` checkpoints, which `convcorr_jax.backbone.weights.torch_files` opens.

Shapes and sizes are compared with those of the network before the storages are read. Checkpoints of training
scripts are read as well: the network as one entry of several or as part of a greater model.
"""

from pathlib import Path
from typing import Any

from convcorr_jax.backbone.networks import NETWORKS, Network, filter_shapes
from convcorr_jax.backbone.weights.layout import Stored, check_shapes, count_numbers
from convcorr_jax.backbone.weights.torch_files import TorchFile, opened
from convcorr_jax.backbone.weights.torch_pickle import Tensor
from convcorr_jax.errors import InputError

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
    with opened(path) as file:
        return _stored(file, path, network)


def _stored(file: TorchFile, path: Path, network: Network) -> dict[str, Stored]:
    """Find the tensors of the network's layers, check their shapes, and only then read their numbers."""
    tensors: dict[str, tuple[Tensor, Tensor]] = {}
    modules = _MODULES[network.name]
    state = _model(file.state, f"{next(iter(modules.values()))}.weight", path, network)
    for layer, shape in filter_shapes(network).items():
        module = modules[layer]
        if f"{module}.weight" in state:
            kernel, bias = (file.check(state.get(f"{module}.{part}"), f"{module}.{part}") for part in _PARTS)
            check_shapes(kernel.shape, bias.shape, shape, what=f"{layer} in {path}")
            tensors[layer] = kernel, bias
    pairs = [tensor for pair in tensors.values() for tensor in pair]
    arrays = file.read(pairs, most=count_numbers(network), what=network.name)
    return {
        layer: Stored(*pair)
        for layer, pair in zip(tensors, zip(arrays[::2], arrays[1::2], strict=True), strict=True)
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
