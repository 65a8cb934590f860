"""Where a cell of a layer looks: its receptive field in pixels of the network's input.

Walking the table from the input (size 1, stride 1, first centre 0), a layer with window k, stride s and
padding p makes of a field (r, j, c)

    size r + (k - 1) j,   stride s j,   first centre c + ((k - 1) / 2 - p) j.

The centre of cell i is ``first_center_px + i * stride_px``, on both axes. A field may reach beyond the
image, where the network sees zeros, or, in Caffe's last pooling windows, nothing.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from convcorr_jax import coords
from convcorr_jax.backbone.networks import Conv, LocalResponseNorm, MaxPool, Network
from convcorr_jax.errors import InputError


class ReceptiveField(NamedTuple):
    """Side of the square that a cell sees, distance between neighbours, and centre of the first cell."""

    size_px: int
    stride_px: int
    first_center_px: float


def receptive_field(network: Network, layer_name: str) -> ReceptiveField:
    """The receptive field of a layer's cells.

    >>> from convcorr_jax.backbone.networks import NETWORKS
    >>> receptive_field(NETWORKS["caffenet"], "conv4")
    ReceptiveField(size_px=131, stride_px=16, first_center_px=17.0)

    Raises:
        InputError: the network has no such layer.

    Source: Long et al. 2014, Table 1.
    """
    size, stride, center = 1, 1, 0.0
    for layer in network.layers[: network.position(layer_name) + 1]:
        if isinstance(layer, LocalResponseNorm):
            continue
        padding = layer.padding if isinstance(layer, Conv) else 0
        center += ((layer.window - 1) / 2 - padding) * stride
        size += (layer.window - 1) * stride
        stride *= layer.stride
    return ReceptiveField(size, stride, center)


def grid_size(network: Network, layer_name: str, image_size: Sequence[int]) -> coords.Size:
    """Height and width of a layer's grid for a network input of ``image_size`` (height, width).

    >>> from convcorr_jax.backbone.networks import NETWORKS
    >>> grid_size(NETWORKS["caffenet"], "conv4", (227, 227))
    Size(height=13, width=13)

    Raises:
        InputError: the network has no such layer, or the image is too small to have one cell of it.
    """
    height, width = (int(side) for side in image_size)
    grid = coords.Size(height, width)
    for layer in network.layers[: network.position(layer_name) + 1]:
        if isinstance(layer, LocalResponseNorm):
            continue
        grid = coords.Size(*(output_side(layer, side) for side in grid))
        if min(grid) < 1:
            at_layer = "" if layer.name == layer_name else f" (at {layer.name})"
            raise InputError(
                f"an image of {width} x {height} pixels is too small for {layer_name} of {network.name}"
                f"{at_layer}; the network was made for {network.image_side} x {network.image_side}"
            )
    return grid


def cell_centers(network: Network, layer_name: str) -> coords.Transform:
    """The map from cells (column, row) of a layer to pixels (x, y) of the network's input.

    >>> from convcorr_jax.backbone.networks import NETWORKS
    >>> cell_centers(NETWORKS["alexnet"], "conv5").shift
    array([15., 15.])

    Raises:
        InputError: the network has no such layer.
    """
    field = receptive_field(network, layer_name)
    return coords.grid(float(field.stride_px), field.first_center_px)


def output_side(layer: Conv | MaxPool, input_side: int) -> int:
    """How many cells a layer makes of ``input_side``; less than one where its window does not fit."""
    padding = layer.padding if isinstance(layer, Conv) else 0
    steps = (input_side + 2 * padding - layer.window) / layer.stride
    return 1 + (
        math.ceil(steps) if isinstance(layer, MaxPool) and layer.ceil else math.floor(steps)
    )
