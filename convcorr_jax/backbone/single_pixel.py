"""Activations of a layer at every pixel, although the layer has a stride.

A layer of stride s is applied to all of its s x s shifts, which continue as a batch; at the end their maps are
interleaved. Every position is computed once, as with stride 1. Shifting the input of the whole network instead
would compute the first layers many times.

There is no zero padding: the function computes the cells whose receptive fields are inside the image. These
have the same values as in the padded network. The caller fills in cells whose fields extend beyond the image.

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
    """Compute a layer's columns for every receptive field inside the images.

    Args:
        params: the network's filters.
        inputs: the result of `preprocess`.
        network: the layer table.
        layer: the name of the layer.

    Returns:
        With a field of r pixels, ``h2 = h - r + 1`` and ``w2 = w - r + 1``. The column at (x, y) is that of the
        field whose first pixel is (x, y) and whose centre is ``(r - 1) / 2`` pixels to the right and below.

    Raises:
        InputError: the network has no such layer, or the images are smaller than its receptive field.
    """
    field = receptive_field(network, layer)
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
    for step in network.layers[: network.position(layer) + 1]:
        if isinstance(step, LocalResponseNorm):
            current = apply_layer(params, current, layer=step)
            continue
        if isinstance(step, Conv):
            step = step._replace(padding=0)
        if step.stride > 1:
            current = _shifts(current, window=step.window, stride=step.stride)
            strides.append(step.stride)
        current = apply_layer(params, current, layer=step)
    for stride in reversed(strides):
        current = _interleaved(current, stride)
    return current[:batch, : fitting[0], : fitting[1]]


def _shifts(maps: jax.Array, *, window: int, stride: int) -> jax.Array:
    """Return the s x s shifts of maps ``[b, h, w, c]`` as ``[b * s * s, ...]``, with the shift in x last."""
    height, width = (
        (side - window + 1 - stride) // stride * stride + window for side in maps.shape[1:3]
    )
    shifted = [maps[:, y : y + height, x : x + width] for y in range(stride) for x in range(stride)]
    return jnp.stack(shifted, axis=1).reshape(-1, height, width, maps.shape[-1])


def _interleaved(maps: jax.Array, stride: int) -> jax.Array:
    """Interleave the maps of all shifts, as `_shifts` orders them, into one map of stride 1."""
    _, height, width, channels = maps.shape
    parted = maps.reshape(-1, stride, stride, height, width, channels)
    return parted.transpose(0, 3, 1, 4, 2, 5).reshape(-1, stride * height, stride * width, channels)
