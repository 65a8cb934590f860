"""Reader of the official files of ResNets, ConvNeXts and MobileNetV2, in any format of `tensors`.

The names are those of torchvision, timm, ``transformers``, and of ConvNeXt's and DINOv3's own code. Batch
normalisation after a convolution, and the scale and shift of normalised columns before one, are multiplied into
it, as is the scale of a branch:

    batch    K' = g K,   b' = g (b - mean) + shift,   g = scale / sqrt(variance + 1e-5)
    columns  K' = K scale,   b' = b + K shift
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from convcorr_jax.backbone.layers import Unit
from convcorr_jax.backbone.networks import NETWORKS, Network, filter_shapes
from convcorr_jax.backbone.weights.layout import Stored
from convcorr_jax.backbone.weights.tensors import TensorFile, open_tensors
from convcorr_jax.errors import InputError

# Added to variances by all batch normalisations of these networks.
_EPSILON = 1e-5
_BATCH_NORM = ("weight", "bias", "running_mean", "running_var")
# Names of tensors that a message lists.
_NAMES_SHOWN = 8


class _Source(NamedTuple):
    """Where a convolution is in a file: names of modules, and that of the tensor of a branch's scale."""

    module: str
    batch_norm: str = ""
    column_norm: str = ""
    scale: str = ""

    def renamed(self, rename: Callable[[str], str]) -> "_Source":
        """Apply a function to all names."""
        return _Source(*(name and rename(name) for name in self))

    def required(self) -> list[str]:
        """Return the names of the tensors that must be in the file."""
        names = [f"{self.module}.weight"]
        names += [f"{self.batch_norm}.{part}" for part in _BATCH_NORM if self.batch_norm]
        names += [f"{self.column_norm}.{part}" for part in ("weight", "bias") if self.column_norm]
        # A batch normalisation makes a bias superfluous.
        names += [] if self.batch_norm else [f"{self.module}.bias"]
        return names + ([self.scale] if self.scale else [])


def _convnext(stem: tuple[str, str], down: str, unit: str, parts: tuple[str, ...]) -> dict[str, _Source]:
    depthwise, norm, up, last, scale = (f"{unit}.{part}" for part in parts)
    return {
        "stem_patches": _Source(stem[0]),
        "stem_scale": _Source(stem[1]),
        r"down(\d)": _Source(f"{down}.1", column_norm=f"{down}.0"),
        r"stage(\d)_(\d+)_depthwise": _Source(depthwise),
        r"stage(\d)_(\d+)_up": _Source(up, column_norm=norm),
        r"stage(\d)_(\d+)_down": _Source(last, scale=scale),
    }


def _mobilenet(first: tuple[str, ...], others: tuple[str, ...]) -> dict[str, _Source]:
    """Return the names by those of the convolutions and normalisations in the first unit and in the others."""
    depthwise, norm, project, last_norm = (f"features.1.conv.{part}" for part in first)
    inner = [f"features.{{0}}.conv.{part}" for part in others]
    return {
        r"features(\d+)": _Source("features.{0}.0", "features.{0}.1"),
        "features1_depthwise": _Source(depthwise, norm),
        "features1_project": _Source(project, last_norm),
        r"features(\d+)_expand": _Source(inner[0], inner[1]),
        r"features(\d+)_depthwise": _Source(inner[2], inner[3]),
        r"features(\d+)_project": _Source(inner[4], inner[5]),
    }


_OWN = ("dwconv", "norm", "pwconv1", "pwconv2", "gamma")
# For each publisher, the names by the pattern of a convolution's name in the table; the first that fits counts.
# Of the numbers in it, {0} is the first and {before[0]} is 1 less; {even} is twice that, and {odd} is 1 more.
_PUBLISHERS: tuple[Mapping[str, _Source], ...] = (
    {  # torchvision and timm
        "conv1": _Source("conv1", "bn1"),
        r"layer(\d)_(\d+)_conv(\d)": _Source("layer{0}.{1}.conv{2}", "layer{0}.{1}.bn{2}"),
        r"layer(\d)_(\d+)_projection": _Source("layer{0}.{1}.downsample.0", "layer{0}.{1}.downsample.1"),
    },
    {  # transformers
        "conv1": _Source("embedder.embedder.convolution", "embedder.embedder.normalization"),
        r"layer(\d)_(\d+)_conv(\d)": _Source(
            "encoder.stages.{before[0]}.layers.{1}.layer.{before[2]}.convolution",
            "encoder.stages.{before[0]}.layers.{1}.layer.{before[2]}.normalization",
        ),
        r"layer(\d)_(\d+)_projection": _Source(
            "encoder.stages.{before[0]}.layers.{1}.shortcut.convolution",
            "encoder.stages.{before[0]}.layers.{1}.shortcut.normalization",
        ),
    },
    _convnext(  # torchvision
        ("features.0.0", "features.0.1"),
        "features.{even}",
        "features.{odd}.{1}",
        ("block.0", "block.2", "block.3", "block.5", "layer_scale"),
    ),
    _convnext(  # ConvNeXt's own code
        ("downsample_layers.0.0", "downsample_layers.0.1"),
        "downsample_layers.{before[0]}",
        "stages.{before[0]}.{1}",
        _OWN,
    ),
    _convnext(  # timm
        ("stem.0", "stem.1"),
        "stages.{before[0]}.downsample",
        "stages.{before[0]}.blocks.{1}",
        ("conv_dw", "norm", "mlp.fc1", "mlp.fc2", "gamma"),
    ),
    _convnext(  # transformers
        ("embeddings.patch_embeddings", "embeddings.layernorm"),
        "encoder.stages.{before[0]}.downsampling_layer",
        "encoder.stages.{before[0]}.layers.{1}",
        ("dwconv", "layernorm", "pwconv1", "pwconv2", "layer_scale_parameter"),
    ),
    _convnext(  # DINOv3 in transformers
        ("stages.0.downsample_layers.0", "stages.0.downsample_layers.1"),
        "stages.{before[0]}.downsample_layers",
        "stages.{before[0]}.layers.{1}",
        ("depthwise_conv", "layer_norm", "pointwise_conv1", "pointwise_conv2", "gamma"),
    ),
    _mobilenet(("0.0", "0.1", "1", "2"), ("0.0", "0.1", "1.0", "1.1", "2", "3")),  # torchvision
    _mobilenet(("0", "1", "3", "4"), ("0", "1", "3", "4", "6", "7")),  # the form before torchvision's
)


def is_residual(network: Network) -> bool:
    """Return whether layers of the network are residual units, so that its files are read here."""
    return any(isinstance(layer, Unit) for layer in network.layers)


def read(path: Path, network: Network) -> dict[str, Stored]:
    """Read kernel and bias of each of the network's convolutions, all of which must be in the file.

    Raises:
        InputError: the file is damaged or of no format known here; it is of another network, or lacks a tensor
            or has one of another shape.
    """
    file = open_tensors(path)
    try:
        located = _located(file, network)
    except InputError:
        other = network_of(file)
        if other is None or other.name == network.name:
            raise
        raise InputError(f"{path} holds weights of {other.name}, not of {network.name}") from None
    names = [name for source in located.values() for name in (*source.required(), f"{source.module}.bias")]
    arrays = file.read([name for name in dict.fromkeys(names) if name in file.shapes])
    shapes = filter_shapes(network)
    return {name: _folded(source, arrays, shapes[name]) for name, source in located.items()}


def network_of(file: TensorFile) -> Network | None:
    """Return the network of `NETWORKS` whose tensors a file has, if it is residual, else None."""
    for network in NETWORKS.values():
        if is_residual(network):
            try:
                _located(file, network)
            except InputError:
                continue
            return network
    return None


def _located(file: TensorFile, network: Network) -> dict[str, _Source]:
    """Find the tensors of every convolution, and check their shapes."""
    prefix, sources = _most_complete(file, network)
    names = [name for source in sources.values() for name in source.required()]
    for name in names:
        if name not in file.shapes:
            raise InputError(f"{file.path} has no {name}, which {network.name} needs")
    for name, shape in file.shapes.items():
        if name.startswith(prefix) and len(shape) == 4 and name not in names:
            raise InputError(f"{file.path} has {name}, which {network.name} has not")
    for name, shape in filter_shapes(network).items():
        _check_shapes(file, sources[name], shape)
    return sources


def _most_complete(file: TensorFile, network: Network) -> tuple[str, dict[str, _Source]]:
    """Return the names of the publisher, below the prefix, of which the file has the most."""
    found: list[tuple[int, str, dict[str, _Source]]] = []
    complete, firsts = [], []
    for publisher in _PUBLISHERS:
        sources = _named(publisher, network)
        if not sources:
            continue
        required = [name for source in sources.values() for name in source.required()]
        firsts.append(first := required[0])
        for prefix in (name.removesuffix(first) for name in file.shapes if name.endswith(first)):
            if not prefix or prefix.endswith((".", "/")):
                present = sum(prefix + name in file.shapes for name in required)
                found.append((present, prefix, sources))
                complete += [prefix or "one without a prefix"] if present == len(required) else []
    if len(complete) > 1:
        raise InputError(f"{file.path} has several networks, {', '.join(complete)}; one is expected")
    if not found:
        some = ", ".join(list(file.shapes)[:_NAMES_SHOWN]) or "none"
        expected = " or ".join(firsts) or "tensor"
        raise InputError(f"{file.path} has no {expected} of {network.name}; it has {some}")
    _, prefix, sources = max(found, key=lambda each: each[0])
    return prefix, {name: source.renamed(lambda x: prefix + x) for name, source in sources.items()}


def _named(publisher: Mapping[str, _Source], network: Network) -> dict[str, _Source]:
    """Return a publisher's names of all convolutions; none if it has none for one of them."""
    named = {}
    for name in filter_shapes(network):
        for pattern, source in publisher.items():
            if match := re.fullmatch(pattern, name):
                numbers = [int(number) for number in match.groups()]
                before = [number - 1 for number in numbers]
                twice = 2 * before[0] if before else 0
                options = {"before": before, "even": twice, "odd": twice + 1}
                named[name] = source.renamed(lambda x, n=numbers, o=options: x.format(*n, **o))
                break
        else:
            return {}
    return named


def _check_shapes(file: TensorFile, source: _Source, shape: tuple[int, int, int, int]) -> None:
    height, width, inputs, outputs = shape
    allowed: set[tuple[int, ...]] = {(outputs, inputs, height, width)}
    if height == width == 1:
        # A linear map in some files, or the scale of normalised columns.
        allowed |= {(outputs, inputs)} if inputs > 1 else {(outputs,)}
    expected = {f"{source.module}.weight": allowed}
    for name in source.required()[1:]:
        length = inputs if source.column_norm and name.startswith(f"{source.column_norm}.") else outputs
        expected[name] = {(length,), (length, 1, 1)} if name == source.scale else {(length,)}
    for name, shapes in expected.items():
        if file.shapes[name] not in shapes:
            raise InputError(f"{name} in {file.path} has shape {file.shapes[name]}; {max(shapes)} is expected")


def _folded(source: _Source, arrays: Mapping[str, np.ndarray], shape: tuple[int, int, int, int]) -> Stored:
    height, width, inputs, outputs = shape

    def vector(name: str) -> np.ndarray:
        return arrays[name].astype(np.float64).reshape(-1)

    kernel = arrays[f"{source.module}.weight"].astype(np.float64).reshape(outputs, inputs, height, width)
    bias = vector(f"{source.module}.bias") if f"{source.module}.bias" in arrays else np.zeros(outputs)
    scale = np.ones(outputs)
    # What is not finite is refused by the caller.
    with np.errstate(all="ignore"):
        if source.column_norm:
            of_inputs, shift = (vector(f"{source.column_norm}.{part}") for part in ("weight", "bias"))
            bias = bias + np.einsum("oihw,i->o", kernel, shift)
            kernel = kernel * of_inputs[None, :, None, None]
        if source.batch_norm:
            scale, shift, mean, variance = (vector(f"{source.batch_norm}.{part}") for part in _BATCH_NORM)
            scale = scale / np.sqrt(variance + _EPSILON)
            bias = (bias - mean) * scale + shift
        elif source.scale:
            scale = vector(source.scale)
            bias = bias * scale
        kernel = kernel * scale[:, None, None, None]
        return Stored(kernel.astype(np.float32), bias.astype(np.float32))
