"""Convolutional descriptors on one grid: columns of one or more layers, at one or more input sizes.

The grid is that of the last layer named, at the largest size. Every other map (another layer, a smaller
input) is read at the grid's cell centres by bilinear interpolation between its own receptive-field
centres, so that all parts of a descriptor speak of the same pixel. Each map's columns are centred (by
default), brought to unit length, and concatenated; the result has unit length again.

Differs from the paper: Long et al. 2014 use conv4 alone at one size, neither centred nor (as far as they
say) normalised; that is ``layers=("conv4",), center=False``. Centring on the image's own mean column takes
away what all its cells share, which says nothing of where a cell matches.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from convcorr_jax import coords
from convcorr_jax.backbone import Network, activations, cell_centers, grid_size, preprocess

# Keeps the length of an all-zero column (a patch of constant colour) from dividing by zero.
_LEAST_LENGTH = 1e-6


class Grid(NamedTuple):
    """Size of a descriptor grid, and its cells' places in pixels of the largest input."""

    size: coords.Size
    to_input_px: coords.Transform


def descriptor_grid(network: Network, layers: Sequence[str], sizes_px: Sequence[int]) -> Grid:
    """The grid on which `convolutional_descriptors` answers, from the layer tables alone.

    Raises:
        InputError: the network has no such layer, or the largest size is too small for it.
    """
    largest = max(sizes_px)
    size = grid_size(network, layers[-1], (largest, largest))
    return Grid(coords.Size(*size), cell_centers(network, layers[-1]))


def convolutional_descriptors(
    params: Mapping[str, Any],
    pyramid: Sequence[Float[Array, "batch height width 3"]],
    *,
    network: Network,
    layers: Sequence[str],
    center: bool = True,
) -> Float[Array, "batch h w d"]:
    """Descriptors of a batch of square images given at one or several sizes.

    Args:
        params: the network's weights.
        pyramid: the same RGB images, 0 to 255, once for each size; each level square.
        network: the layer table.
        layers: whose columns make up the descriptor; the last names the grid.
        center: whether each map's mean column is subtracted before normalisation.

    Returns:
        Unit-length descriptors; cell (x, y) lies at ``descriptor_grid(...).to_input_px`` of the largest
        level.
    """
    sizes = [level.shape[1] for level in pyramid]
    grid = descriptor_grid(network, layers, sizes)
    largest = (max(sizes), max(sizes))
    parts = []
    for level, side in zip(pyramid, sizes, strict=True):
        maps = activations(
            params, preprocess(level, network=network), network=network, layers=layers
        )
        to_level = coords.compose(coords.resize(largest, (side, side)), grid.to_input_px)
        for layer in layers:
            to_cells = coords.compose(coords.invert(cell_centers(network, layer)), to_level)
            columns = _read_at(maps[layer], grid.size, to_cells)
            if center:
                columns = columns - columns.mean(axis=(1, 2), keepdims=True)
            parts.append(unit_length(columns))
    return jnp.concatenate(parts, axis=-1) / np.sqrt(len(parts), dtype=np.float32)


def unit_length(descriptors: Float[Array, "*shape d"]) -> Float[Array, "*shape d"]:
    """Each descriptor divided by its Euclidean length; one of zeros stays so."""
    squared = jnp.sum(descriptors**2, axis=-1, keepdims=True)
    return descriptors / jnp.sqrt(squared + _LEAST_LENGTH**2)


def _read_at(maps, size: coords.Size, to_cells: coords.Transform):
    """Maps ``[b, h, w, c]`` read bilinearly at the cells of a grid, clamped to their outermost cells."""
    rows = _hat_weights(size.height, maps.shape[1], to_cells.scale[1], to_cells.shift[1])
    columns = _hat_weights(size.width, maps.shape[2], to_cells.scale[0], to_cells.shift[0])
    if np.array_equal(rows, np.eye(*rows.shape)) and np.array_equal(
        columns, np.eye(*columns.shape)
    ):
        return maps
    return jnp.einsum("yh,xw,bhwc->byxc", rows, columns, maps)


def _hat_weights(count: int, length: int, scale: float, shift: float) -> np.ndarray:
    positions = np.clip(np.arange(count) * scale + shift, 0, length - 1)
    weights = 1 - np.abs(positions[:, None] - np.arange(length)[None])
    # Rounding in the composed transforms must not turn an identity into an interpolation.
    return np.maximum(weights, 0).round(6).astype(np.float32)
