"""Views of photographs, resampled to the squares that descriptors need, and descriptors at points of images.

Long et al. 2014 warp every object's box to a square before they describe it; whole photographs are resized to
squares in the same way. One transform maps cells of descriptors back to pixels of the photograph.

All images of a call for points have one size, so that one compiled program serves a data set; `pad_to_square`
brings images to that size. Points are (x, y) in pixels of the padded square; an absent point (NaN)
has a descriptor of NaN.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, UInt8

from convcorr_jax import coords, images
from convcorr_jax.backbone import Network, Params, activations, cell_centers, preprocess
from convcorr_jax.descriptors.convolutional import unit_length
from convcorr_jax.descriptors.sift import sift_at
from convcorr_jax.errors import InputError
from convcorr_jax.shapes import Image

# Added on each side of a box, in fractions of its width and height: an object's extremities are at the edges of
# its box, and their surroundings help to match them. Tuned on PF-WILLOW; `eval.flow_selection` compares others.
BOX_MARGIN = 0.15


class View(NamedTuple):
    """One part of a photograph at several sizes."""

    pyramid: tuple[UInt8[np.ndarray, "side side 3"], ...]
    """Squares, one for each size, in the order of ``sizes_px``."""
    to_photograph_px: coords.Transform
    """Pixels of the largest square to pixels of the photograph."""


def view(photograph: Image, box: coords.Box | None, *, sizes_px: Sequence[int], margin: float = 0.0) -> View:
    """Resample the part of a photograph inside a box to squares of several sizes.

    Args:
        box: the part to show, in pixels of the photograph; None for the whole photograph.
        margin: the fraction of the box's width and height that is added on each side of it. Beyond the
            photograph, its border pixels are repeated.

    Raises:
        InputError: the box has no area, does not meet the photograph, or the margin is negative.
    """
    if margin < 0:
        raise InputError(f"margin {margin} must not be negative")
    if box is None:
        shown = coords.whole_image(photograph.shape[:2])
    else:
        shown = coords.grow(box, margin)
    levels = [images.crop_and_resize(photograph, shown, (side, side)) for side in sizes_px]
    largest = levels[int(np.argmax(sizes_px))]
    return View(tuple(level.image for level in levels), largest.transform.inverse)


LEAST_CONTRAST = 0.0
"""SIFT's contrast threshold; 0 keeps all descriptors, because enlarged images have small gradients."""

Photographs = UInt8[np.ndarray, "b h w 3"] | UInt8[Array, "b h w 3"]
Points = Float[np.ndarray, "b n 2"] | Float[Array, "b n 2"]


def pad_to_square(photograph: Image, *, side_px: int) -> images.Resampled:
    """Resize a photograph to the side of a square, and pad it to the square at the bottom or the right.

    The padding repeats the border pixels.
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
    """Return, for each layer, the unit-length column whose receptive-field centre is nearest to each point.

    For a point beyond the outermost centres this is an outermost column. A column of zeros stays zero. With
    ``interpolate`` the column is read bilinearly between the four nearest columns.

    Raises:
        InputError: the network has no such layer, the layer has no filters, or the photographs are too small.

    Source: Long et al. 2014, section 4. The paper leaves open: it takes the nearest column and does not state
    whether columns are normalised. In cross-validation on parts of the training splits of faces and people,
    columns classified keypoints about as well when all were scaled by one number; raw columns would need
    different costs for each layer.
    """
    maps = activations(params, preprocess(photographs, network=network), network=network, layers=layers)
    descriptors = {}
    for layer in layers:
        centers = cell_centers(network, layer)
        cells = (jnp.asarray(points, jnp.float32) - float(centers.shift[0])) / float(centers.scale[0])
        read = _between if interpolate else _nearest
        columns = unit_length(jax.vmap(read)(maps[layer], cells))
        absent = jnp.isnan(cells).any(-1, keepdims=True)
        descriptors[layer] = jnp.where(absent, jnp.nan, columns)
    return descriptors


@partial(jax.jit, static_argnames=("radii_px",))
def sift_at_points(
    photographs: Photographs, points: Points, *, radii_px: tuple[float, ...]
) -> dict[float, Float[Array, "b n 128"]]:
    """Compute SIFT descriptors of several radii at points of many photographs.

    Raises:
        InputError: a radius is not positive, or the photographs are under 2 x 2 pixels.
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
    interpolated = jnp.zeros((len(cells), columns.shape[-1]), columns.dtype)
    for x in (left, left + 1):
        for y in (top, top + 1):
            weight = (1 - jnp.abs(column - x)) * (1 - jnp.abs(row - y))
            # Beyond the last column the weight is zero and the index is clamped.
            interpolated += weight[:, None] * columns[y.astype(int), x.astype(int)]
    return interpolated


def _clipped(cells: Float[Array, "n 2"], shape: Sequence[int]):
    height, width, _ = shape
    present = jnp.nan_to_num(cells)
    return jnp.clip(present[:, 0], 0, width - 1), jnp.clip(present[:, 1], 0, height - 1)
