"""Receptive fields: the window of the network's input on which a cell of a layer depends.

The recursion starts at the input with size 1, stride 1 and first centre 0. A layer with window k, stride s and
padding p maps the field (r, j, c) of the layer before it to

    size r + (k - 1) j,   stride s j,   first centre c + ((k - 1) / 2 - p) j.

The centre of cell i is ``first_center_px + i * stride_px``, on both axes. A field may extend beyond the image,
where the input is zero; Caffe's last pooling windows are clipped there instead.

A residual unit has the field of its chain of convolutions, which contains that of its shortcut.

A cell of a vision transformer depends on the whole image. It stands at the centre of its patch of p pixels:
stride p, first centre (p - 1) / 2.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from convcorr_jax import coords
from convcorr_jax.backbone.layers import Block, Conv, MaxPool, windows
from convcorr_jax.backbone.networks import Network
from convcorr_jax.errors import InputError


class ReceptiveField(NamedTuple):
    """Side, distance and first centre, on both axes, of the fields of a layer's cells, in input pixels."""

    size_px: int
    stride_px: int
    first_center_px: float


def receptive_field(network: Network, layer_name: str) -> ReceptiveField:
    """Compute the receptive field of a layer's cells.

    >>> from convcorr_jax.backbone import NETWORKS
    >>> receptive_field(NETWORKS["caffenet"], "conv4")
    ReceptiveField(size_px=131, stride_px=16, first_center_px=17.0)

    Source: Long et al. 2014, Table 1.

    Raises:
        InputError: the network has no such layer, or its cells depend on the whole image.
    """
    size, stride, center = 1, 1, 0.0
    for layer in network.layers[: network.position(layer_name) + 1]:
        if isinstance(layer, Block):
            raise InputError(
                f"the cells of {layer_name} of {network.name} depend on the whole image; a layer whose cells "
                "depend on a window of it is expected"
            )
        for step in windows(layer):
            center += ((step.window - 1) / 2 - step.padding) * stride
            size += (step.window - 1) * stride
            stride *= step.stride
    return ReceptiveField(size, stride, center)


def grid_size(network: Network, layer_name: str, image_size: Sequence[int]) -> coords.Size:
    """Compute the size of a layer's grid, in cells, from height and width of the network's input.

    >>> from convcorr_jax.backbone import NETWORKS
    >>> grid_size(NETWORKS["caffenet"], "conv4", (227, 227))
    Size(height=13, width=13)

    Raises:
        InputError: the network has no such layer, the image is too small for one cell of it, or it has no
            whole number of a vision transformer's patches.
    """
    height, width = (int(side) for side in image_size)
    grid = coords.Size(height, width)
    if network.vit is not None:
        network.position(layer_name)
        patch = network.vit.patch_px
        if min(height, width) < patch or height % patch or width % patch:
            raise InputError(
                f"an image of {width} x {height} pixels cannot be divided into the patches of {network.name}; "
                f"multiples of {patch} are expected"
            )
        return coords.Size(height // patch, width // patch)
    for layer in network.layers[: network.position(layer_name) + 1]:
        for step in windows(layer):
            grid = coords.Size(*(output_side(step, side) for side in grid))
        if min(grid) < 1:
            at_layer = "" if layer.name == layer_name else f" (at {layer.name})"
            raise InputError(
                f"an image of {width} x {height} pixels is too small for {layer_name} of {network.name}"
                f"{at_layer}; the network was trained at {network.image_side} x {network.image_side}"
            )
    return grid


def cell_centers(network: Network, layer_name: str) -> coords.Transform:
    """Return the transform from cells (column, row) of a layer to pixels (x, y) of the network's input.

    >>> from convcorr_jax.backbone import NETWORKS
    >>> cell_centers(NETWORKS["alexnet"], "conv5").shift
    array([15., 15.])
    """
    if network.vit is not None:
        network.position(layer_name)
        patch = network.vit.patch_px
        return coords.grid(float(patch), (patch - 1) / 2)
    field = receptive_field(network, layer_name)
    return coords.grid(float(field.stride_px), field.first_center_px)


def output_side(layer: Conv | MaxPool, input_side: int) -> int:
    """Compute the number of cells of a layer along one axis; it is below 1 if its window does not fit."""
    steps = (input_side + 2 * layer.padding - layer.window) / layer.stride
    return 1 + (math.ceil(steps) if isinstance(layer, MaxPool) and layer.ceil else math.floor(steps))
