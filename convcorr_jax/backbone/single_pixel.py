"""A layer's activations at every pixel, although the layer has a stride.

Wherever a layer takes every s-th position, it is run on all of its s x s shifts, which go on as a batch; at
the end their maps are interleaved. Work is shared as it would be at stride 1: a position is computed once,
where shifting the whole network's input computes the first layers many times over.

There is no zero padding: what is computed are the cells whose receptive fields lie inside the image, and a
cell of the padded network whose field does so has the same value. Fields beyond an image are for the caller
to fill.

Source: Giusti, Ciresan, Masci, Gambardella and Schmidhuber, "Fast image scanning with deep max-pooling
convolutional neural networks", ICIP 2013.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from convcorr_jax.backbone.forward import apply_layer
from convcorr_jax.backbone.networks import Conv, LocalResponseNorm, Network, Params
from convcorr_jax.backbone.receptive_field import receptive_field
from convcorr_jax.errors import InputError


@partial(jax.jit, static_argnames=("network", "layer"))
def single_pixel_activations(
    params: Params, inputs: Float[Array, "b h w 3"], *, network: Network, layer: str
) -> Float[Array, "b h2 w2 c"]:
    """A layer's columns for every field that fits into the images.

    Args:
        params: the network's weights.
        inputs: what `preprocess` gives.
        network: the layer table.
        layer: whose activations.

    Returns:
        With a field of r pixels, ``h2 = h - r + 1`` and likewise w2; the column at (x, y) is that of the field
        whose first pixel is (x, y) and whose centre is (r - 1) / 2 further right and down.

    Raises:
        InputError: the network has no such layer, or no field fits.
    """
    field = receptive_field(network, layer)
    batch, *sides = inputs.shape[:3]
    fitting = [side - field.size_px + 1 for side in sides]
    if min(fitting) < 1:
        raise InputError(
            f"the images have {sides[1]} x {sides[0]} pixels; {layer} of {network.name} sees "
            f"{field.size_px} x {field.size_px}"
        )
    # Every shift gets as many positions as every other.
    missing = [-count % field.stride_px for count in fitting]
    current = jnp.pad(inputs, ((0, 0), (0, missing[0]), (0, missing[1]), (0, 0)))
    strides = []
    for one in network.layers[: network.position(layer) + 1]:
        if isinstance(one, LocalResponseNorm):
            current = apply_layer(params, current, layer=one)
            continue
        if isinstance(one, Conv):
            one = one._replace(padding=0)
        if one.stride > 1:
            current = _shifts(current, window=one.window, stride=one.stride)
            strides.append(one.stride)
        current = apply_layer(params, current, layer=one)
    for stride in reversed(strides):
        current = _interleaved(current, stride)
    return current[:batch, : fitting[0], : fitting[1]]


def _shifts(maps: jax.Array, *, window: int, stride: int) -> jax.Array:
    """The s x s shifts of maps ``[b, h, w, c]``, as ``[b * s * s, ...]`` with the shift in x last."""
    height, width = (
        (side - window + 1 - stride) // stride * stride + window for side in maps.shape[1:3]
    )
    shifted = [maps[:, y : y + height, x : x + width] for y in range(stride) for x in range(stride)]
    return jnp.stack(shifted, axis=1).reshape(-1, height, width, maps.shape[-1])


def _interleaved(maps: jax.Array, stride: int) -> jax.Array:
    """Undoes `_shifts`, after a layer that left one position to every stride."""
    _, height, width, channels = maps.shape
    parted = maps.reshape(-1, stride, stride, height, width, channels)
    return parted.transpose(0, 3, 1, 4, 2, 5).reshape(-1, stride * height, stride * width, channels)
