"""Descriptors at points of photographs: SIFT, and columns of convolutional layers.

All photographs of a call are of one size, so that one compiled program serves a data set; `canvas` makes
them so. Points are (x, y) in the canvas's pixels; at an absent one (NaN) the descriptor is NaN.
"""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, UInt8

from convcorr_jax import images
from convcorr_jax.backbone import Network, Params, activations, preprocess, receptive_field
from convcorr_jax.descriptors.convolutional import unit_length
from convcorr_jax.descriptors.sift import sift_at
from convcorr_jax.shapes import Image

LEAST_CONTRAST = 0.0
"""No descriptor is put out: at large radii, in enlarged photographs, every gradient is small."""

Photographs = UInt8[np.ndarray, "b h w 3"] | UInt8[Array, "b h w 3"]
Points = Float[np.ndarray, "b n 2"] | Float[Array, "b n 2"]


def canvas(photograph: Image, *, side_px: int) -> images.Resampled:
    """A photograph at the top left of a square, its longer side that of the square.

    Below or to the right of it, its border pixels are repeated.
    """
    resized = images.resize_longest_side(photograph, side_px)
    height, width = resized.image.shape[:2]
    missing = ((0, side_px - height), (0, side_px - width), (0, 0))
    return images.Resampled(np.pad(resized.image, missing, mode="edge"), resized.transform)


@partial(jax.jit, static_argnames=("network", "layers", "interpolate"))
def columns_at(
    params: Params,
    photographs: Photographs,
    points: Points,
    *,
    network: Network,
    layers: tuple[str, ...],
    interpolate: bool = False,
) -> dict[str, Float[Array, "b n c"]]:
    """Each layer's column, at unit length, whose receptive-field centre is nearest to the point.

    Beyond the outermost centres that is an outermost column. Zeros, where no unit fires, stay zeros.

    Unit length is a choice: in cross-validation on parts of the training splits of faces and people, columns
    classified keypoints about as well when all were scaled by one number (of a hundred, 1.1 more at
    best and 1.7 fewer at worst); raw, each layer would need costs of its own.

    Args:
        params: the network's weights.
        photographs: 8-bit RGB.
        points: in their pixels.
        network: the layer table.
        layers: whose columns.
        interpolate: read between the four nearest columns bilinearly in place of taking one.

    Raises:
        InputError: as `activations`.

    Source: Long et al. 2014, section 4, which takes the nearest column and says nothing of its length.
    """
    maps = activations(
        params, preprocess(photographs, network=network), network=network, layers=layers
    )
    found = {}
    for layer in layers:
        field = receptive_field(network, layer)
        cells = (jnp.asarray(points, jnp.float32) - field.first_center_px) / field.stride_px
        read = _between if interpolate else _nearest
        columns = unit_length(jax.vmap(read)(maps[layer], cells))
        found[layer] = jnp.where(jnp.isnan(cells).any(-1, keepdims=True), jnp.nan, columns)
    return found


@partial(jax.jit, static_argnames=("radii_px",))
def sift_at_points(
    photographs: Photographs, points: Points, *, radii_px: tuple[float, ...]
) -> dict[float, Float[Array, "b n 128"]]:
    """SIFT of every radius at the points of many photographs; see `convcorr_jax.descriptors.sift`.

    Raises:
        InputError: as `sift_at`.
    """
    pairs = jnp.asarray(photographs), jnp.asarray(points, jnp.float32)

    def of_radius(radius: float):
        describe = partial(sift_at, radius_px=radius, contrast_threshold=LEAST_CONTRAST)
        return lax.map(lambda pair: describe(*pair), pairs)

    return {radius: of_radius(radius) for radius in radii_px}


def _nearest(columns: Float[Array, "h w c"], cells: Float[Array, "n 2"]) -> Float[Array, "n c"]:
    column, row = _clipped(jnp.round(cells), columns.shape)
    return columns[row.astype(int), column.astype(int)]


def _between(columns: Float[Array, "h w c"], cells: Float[Array, "n 2"]) -> Float[Array, "n c"]:
    column, row = _clipped(cells, columns.shape)
    left, top = jnp.floor(column), jnp.floor(row)
    found = jnp.zeros((len(cells), columns.shape[-1]), columns.dtype)
    for x in (left, left + 1):
        for y in (top, top + 1):
            weight = (1 - jnp.abs(column - x)) * (1 - jnp.abs(row - y))
            # Past the last column the weight is zero, and the index is clamped.
            found += weight[:, None] * columns[y.astype(int), x.astype(int)]
    return found


def _clipped(cells: Float[Array, "n 2"], shape: Sequence[int]):
    height, width, _ = shape
    present = jnp.nan_to_num(cells)
    return jnp.clip(present[:, 0], 0, width - 1), jnp.clip(present[:, 1], 0, height - 1)
