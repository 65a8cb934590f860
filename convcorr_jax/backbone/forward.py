"""Evaluating a network: photographs in, named activations out.

Everything is float32 and ``[batch, height, width, channel]``. The functions are pure and differentiable, and
work for images of any size that leaves at least one cell; `receptive_field` says where each cell looks.

On a CPU the batch goes through a few images at a time, so that activations stay in the cache and memory
does not grow with the batch. On a GPU, products are as precise as ``jax.default_matmul_precision`` says.
"""

import math
from collections.abc import Sequence
from functools import partial, reduce

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num

from convcorr_jax.backbone.convolution import correlate, on_cpu
from convcorr_jax.backbone.networks import (
    Conv,
    Filters,
    Layer,
    LocalResponseNorm,
    MaxPool,
    Network,
    Params,
)
from convcorr_jax.backbone.receptive_field import grid_size, output_side
from convcorr_jax.errors import InputError

# The largest activation of the images that go through together. Measured on 2 cores with 32 MB of shared
# cache: fewer images make the products too small, more of them wait for memory.
_BYTES_AT_ONCE = 16e6


def preprocess(
    images: Num[Array, "b h w 3"] | Num[np.ndarray, "b h w 3"], *, network: Network
) -> Float[Array, "b h w 3"]:
    """Turn RGB images with values 0-255 into the network's own input.

    ``(channels - mean) / deviation``, with the channels in the network's order.
    """
    expected = network.preprocessing
    pixels = jnp.asarray(images, jnp.float32)
    channels = pixels[..., ::-1] if expected.bgr else pixels
    mean = jnp.array(expected.mean).reshape(1, 1, 1, 3)
    deviation = jnp.array(expected.deviation).reshape(1, 1, 1, 3)
    return (channels - mean) / deviation


def activations(
    params: Params, inputs: Float[Array, "b h w 3"], *, network: Network, layers: Sequence[str]
) -> dict[str, Float[Array, "b gh gw c"]]:
    """The activations of the named layers, all from one pass that stops at the deepest of them.

    ``inputs`` is what `preprocess` gives; the result has one entry for every name in ``layers``. It is jitted:
    a new image size, batch size, network or choice of layers compiles anew.

    Raises:
        InputError: a layer is unknown to the network, its filters are not among ``params``, or the images are
            too small for it.

    Differs from torchvision: fc6 and fc7 slide over images larger than 224 pixels, where torchvision averages
    pool5 to a fixed grid first. At 224 pixels they are the same.
    """
    for layer in layers:
        grid_size(network, layer, inputs.shape[1:3])
    depth = max((network.position(layer) + 1 for layer in layers), default=0)
    needed = [layer.name for layer in network.layers[:depth] if isinstance(layer, Conv)]
    for name in needed:
        if name not in params:
            have = ", ".join(params) or "none"
            raise InputError(
                f"these weights of {network.name} end before {name}, which is needed for "
                f"{', '.join(layers)}; they have {have}"
            )
    filters = {name: params[name] for name in needed}
    found = _activations(filters, inputs, network=network, layers=tuple(layers))
    return {layer: found[layer] for layer in layers}


@partial(jax.jit, static_argnames=("network", "layers"))
def _activations(
    params: Params, inputs: jax.Array, *, network: Network, layers: tuple[str, ...]
) -> dict[str, jax.Array]:
    walk = partial(_walk, params, network=network, layers=layers)
    count = inputs.shape[0]
    chunks = math.ceil(count / _images_at_once(network, layers, inputs.shape[1:3]))
    if chunks <= 1 or not on_cpu():
        return walk(inputs)
    images = math.ceil(count / chunks)  # even chunks: at most one image a chunk is padding
    padded = jnp.pad(inputs, ((0, chunks * images - count), (0, 0), (0, 0), (0, 0)))
    found = jax.lax.map(walk, padded.reshape(chunks, images, *inputs.shape[1:]))
    return {name: value.reshape(-1, *value.shape[2:])[:count] for name, value in found.items()}


def _walk(
    params: Params, inputs: jax.Array, *, network: Network, layers: tuple[str, ...]
) -> dict[str, jax.Array]:
    wanted = {name: network.position(name) for name in layers}
    found, current = {}, inputs
    for i, layer in enumerate(network.layers[: max(wanted.values(), default=-1) + 1]):
        current = apply_layer(params, current, layer=layer)
        found |= {name: current for name, index in wanted.items() if index == i}
    return found


def apply_layer(
    params: Params, inputs: Float[Array, "b h w c"], *, layer: Layer
) -> Float[Array, "b h2 w2 c2"]:
    """One step of the walk: what a layer makes of the activations before it."""
    match layer:
        case Conv():
            return _convolve(inputs, params[layer.name], layer)
        case MaxPool():
            return _max_pool(inputs, layer)
        case LocalResponseNorm():
            return _normalise(inputs, layer)


def _convolve(inputs: jax.Array, filters: Filters, layer: Conv) -> jax.Array:
    # Groups are split by hand: a grouped convolution is three times slower on a CPU.
    outputs = [
        correlate(group, kernel, stride=layer.stride, padding=layer.padding)
        for group, kernel in zip(
            jnp.split(inputs, layer.groups, axis=-1),
            jnp.split(filters.kernel, layer.groups, axis=-1),
            strict=True,
        )
    ]
    return jax.nn.relu(jnp.concatenate(outputs, axis=-1) + filters.bias[None, None, None, :])


def _max_pool(inputs: jax.Array, layer: MaxPool) -> jax.Array:
    # Maxima of shifted slices, one axis after the other: eight times faster on a CPU than reduce_window.
    for axis in (1, 2):
        side = inputs.shape[axis]
        last = (output_side(layer, side) - 1) * layer.stride
        beyond = [
            (0, max(0, last + layer.window - side)) if a == axis else (0, 0) for a in range(4)
        ]
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
    # scale ** -0.75 by two roots: a general power costs ten times as much.
    return inputs * jax.lax.rsqrt(scale) * jax.lax.rsqrt(jnp.sqrt(scale))


def _images_at_once(network: Network, layers: Sequence[str], image_size: Sequence[int]) -> int:
    depth = max((network.position(layer) + 1 for layer in layers), default=0)
    largest = max(
        (
            math.prod(grid_size(network, layer.name, image_size)) * layer.channels * 4
            for layer in network.layers[:depth]
            if isinstance(layer, Conv)
        ),
        default=1,
    )
    return max(1, int(_BYTES_AT_ONCE // largest))
