"""How sharply a keypoint's classifier responds: its responses at every pixel around the true place.

A window of 21 x 21 pixels lies around the pixel nearest to the keypoint; where in it the response is greatest
is one point (x, y) from -10 to 10, the keypoint's pixel being 0. Maxima on the window's border, whose true
maxima may lie beyond, are left out.

Source: Long, Zhang and Darrell 2014, section 4 and Figure 4.
"""

from functools import partial
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int, UInt8

from convcorr_jax import coords
from convcorr_jax.backbone import Network, Params, preprocess, receptive_field
from convcorr_jax.backbone.single_pixel import single_pixel_activations
from convcorr_jax.descriptors.at_points import LEAST_CONTRAST
from convcorr_jax.descriptors.convolutional import unit_length
from convcorr_jax.descriptors.sift import REACH_BINS, dense_sift
from convcorr_jax.shapes import Image

REACH_PX = 10
"""From the window's middle to its border."""
NEAR_PX = 4.0
"""What counts as near: a quarter of the stride of conv3, conv4 and conv5."""

Window = Float[np.ndarray, "21 21"]


def conv_window(
    params: Params,
    photograph: Image,
    point: Float[np.ndarray, "2"],
    *,
    network: Network,
    layer: str,
) -> Float[Array, "21 21 c"]:
    """A layer's columns, at unit length, centred on every pixel of the window around a point.

    Each is the column that the network would give at its stride, were the photograph so shifted that a cell's
    centre lies on that pixel. Where a field reaches beyond the photograph, border pixels are repeated.

    Args:
        params: the network's weights.
        photograph: 8-bit RGB.
        point: in its pixels.
        network: the layer table.
        layer: whose columns.

    Raises:
        InputError: as `receptive_field`.
    """
    field = receptive_field(network, layer).size_px
    # A field of even size has its centre between pixels; the one half a pixel to the left is taken.
    crop = _crop(photograph, point, before=REACH_PX + field // 2, side=2 * REACH_PX + field)
    return _columns(params, crop, network=network, layer=layer)


def sift_window(
    photograph: Image, point: Float[np.ndarray, "2"], *, radius_px: float
) -> Float[Array, "21 21 128"]:
    """SIFT at every pixel of the window around a point.

    Where a descriptor reaches beyond the photograph, border pixels are repeated.

    Raises:
        InputError: as `dense_sift`.
    """
    # Beyond the bins reaches the blur before them, four times its deviation of a sixth of a bin.
    reach = REACH_PX + int(np.ceil(radius_px / 2 * (REACH_BINS + 4 / 6))) + 2
    crop = _crop(photograph, point, before=reach, side=2 * reach + 1)
    side = 2 * REACH_PX + 1
    return dense_sift(
        crop,
        radius_px=radius_px,
        first_center_px=float(reach - REACH_PX),
        size=(side, side),
        contrast_threshold=LEAST_CONTRAST,
    )


class Peaks(NamedTuple):
    """Where responses are greatest, one entry a window."""

    offsets: Int[np.ndarray, "n 2"]
    """From the keypoint's pixel, (x, y)."""
    inside: Bool[np.ndarray, " n"]
    """Whether the maximum lies off the window's border."""


def peaks(responses: Float[np.ndarray, "n 21 21"]) -> Peaks:
    """The maximum of every window; the first in reading order, of equals.

    >>> window = np.zeros((1, 21, 21))
    >>> window[0, 10, 13] = 1
    >>> peaks(window).offsets.tolist()
    [[3, 0]]
    """
    flat = responses.reshape(len(responses), -1).argmax(axis=1)
    rows, columns = np.unravel_index(flat, responses.shape[1:])
    offsets = np.stack([columns, rows], axis=-1) - REACH_PX
    return Peaks(offsets, np.abs(offsets).max(axis=-1) < REACH_PX)


def histogram(found: Peaks) -> Int[np.ndarray, "21 21"]:
    """How many maxima lie at each pixel (row, column) of the window, those on its border left out."""
    side = 2 * REACH_PX + 1
    columns, rows = (found.offsets[found.inside] + REACH_PX).T
    return np.bincount(rows * side + columns, minlength=side**2).reshape(side, side)


class Sharpness(NamedTuple):
    """How near to the keypoint the maxima lie; of those off the border, but for the last."""

    near_share: float
    """Within `NEAR_PX`."""
    mean_distance_px: float
    inside_share: float
    """Off the border, of all windows."""


def sharpness(found: Peaks) -> Sharpness:
    """The figures of a histogram; the first two are NaN where no maximum is off the border."""
    distances = np.linalg.norm(found.offsets[found.inside], axis=-1)
    if not len(distances):
        return Sharpness(float("nan"), float("nan"), 0.0)
    return Sharpness(
        float((distances <= NEAR_PX).mean()), float(distances.mean()), float(found.inside.mean())
    )


def chance() -> Sharpness:
    """What maxima would have that lie anywhere in the window with equal chance."""
    offsets = coords.cell_grid((2 * REACH_PX + 1, 2 * REACH_PX + 1)).reshape(-1, 2) - REACH_PX
    offsets = offsets.astype(int)
    return sharpness(Peaks(offsets, np.abs(offsets).max(axis=-1) < REACH_PX))


def _crop(
    photograph: Image, point: Float[np.ndarray, "2"], *, before: int, side: int
) -> UInt8[np.ndarray, "side side 3"]:
    """A square of whole pixels, so many of them before the one nearest to the point; borders repeated."""
    height, width = photograph.shape[:2]
    column, row = np.round(point).astype(int) - before
    rows = np.clip(np.arange(row, row + side), 0, height - 1)
    columns = np.clip(np.arange(column, column + side), 0, width - 1)
    return photograph[rows[:, None], columns[None]]


@partial(jax.jit, static_argnames=("network", "layer"))
def _columns(params: Params, crop, *, network: Network, layer: str):
    inputs = preprocess(crop[None], network=network)
    return unit_length(single_pixel_activations(params, inputs, network=network, layer=layer)[0])
