"""Forward pass of a network: images to named activations.

All arrays are float32 and ``[batch, height, width, channel]``. The functions are pure and differentiable, and
work for images of any size that has at least one cell; `receptive_field` computes the input window of each
cell. Inputs are results of `preprocess`.

On a CPU the layers of each resolution process a few images at a time, so that activations stay in the cache:
the fewer cells, the more images. On a GPU, ``jax.default_matmul_precision`` sets the precision of products.

`single_pixel_activations` are those of a layer at every pixel, although the layer has a stride: a layer of
stride s is applied to all of its s x s shifts, which continue as a batch; at the end their maps are
interleaved. Every position is computed once, as with stride 1. There is no zero padding: the function computes
the cells whose receptive fields are inside the image. These have the same values as in the padded network.

Source: Giusti, Ciresan, Masci, Gambardella and Schmidhuber, "Fast image scanning with deep max-pooling
convolutional neural networks", ICIP 2013.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial, reduce

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num

from convcorr_jax.backbone import vit
from convcorr_jax.backbone.convolution import correlate, correlate_each, on_cpu
from convcorr_jax.backbone.layers import (
    Activation,
    Block,
    Conv,
    Layer,
    LocalResponseNorm,
    MaxPool,
    Unit,
    convolutions,
    windows,
)
from convcorr_jax.backbone.networks import Filters, Network, Params
from convcorr_jax.backbone.receptive_field import grid_size, output_side, receptive_field
from convcorr_jax.errors import InputError

# The largest activation, in bytes, of images that are processed together. Measured on 2 cores with 32 MB of
# shared cache: with fewer images the products are too small, with more they are limited by memory bandwidth.
_BYTES_AT_ONCE = 16e6
# Added to variances of standardized columns, as ConvNeXt does.
_EPSILON = 1e-6
# The largest attention weights, in bytes, of images that pass a vision transformer together on a CPU.
_ATTENTION_BYTES_AT_ONCE = 64e6


def preprocess(
    images: Num[Array, "b h w 3"] | Num[np.ndarray, "b h w 3"], *, network: Network
) -> Float[Array, "b h w 3"]:
    """Convert RGB images, 0-255, to the network's input: ``(channels - mean) / deviation``."""
    expected = network.preprocessing
    pixels = jnp.asarray(images, jnp.float32)
    channels = pixels[..., ::-1] if expected.bgr else pixels
    mean = jnp.array(expected.mean).reshape(1, 1, 1, 3)
    deviation = jnp.array(expected.deviation).reshape(1, 1, 1, 3)
    return (channels - mean) / deviation


def activations(
    params: Params, inputs: Float[Array, "b h w 3"], *, network: Network, layers: Sequence[str]
) -> dict[str, Float[Array, "b gh gw c"]]:
    """Compute the activations of layers in one forward pass, which stops at the deepest of them.

    The function is jitted; a new image size, batch size, network or choice of layers is compiled anew. Devices
    that have parts of a batch, and all parameters, compute these parts.

    Raises:
        InputError: the network has no such layer, ``params`` lacks filters of it, or the images are too small
            for it.

    Differs from torchvision: on images larger than 224 pixels, fc6 and fc7 are applied as convolutions, and
    torchvision averages pool5 to a fixed grid first. At 224 pixels both are the same.
    """
    for layer in layers:
        grid_size(network, layer, inputs.shape[1:3])
    if network.vit is not None:
        absent = [part for part in vit.PARTS if part not in params]
        if absent:
            raise InputError(f"these weights of {network.name} have no {absent[0]}, which all layers need")
        evaluate = partial(vit.block_features, params, network=network, layers=tuple(layers))
        at_once = vit.images_at_once(network.vit, inputs.shape[1:3], most_bytes=_ATTENTION_BYTES_AT_ONCE)
        return _apply_in_chunks(evaluate, inputs, at_once)
    depth = max((network.position(layer) + 1 for layer in layers), default=0)
    needed = [conv.name for layer in network.layers[:depth] for conv in convolutions(layer)]
    for name in needed:
        if name not in params:
            have = ", ".join(params) or "none"
            raise InputError(
                f"these weights of {network.name} end before {name}, which is needed for "
                f"{', '.join(layers)}; they have {have}"
            )
    filters = {name: params[name] for name in needed}
    maps = _activations(filters, inputs, network=network, layers=tuple(layers))
    return {layer: maps[layer] for layer in layers}


@partial(jax.jit, static_argnames=("network", "layers"))
def _activations(
    params: Params, inputs: jax.Array, *, network: Network, layers: tuple[str, ...]
) -> dict[str, jax.Array]:
    # A layer may have two names: "conv5" is the last convolution of its block.
    chosen = {layer: network.layers[network.position(layer)] for layer in layers}
    depth = max((network.position(layer) + 1 for layer in layers), default=0)
    maps, current = {}, inputs
    for stage in _stages(network.layers[:depth]):
        returned = (*chosen.values(), stage[-1])
        evaluate = partial(_evaluate, params, stage=stage, returned=returned, network=network)
        at_once = _images_at_once(network, stage, inputs.shape[1:3])
        maps |= _apply_in_chunks(evaluate, current, at_once)
        current = maps[stage[-1].name]
    return {name: maps[layer.name] for name, layer in chosen.items()}


def _stages(layers: Sequence[Layer]) -> list[list[Layer]]:
    """Divide layers into stages of about one resolution; each ends with a pooling layer, or before a stride."""
    stages: list[list[Layer]] = [[]]
    for layer in layers:
        if any(conv.stride > 1 for conv in convolutions(layer)):
            stages.append([])
        stages[-1].append(layer)
        if isinstance(layer, MaxPool):
            stages.append([])
    return [stage for stage in stages if stage]


def _apply_in_chunks(
    evaluate: Callable[[jax.Array], dict[str, jax.Array]], inputs: jax.Array, most: int
) -> dict[str, jax.Array]:
    """Evaluate a function of a batch, on a CPU in chunks of at most ``most`` images."""
    count = inputs.shape[0]
    chunks = math.ceil(count / most)
    if chunks <= 1 or not on_cpu():
        return evaluate(inputs)
    # Chunks of equal size have at most one image of padding each.
    images = math.ceil(count / chunks)
    padded = jnp.pad(inputs, ((0, chunks * images - count), (0, 0), (0, 0), (0, 0)))
    maps = jax.lax.map(evaluate, padded.reshape(chunks, images, *inputs.shape[1:]))
    return {name: value.reshape(-1, *value.shape[2:])[:count] for name, value in maps.items()}


def _evaluate(
    params: Params, inputs: jax.Array, *, stage: Sequence[Layer], returned: Sequence[Layer], network: Network
) -> dict[str, jax.Array]:
    """Apply the layers of a stage, and return the activations of some of them by their names."""
    maps = {}
    for layer in stage:
        inputs = apply_layer(params, inputs, layer=layer, network=network)
        if layer in returned:
            maps[layer.name] = inputs
    return maps


def apply_layer(
    params: Params, inputs: Float[Array, "b h w c"], *, layer: Layer, network: Network
) -> Float[Array, "b h2 w2 c2"]:
    """Compute the activations of one layer of a network from those of the layer before it."""
    match layer:
        case Conv():
            return _convolve(inputs, params[layer.name], layer, network)
        case MaxPool():
            return _max_pool(inputs, layer)
        case LocalResponseNorm():
            return _normalise(inputs, layer)
        case Unit():
            return _unit(params, inputs, layer, network)
        case Block():
            raise InputError(f"{layer.name} is a block of a vision transformer, which is no map of activations")


def _unit(params: Params, inputs: jax.Array, unit: Unit, network: Network) -> jax.Array:
    outputs = inputs
    for conv in unit.chain:
        outputs = _convolve(outputs, params[conv.name], conv, network)
    if isinstance(unit.shortcut, Conv):
        outputs = outputs + _convolve(inputs, params[unit.shortcut.name], unit.shortcut, network)
    elif unit.shortcut == "identity":
        outputs = outputs + inputs
    return _activated(outputs, unit.activation)


def _convolve(inputs: jax.Array, filters: Filters, layer: Conv, network: Network) -> jax.Array:
    if layer.standardized:
        inputs = _standardized(inputs)
    if layer.groups == layer.channels == inputs.shape[-1]:
        outputs = correlate_each(inputs, filters.kernel, stride=layer.stride, padding=layer.padding)
    else:
        # Groups are split explicitly, because a grouped convolution is three times slower on a CPU.
        winograd = network.winograd and network.precision == "float32"
        groups = [
            correlate(group, kernel, stride=layer.stride, padding=layer.padding, winograd=winograd)
            for group, kernel in zip(
                jnp.split(inputs.astype(network.precision), layer.groups, axis=-1),
                jnp.split(filters.kernel.astype(network.precision), layer.groups, axis=-1),
                strict=True,
            )
        ]
        outputs = jnp.concatenate(groups, axis=-1).astype(jnp.float32)
    return _activated(outputs + filters.bias[None, None, None, :], layer.activation)


def _standardized(columns: jax.Array) -> jax.Array:
    centered = columns - columns.mean(axis=-1, keepdims=True)
    variance = jnp.mean(centered * centered, axis=-1, keepdims=True)
    return centered * jax.lax.rsqrt(variance + _EPSILON)


def _activated(values: jax.Array, activation: Activation) -> jax.Array:
    match activation:
        case "relu":
            return jax.nn.relu(values)
        case "relu6":
            return jax.nn.relu6(values)
        case "gelu":
            return jax.nn.gelu(values, approximate=False)
        case "none":
            return values


def _max_pool(inputs: jax.Array, layer: MaxPool) -> jax.Array:
    # Maxima of shifted slices, one axis after the other: eight times faster on a CPU than reduce_window.
    for axis in (1, 2):
        side = inputs.shape[axis]
        last = (output_side(layer, side) - 1) * layer.stride
        after = max(0, last + layer.window - side - layer.padding)
        beyond = [(layer.padding, after) if a == axis else (0, 0) for a in range(4)]
        padded = jnp.pad(inputs, beyond, constant_values=-jnp.inf)
        inputs = reduce(
            jnp.maximum,
            (
                jax.lax.slice_in_dim(padded, i, i + last + 1, stride=layer.stride, axis=axis)
                for i in range(layer.window)
            ),
        )
    return inputs


def _normalise(inputs: jax.Array, layer: LocalResponseNorm) -> jax.Array:
    channels, reach = inputs.shape[-1], layer.window // 2
    squares = jnp.pad(inputs * inputs, ((0, 0), (0, 0), (0, 0), (reach, reach)))
    near = sum(squares[..., i : i + channels] for i in range(layer.window))
    scale = 1 + layer.alpha / layer.window * near
    # scale ** -0.75 by two roots, because a general power costs ten times as much.
    return inputs * jax.lax.rsqrt(scale) * jax.lax.rsqrt(jnp.sqrt(scale))


def _images_at_once(network: Network, stage: Sequence[Layer], image_size: Sequence[int]) -> int:
    largest, sides = 1, list(image_size)
    for layer in network.layers[: network.position(stage[-1].name) + 1]:
        for step in windows(layer):
            sides = [output_side(step, side) for side in sides]
            if layer in stage and isinstance(step, Conv):
                largest = max(largest, math.prod(sides) * step.channels * 4)
    return max(1, int(_BYTES_AT_ONCE // largest))


@partial(jax.jit, static_argnames=("network", "layer"))
def single_pixel_activations(
    params: Params, inputs: Float[Array, "b h w 3"], *, network: Network, layer: str
) -> Float[Array, "b h2 w2 c"]:
    """Compute a layer's columns for every receptive field inside the images.

    With a field of r pixels, ``h2 = h - r + 1`` and ``w2 = w - r + 1``. The column at (x, y) is that of the
    field whose first pixel is (x, y) and whose centre is ``(r - 1) / 2`` pixels to the right and below.

    Raises:
        InputError: the network has no such layer, it is a residual unit or after one, or the images are smaller
            than its receptive field.
    """
    field = receptive_field(network, layer)
    steps = network.layers[: network.position(layer) + 1]
    if any(isinstance(step, Unit) for step in steps):
        raise InputError(
            f"{layer} of {network.name} has residual units before it or is one; a layer of a chain of "
            "convolutions is expected for activations at every pixel"
        )
    batch, *sides = inputs.shape[:3]
    fitting = [side - field.size_px + 1 for side in sides]
    if min(fitting) < 1:
        raise InputError(
            f"the images have {sides[1]} x {sides[0]} pixels; the receptive field of {layer} of "
            f"{network.name} has {field.size_px} x {field.size_px}"
        )
    # Padding gives all shifts the same number of positions.
    missing = [-count % field.stride_px for count in fitting]
    current = jnp.pad(inputs, ((0, 0), (0, missing[0]), (0, missing[1]), (0, 0)))
    strides = []
    for step in steps:
        if isinstance(step, Conv | MaxPool):
            step = step._replace(padding=0)
            if step.stride > 1:
                current = _shifts(current, window=step.window, stride=step.stride)
                strides.append(step.stride)
        current = apply_layer(params, current, layer=step, network=network)
    for stride in reversed(strides):
        current = _interleaved(current, stride)
    return current[:batch, : fitting[0], : fitting[1]]


def _shifts(maps: jax.Array, *, window: int, stride: int) -> jax.Array:
    """Return the s x s shifts of maps ``[b, h, w, c]`` as ``[b * s * s, ...]``, with the shift in x last."""
    height, width = ((side - window + 1 - stride) // stride * stride + window for side in maps.shape[1:3])
    shifted = [maps[:, y : y + height, x : x + width] for y in range(stride) for x in range(stride)]
    return jnp.stack(shifted, axis=1).reshape(-1, height, width, maps.shape[-1])


def _interleaved(maps: jax.Array, stride: int) -> jax.Array:
    """Interleave the maps of all shifts, as `_shifts` orders them, into one map of stride 1."""
    _, height, width, channels = maps.shape
    parted = maps.reshape(-1, stride, stride, height, width, channels)
    return parted.transpose(0, 3, 1, 4, 2, 5).reshape(-1, stride * height, stride * width, channels)
