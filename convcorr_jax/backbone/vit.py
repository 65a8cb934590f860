"""Vision transformers: images to the features of blocks.

An image is divided into square patches. The patches of an image are projected to vectors, their *tokens*, each
of which gets a vector for its position; a class token and registers, the *prefix*, precede them. With tokens x,
each block computes, head by head,

    x <- x + O softmax(q k^T / sqrt(d)) v,   q, k, v = Q n(x), K n(x), V n(x)
    x <- x + D f(U n'(x)),

n and n' normalising every token to mean 0 and variance 1, then scaling it. The networks differ in the switches
of `ViT`:

    DINO, MAE       class token, learned (MAE: sines) grid of positions, epsilon 1e-6
    DINOv2, Franca  scaled branches; registers in some, whose files' grids are resized with antialiasing
    DINOv3          registers; no grid: queries and keys of patches are rotated by position; epsilon 1e-5
    CLIP            normalisation before the first block, f(x) = x sigmoid(1.702 x), epsilon 1e-5
    SigLIP          no prefix; f is GELU's approximation by tanh
    TIPS            one register, grid resized bilinearly; pixels from 0 to 1, not normalised

Scales of branches are multiplied into O and D, and the class token has its position added, when files are read
(`convcorr_jax.backbone.weights`), so that the functions here know nothing of them. Arrays are
``[batch, row, column, channel]``; the centre of cell 0 is that of its patch, (patch - 1) / 2 pixels.

DINO's and DINOv2's grids are resized as their own code does, with the step n / (m + 0.1), in which the
`transformers` library differs; that has ``resize="size"``. torch's bicubic kernel has a = -0.75, and -0.5 with
antialiasing, `jax.image.resize` -0.5 always.

Sources: Dosovitskiy et al. 2021; Caron et al. 2021 (DINO); He et al. 2022 (MAE); Radford et al. 2021 (CLIP);
Oquab et al. 2023 (DINOv2); Darcet et al. 2024 (registers); Siméoni et al. 2025 (DINOv3); Tschannen et al. 2025
(SigLIP 2).
"""

import math
from collections.abc import Sequence
from functools import lru_cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from convcorr_jax.backbone.networks import FACETS, Network, Params, ViT
from convcorr_jax.errors import InputError

# DINOv3: the longest period of the rotations is this many times the shortest.
_ROTARY_BASE = 100.0
# The most bytes of attention weights at a time: those of 3,600 patches and 12 heads take 620 MB an image.
_WEIGHTS_BYTES = 2**29
# The constant that DINO's and DINOv2's code adds to the side of the grid.
_OFFSET = 0.1


class Dense(NamedTuple):
    """A linear map."""

    kernel: Float[Array, "*blocks inputs outputs"] | Float[np.ndarray, "*blocks inputs outputs"]
    bias: Float[Array, "*blocks outputs"] | Float[np.ndarray, "*blocks outputs"]


class Norm(NamedTuple):
    """Scale and shift of normalised tokens."""

    scale: Float[Array, "*blocks width"] | Float[np.ndarray, "*blocks width"]
    bias: Float[Array, "*blocks width"] | Float[np.ndarray, "*blocks width"]


class Blocks(NamedTuple):
    """The parameters of all blocks, along the first axis of every array."""

    attention_norm: Norm
    attention: Dense
    """Q, K and V side by side."""
    attention_output: Dense
    perceptron_norm: Norm
    up: Dense
    """U; for ``swiglu`` that of the gate, then the other, side by side."""
    down: Dense


class Tapped(NamedTuple):
    """What was computed in a block, for all tokens, ``[batch, token, width]``."""

    output: Float[Array, "b t c"]
    query: Float[Array, "b t c"]
    key: Float[Array, "b t c"]
    value: Float[Array, "b t c"]


PARTS = ("patch", "prefix", "blocks", "norm")
"""The parameters of all networks: `Dense` from the pixels of a patch (row, column, channel), the prefix
``[tokens, width]``, in SigLIP of length 0, `Blocks` and the final `Norm`. All but DINOv3 have ``positions``
besides, the grid ``[side, side, width]``, and CLIP has ``pre_norm``, a `Norm`."""


@partial(jax.jit, static_argnames=("network", "layers"))
def block_features(
    params: Params, inputs: Float[Array, "b h w 3"], *, network: Network, layers: tuple[str, ...]
) -> dict[str, Float[Array, "b rows columns width"]]:
    """Compute layers such as ``block8`` or ``block8_key`` of the patches in one pass up to the deepest block.

    Raises:
        InputError: the network has no such layer.
    """
    vit = _transformer(network)
    tapped = _tapped(params, inputs, vit, [network.position(layer) for layer in layers])
    rows, columns = (side // vit.patch_px for side in inputs.shape[1:3])
    found = {}
    for layer in layers:
        tokens = _facet(params, tapped[network.position(layer)], layer, vit)[:, vit.prefix :]
        found[layer] = tokens.reshape(len(inputs), rows, columns, vit.width)
    return found


@partial(jax.jit, static_argnames=("network", "layer"))
def prefix_tokens(
    params: Params, inputs: Float[Array, "b h w 3"], *, network: Network, layer: str
) -> Float[Array, "b tokens width"]:
    """Compute a layer of the class token, which is the first if there is one, and of the registers.

    Raises:
        InputError: the network has no such layer, or no class token and no registers.
    """
    vit = _transformer(network)
    if not vit.prefix:
        raise InputError(f"{network.name} has neither a class token nor registers")
    block = network.position(layer)
    return _facet(params, _tapped(params, inputs, vit, [block])[block], layer, vit)[:, : vit.prefix]


def images_at_once(vit: ViT, image_size: Sequence[int], *, most_bytes: float) -> int:
    """Return for how many images the attention weights of a block fit in so many bytes, at least 1."""
    tokens = vit.prefix + math.prod(side // vit.patch_px for side in image_size)
    return max(1, int(most_bytes // (4 * vit.heads * tokens**2)))


def _transformer(network: Network) -> ViT:
    if network.vit is None:
        raise InputError(f"{network.name} is not a vision transformer")
    return network.vit


def _facet(params: Params, tapped: Tapped, layer: str, vit: ViT) -> jax.Array:
    facet = layer.rpartition("_")[2]
    if facet not in FACETS:
        return tapped.output
    return _normalized(tapped.output, params["norm"], vit) if facet == "normed" else getattr(tapped, facet)


def _tapped(params: Params, inputs: jax.Array, vit: ViT, chosen: Sequence[int]) -> dict[int, Tapped]:
    """Apply the blocks up to the last of those chosen; the others between are one program, in a loop."""
    grid = inputs.shape[1] // vit.patch_px, inputs.shape[2] // vit.patch_px
    tokens = _embedded(params, inputs, vit, grid)
    rotation = None if vit.grid is not None else _rotation(grid, vit.width // vit.heads, vit.prefix)

    def parameters(index: int | jax.Array) -> Blocks:
        return jax.tree.map(lambda x: jax.lax.dynamic_index_in_dim(x, index, keepdims=False), params["blocks"])

    def step(tokens: jax.Array, index: jax.Array) -> tuple[jax.Array, None]:
        return _block(tokens, parameters(index), vit, rotation).output, None

    tapped, start = {}, 0
    for index in sorted(set(chosen)):
        tokens, _ = jax.lax.scan(step, tokens, jnp.arange(start, index))
        tapped[index] = _block(tokens, parameters(index), vit, rotation)
        tokens, start = tapped[index].output, index + 1
    return tapped


def _embedded(params: Params, inputs: jax.Array, vit: ViT, grid: tuple[int, int]) -> jax.Array:
    """Return the tokens that enter the first block."""
    batch, side = len(inputs), vit.patch_px
    parted = inputs.reshape(batch, grid[0], side, grid[1], side, 3).transpose(0, 1, 3, 2, 4, 5)
    tokens = _dense(parted.reshape(batch, grid[0] * grid[1], -1), params["patch"], vit)
    if vit.grid is not None:
        rows, columns = (resizing(vit.grid, length, how=vit.resize) for length in grid)
        positions = params["positions"]
        if grid != (vit.grid, vit.grid):
            precision = jax.lax.Precision.HIGHEST
            positions = jnp.einsum("yh,xw,hwc->yxc", rows, columns, positions, precision=precision)
        tokens = tokens + positions.reshape(1, -1, vit.width)
    prefix = jnp.broadcast_to(params["prefix"][None], (batch, *params["prefix"].shape))
    tokens = jnp.concatenate([prefix, tokens], axis=1)
    return _normalized(tokens, params["pre_norm"], vit) if "pre_norm" in params else tokens


def _block(
    tokens: jax.Array, block: Blocks, vit: ViT, rotation: tuple[np.ndarray, np.ndarray] | None
) -> Tapped:
    batch, count, _ = tokens.shape
    projected = _dense(_normalized(tokens, block.attention_norm, vit), block.attention, vit)
    query, key, value = jnp.split(projected, 3, axis=-1)
    q, k, v = (x.reshape(batch, count, vit.heads, -1) for x in (query, key, value))
    if rotation is not None:
        q, k = _rotated(q, rotation), _rotated(k, rotation)
    mixed = _mixed(*(x.astype(vit.precision) for x in (q, k, v)))
    tokens = tokens + _dense(mixed.reshape(tokens.shape), block.attention_output, vit)
    up = _dense(_normalized(tokens, block.perceptron_norm, vit), block.up, vit)
    tokens = tokens + _dense(_activated(up, vit), block.down, vit)
    return Tapped(tokens, query, key, value)


def _mixed(query: jax.Array, key: jax.Array, value: jax.Array) -> jax.Array:
    """Mix values ``[batch, token, head, channel]`` by attention; for large images, some queries at a time."""
    batch, count, heads, channels = query.shape

    def mix(query: jax.Array) -> jax.Array:
        scores = jnp.einsum("bqhd,bkhd->bhqk", query, key, preferred_element_type=jnp.float32)
        weights = jax.nn.softmax(scores * np.float32(channels**-0.5), axis=-1).astype(query.dtype)
        return jnp.einsum("bhqk,bkhd->bqhd", weights, value, preferred_element_type=jnp.float32)

    pieces = math.ceil(4 * batch * heads * count**2 / _WEIGHTS_BYTES)
    if pieces == 1:
        return mix(query)
    size = math.ceil(count / pieces)
    padded = jnp.pad(query, ((0, 0), (0, -count % size), (0, 0), (0, 0)))
    parted = jnp.moveaxis(padded.reshape(batch, -1, size, heads, channels), 1, 0)
    mixed = jnp.moveaxis(jax.lax.map(mix, parted), 0, 1)
    return mixed.reshape(batch, -1, heads, channels)[:, :count]


def _activated(up: jax.Array, vit: ViT) -> jax.Array:
    match vit.activation:
        case "gelu":
            return jax.nn.gelu(up, approximate=False)
        case "gelu_tanh":
            return jax.nn.gelu(up, approximate=True)
        case "quick_gelu":
            return up * jax.nn.sigmoid(1.702 * up)
        case "swiglu":
            gate, other = jnp.split(up, 2, axis=-1)
            return jax.nn.silu(gate) * other


def _dense(inputs: jax.Array, layer: Dense, vit: ViT) -> jax.Array:
    kernel = layer.kernel.astype(vit.precision)
    products = jnp.matmul(inputs.astype(vit.precision), kernel, preferred_element_type=jnp.float32)
    return products + layer.bias[None, None, :]


def _normalized(tokens: jax.Array, norm: Norm, vit: ViT) -> jax.Array:
    centered = tokens - tokens.mean(axis=-1, keepdims=True)
    variance = jnp.mean(centered**2, axis=-1, keepdims=True)
    scaled = centered * jax.lax.rsqrt(variance + np.float32(vit.epsilon))
    return scaled * norm.scale[None, None, :] + norm.bias[None, None, :]


def _rotated(heads: jax.Array, rotation: tuple[np.ndarray, np.ndarray]) -> jax.Array:
    """Rotate pairs of numbers of every head; the second of a pair is half a head behind the first."""
    cosines, sines = (x[None, :, None, :] for x in rotation)
    first, second = jnp.split(heads, 2, axis=-1)
    return heads * cosines + jnp.concatenate([-second, first], axis=-1) * sines


@lru_cache
def _rotation(grid: tuple[int, int], head: int, prefix: int) -> tuple[np.ndarray, np.ndarray]:
    """Return cosines and sines ``[token, head]`` of DINOv3's angles, 2 pi coordinate / period; 0 in the prefix.

    Coordinates are the centres of patches, row then column, from -1 to 1 across the image.
    """
    centers = [2 * (np.arange(side) + 0.5) / side - 1 for side in grid]
    places = np.stack(np.meshgrid(*centers, indexing="ij"), axis=-1).reshape(-1, 2)
    periods = _ROTARY_BASE ** (np.arange(head // 4) / (head // 4))
    angles = (2 * np.pi * places[:, :, None] / periods[None, None, :]).reshape(len(places), -1)
    angles = np.concatenate([np.zeros((prefix, head // 2)), angles])
    angles = np.concatenate([angles, angles], axis=-1)
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


@lru_cache
def resizing(length: int, resized: int, *, how: str) -> Float[np.ndarray, "resized length"]:
    """Return the matrix that resizes one axis of a grid as torch's ``interpolate`` does; `ViT` names the ways.

    >>> resizing(4, 2, how="size")[0].tolist()  # halfway between the first two, with a = -0.75
    [0.5, 0.59375, -0.09375, 0.0]
    """
    step = length / (resized + _OFFSET) if how == "offset" else length / resized
    places = (np.arange(resized) + 0.5) * step
    if how in ("size", "offset"):
        taps = np.floor(places - 0.5)[:, None] + np.arange(-1, 3)[None, :]
        weights = _cubic(places[:, None] - 0.5 - taps, a=-0.75)
        matrix = np.zeros((resized, length))
        np.add.at(matrix, (np.arange(resized)[:, None], np.clip(taps, 0, length - 1).astype(int)), weights)
    else:
        # Antialiasing widens the kernel by the step, and leaves out what lies beyond the border.
        step, reach = max(step, 1.0), 2 if how == "antialias" else 1
        distances = np.arange(length)[None, :] + 0.5 - places[:, None]
        kernel = _cubic(distances / step, a=-0.5) if reach == 2 else np.maximum(1 - np.abs(distances / step), 0)
        first = np.maximum((places - reach * step + 0.5).astype(int), 0)[:, None]
        last = np.minimum((places + reach * step + 0.5).astype(int), length)[:, None]
        matrix = np.where(
            (np.arange(length)[None, :] >= first) & (np.arange(length)[None, :] < last), kernel, 0
        )
        matrix /= matrix.sum(axis=1, keepdims=True)
    return matrix.astype(np.float32)


def _cubic(distances: np.ndarray, *, a: float) -> np.ndarray:
    """Return Keys' piecewise cubic kernel, which is 0 from a distance of 2 on."""
    x = np.abs(distances)
    near = ((a + 2) * x - (a + 3)) * x**2 + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))
