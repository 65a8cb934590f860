"""Convolutional descriptors of cells (`convolutional_descriptors`) and of whole images (`global_features`).

The descriptors of cells are columns of one or more layers, at one or more input sizes, on one grid.

The grid is that of the last layer of the recipe at the largest size. Every other map (another layer, a smaller
input) is read at the grid's cell centres by bilinear interpolation between its own receptive-field centres, so
that all parts of a descriptor describe the same pixel. Each map's columns are centred (by default), scaled to
unit length, and concatenated; the result has unit length again.

Differs from the paper: Long et al. 2014 use conv4 alone at one size, not centred and, as far as the paper
states, not normalised; `PAPER_RECIPES` has that recipe at unit length. Centring on the image's own mean column
removes what all its cells share, which does not help to match them.

The descriptor of a whole image is a layer's activations, flattened and scaled to unit length.

Source: Sharif Razavian et al. 2014, section 3.1, where the feature f is fc6 at unit length. Differs from the
paper: weights without fully connected layers use pool5, the input of fc6.
"""

import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num, UInt8

from convcorr_jax import coords
from convcorr_jax.arrays import padded_batches
from convcorr_jax.backbone import Network, Params, activations, cell_centers, channels, grid_size, preprocess
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.errors import InputError

# Prevents a division by zero for a column of zeros (a patch of constant colour).
_LEAST_LENGTH = 1e-6


@dataclass(frozen=True)
class Recipe:
    """The layers and sides of square inputs, in pixels, whose columns make up a descriptor.

    The last layer and the largest side define the grid. With ``center``, each map's mean column is subtracted
    before its columns are scaled to unit length.
    """

    layers: tuple[str, ...]
    sizes_px: tuple[int, ...]
    center: bool = True


RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        "caffenet": Recipe(("conv3", "conv4", "conv5"), (227, 340)),
        "bvlc_alexnet": Recipe(("conv3", "conv4", "conv5"), (227, 340)),
        "alexnet": Recipe(("conv3", "conv4", "conv5"), (227, 340)),
        "vgg16": Recipe(("conv4_3", "conv5_1", "conv5_3"), (224, 336)),
        "vit_s14": Recipe(("block8",), (350,), center=False),
        "mobilenet_v2": Recipe(("features10", "features13"), (224, 336)),
    }
)
"""The recipe by network that aligned best among the layers and sizes tried on PF-WILLOW."""

PAPER_RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        "caffenet": Recipe(("conv4",), (227,), center=False),
        "bvlc_alexnet": Recipe(("conv4",), (227,), center=False),
        "alexnet": Recipe(("conv4",), (227,), center=False),
        "vgg16": Recipe(("conv5_1",), (224,), center=False),
        "vit_s14": Recipe(("block8",), (224,), center=False),
        "mobilenet_v2": Recipe(("features13",), (224,), center=False),
    }
)
"""The recipe of Long et al. 2014 by network, at unit length; for VGG16, the layer with conv4's stride of 16."""

# Cells on a side, of ours and of the paper's recipe, for networks without an entry.
_CELLS, _PAPER_CELLS = 25, 16
# The distance of cells up to which layers of such convolutional networks are taken.
_STRIDE_PX = 16


def recipe_for(network: Network) -> Recipe:
    """Return the network's entry of `RECIPES`.

    Of another vision transformer it is the block at two thirds, of another convolutional network the last layer
    whose cells are at most 16 pixels apart; neither was chosen by measurements.
    """
    return RECIPES.get(network.name) or _general_recipe(network, cells=_CELLS)


def paper_recipe_for(network: Network) -> Recipe:
    """Return the network's entry of `PAPER_RECIPES`; for another, one of the layer of `recipe_for`."""
    return PAPER_RECIPES.get(network.name) or _general_recipe(network, cells=_PAPER_CELLS)


def _general_recipe(network: Network, *, cells: int) -> Recipe:
    names = network.layer_names
    strides = [round(float(cell_centers(network, name).scale[0])) for name in names]
    if network.vit is not None:
        chosen = 2 * len(names) // 3
    else:
        chosen = max((i for i, stride in enumerate(strides) if stride <= _STRIDE_PX), default=0)
    return Recipe((names[chosen],), (cells * strides[chosen],), center=False)


class Grid(NamedTuple):
    """The size of a descriptor grid and the positions of its cells."""

    size: coords.Size
    to_input_px: coords.Transform
    """Cells to pixels of the largest input."""


def descriptor_grid(network: Network, recipe: Recipe) -> Grid:
    """Compute the grid of `convolutional_descriptors` from the layer table alone.

    Raises:
        InputError: the network has no such layer, or the largest size is too small for it.
    """
    largest = max(recipe.sizes_px)
    size = grid_size(network, recipe.layers[-1], (largest, largest))
    return Grid(size, cell_centers(network, recipe.layers[-1]))


@functools.partial(jax.jit, static_argnames=("network", "recipe"))
def convolutional_descriptors(
    params: Params,
    pyramid: Sequence[Num[Array, "batch _ _ 3"] | Num[np.ndarray, "batch _ _ 3"]],
    *,
    network: Network,
    recipe: Recipe,
) -> Float[Array, "batch h w d"]:
    """Compute descriptors of a batch of square images from all of the recipe's sizes and layers.

    They have unit length, or less where columns are zeros; ``descriptor_grid(network, recipe).to_input_px``
    maps their cells to pixels of the largest input.

    Args:
        pyramid: the same RGB images, with values from 0 to 255, once for each of ``recipe.sizes_px``, in that
            order.

    Raises:
        InputError: the pyramid's sizes are not the recipe's, the network has no such layer, or the largest size
            is too small for it.
    """
    sides = tuple(level.shape[1:3] for level in pyramid)
    if sides != tuple((side, side) for side in recipe.sizes_px):
        raise InputError(f"the pyramid has sizes {sides}; squares of {recipe.sizes_px} are expected")
    grid = descriptor_grid(network, recipe)
    largest = max(sides)
    parts = []
    for level, side in zip(pyramid, sides, strict=True):
        inputs = preprocess(level, network=network)
        maps = activations(params, inputs, network=network, layers=recipe.layers)
        to_level = coords.resize(largest, side) @ grid.to_input_px
        for layer in recipe.layers:
            to_cells = cell_centers(network, layer).inverse @ to_level
            columns = _read_at(maps[layer], grid.size, to_cells)
            if recipe.center:
                columns = columns - columns.mean(axis=(1, 2), keepdims=True)
            parts.append(unit_length(columns))
    return jnp.concatenate(parts, axis=-1) / np.sqrt(len(parts), dtype=np.float32)


def unit_length(descriptors: Float[Array, "*shape d"]) -> Float[Array, "*shape d"]:
    """Divide each descriptor by its Euclidean length; a descriptor of zeros stays zero.

    The divisor is ``sqrt(length^2 + 1e-12)``: below a length of about 0.001 the result is shorter than 1.
    """
    squared = jnp.sum(descriptors**2, axis=-1, keepdims=True)
    return descriptors / jnp.sqrt(squared + _LEAST_LENGTH**2)


def _read_at(maps, size: coords.Size, to_cells: coords.Transform):
    """Read maps ``[b, h, w, c]`` bilinearly at the cells of a grid, clamped to their outermost cells."""
    rows = _linear_weights(size.height, maps.shape[1], to_cells.scale[1], to_cells.shift[1])
    columns = _linear_weights(size.width, maps.shape[2], to_cells.scale[0], to_cells.shift[0])
    if np.array_equal(rows, np.eye(*rows.shape)) and np.array_equal(columns, np.eye(*columns.shape)):
        return maps
    return jnp.einsum("yh,xw,bhwc->byxc", rows, columns, maps)


def _linear_weights(count: int, length: int, scale: Any, shift: Any) -> np.ndarray:
    weights = coords.linear_weights(np.arange(count) * scale + shift, length)
    # Rounding in the composed transforms must not turn an identity into an interpolation.
    return weights.round(6).astype(np.float32)


# Images of one forward pass.
_BATCH = 16


def default_layer(weights: Weights) -> str:
    """Return the paper's fc6, pool5 without fully connected layers, or the last layer of other networks."""
    if "pool5" not in weights.network.layer_names:
        return weights.layers[-1]
    return "fc6" if "fc6" in weights.layers else "pool5"


def feature_count(network: Network, layer: str, *, side_px: int) -> int:
    """Return how many numbers `global_features` computes for an image without ``cells``.

    Raises:
        InputError: the layer is unknown or too deep for the size.
    """
    return math.prod(grid_size(network, layer, (side_px, side_px))) * channels(network, layer)


def global_features(
    squares: Iterable[UInt8[np.ndarray, "side side 3"]],
    *,
    weights: Weights,
    layer: str,
    cells: int | None = None,
) -> Float[np.ndarray, "n d"]:
    """Compute the features of any number of images of one size, in batches of one compiled program.

    An image whose activations are all zero has a feature of zeros. Activations are flattened in the order row,
    column, channel. With ``cells``, a map of more cells on a side is first averaged over that many equal parts
    of the side.

    Raises:
        InputError: there are no images, they differ in size, ``cells`` is below 1, or the layer is unknown,
            without filters or too deep for the size.
    """
    if cells is not None and cells < 1:
        raise InputError(f"cells is {cells}; at least 1 is expected")
    remaining = iter(squares)
    rows: list[np.ndarray] = []
    while batch := list(islice(remaining, _BATCH)):
        if len({square.shape for square in batch}) > 1:
            raise InputError(
                f"images of sizes {sorted({square.shape[:2] for square in batch})} are described together; "
                "one size is expected"
            )
        # Fewer images than one batch are padded to a power of two only.
        size = _BATCH if rows else 1 << (len(batch) - 1).bit_length()
        ((padded, count),) = padded_batches(len(batch), size=size)
        inputs = preprocess(np.stack(batch)[padded], network=weights.network)
        maps = activations(weights.params, inputs, network=weights.network, layers=[layer])[layer]
        if cells is not None:
            rows_of, columns_of = (_averages(length, min(length, cells)) for length in maps.shape[1:3])
            maps = jnp.einsum("yh,xw,bhwc->byxc", rows_of, columns_of, maps)
        flat = unit_length(maps.reshape(size, -1))
        rows.append(np.asarray(flat)[:count])
    if not rows:
        raise InputError("there are no images to describe; at least one is expected")
    return np.concatenate(rows)


def _averages(length: int, count: int) -> np.ndarray:
    """Return the weights ``[count, length]`` of cells in the means over equal parts of their line."""
    # Each cell is divided into as many pieces as there are parts, so that parts have whole pieces.
    pieces = np.eye(length, dtype=np.float32).repeat(count, axis=0)
    return pieces.reshape(count, length, length).mean(axis=1)
