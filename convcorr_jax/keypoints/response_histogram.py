"""How sharply a keypoint's classifier responds: its responses at every pixel around the true position.

A window of 21 x 21 pixels is centered on the pixel nearest to the keypoint. The pixel of the window with the
highest response is one point (x, y) with coordinates from -10 to 10, where (0, 0) is the keypoint's pixel.
Maxima on the window's border are left out, because the true maximum may be outside the window.

Source: Long, Zhang and Darrell 2014, section 4 and Figure 4.
"""

from functools import partial
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int, UInt8

from convcorr_jax import coords
from convcorr_jax.backbone import Network, Params, preprocess, receptive_field, single_pixel_activations
from convcorr_jax.descriptors import dense_sift, unit_length
from convcorr_jax.descriptors.at_points import LEAST_CONTRAST
from convcorr_jax.descriptors.sift import REACH_BINS
from convcorr_jax.errors import InputError
from convcorr_jax.shapes import Image

REACH_PX = 10
"""Pixels from the window's middle to its border."""
NEAR_PX = 4.0
"""The distance within which a maximum counts as near: a quarter of the stride of conv3, conv4 and conv5."""


def conv_window(
    params: Params, photograph: Image, point: Float[np.ndarray, "2"], *, network: Network, layer: str
) -> Float[Array, "21 21 c"]:
    """Compute a layer's columns, at unit length, centered on every pixel of the window around a point.

    Each column is the one that the network computes when the photograph is shifted so that the center of a
    cell falls on that pixel. Where a receptive field extends beyond the photograph, border pixels are
    repeated.
    """
    field = receptive_field(network, layer).size_px
    # A field of even size has its center between two pixels; the left one is taken.
    crop = _crop(photograph, point, before=REACH_PX + field // 2, side=2 * REACH_PX + field)
    return _columns(params, crop, network=network, layer=layer)


def sift_window(
    photograph: Image, point: Float[np.ndarray, "2"], *, radius_px: float
) -> Float[Array, "21 21 128"]:
    """Compute SIFT at every pixel of the window around a point.

    Where a descriptor extends beyond the photograph, border pixels are repeated.

    Raises:
        InputError: the radius is not positive.
    """
    # The blur before the bins extends beyond them by four times its deviation, a sixth of a bin.
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


class ResponsePeaks(NamedTuple):
    """The maxima of many windows of responses."""

    offsets: Int[np.ndarray, "n 2"]
    """(x, y), relative to the keypoint's pixel."""
    inside: Bool[np.ndarray, " n"]
    """Whether they are off the window's border."""


def response_peaks(responses: Float[np.ndarray, "n 21 21"]) -> ResponsePeaks:
    """Find the maximum of every window [row, column]; of equal ones the first in reading order.

    Raises:
        InputError: a response is NaN.

    >>> window = np.zeros((1, 21, 21))
    >>> window[0, 10, 13] = 1
    >>> response_peaks(window).offsets.tolist()
    [[3, 0]]
    """
    if np.isnan(responses).any():
        raise InputError("the responses hold NaN; a window with NaN has no maximum")
    flat = responses.reshape(len(responses), (2 * REACH_PX + 1) ** 2).argmax(axis=1)
    rows, columns = np.unravel_index(flat, responses.shape[1:])
    offsets = np.stack([columns, rows], axis=-1) - REACH_PX
    return ResponsePeaks(offsets, np.abs(offsets).max(axis=-1) < REACH_PX)


def peak_histogram(peaks: ResponsePeaks) -> Int[np.ndarray, "21 21"]:
    """Count the maxima at every pixel (row, column) of the window, without those on its border."""
    side = 2 * REACH_PX + 1
    columns, rows = (peaks.offsets[peaks.inside] + REACH_PX).T
    return np.bincount(rows * side + columns, minlength=side**2).reshape(side, side)


class Sharpness(NamedTuple):
    """How close the maxima off the border are to the keypoint."""

    near_share: float
    """The fraction within `NEAR_PX` pixels."""
    mean_distance_px: float
    inside_share: float
    """The fraction of all maxima that is off the border."""


def sharpness(peaks: ResponsePeaks) -> Sharpness:
    """Summarize how close the maxima of many windows are to the keypoint.

    Without a maximum off the border, the first two numbers are NaN.
    """
    distances = np.linalg.norm(peaks.offsets[peaks.inside], axis=-1)
    if not len(distances):
        return Sharpness(float("nan"), float("nan"), 0.0)
    return Sharpness(float((distances <= NEAR_PX).mean()), float(distances.mean()), float(peaks.inside.mean()))


def chance_sharpness() -> Sharpness:
    """Compute the sharpness of maxima that are uniformly distributed over the window."""
    offsets = coords.cell_grid((2 * REACH_PX + 1, 2 * REACH_PX + 1)).reshape(-1, 2) - REACH_PX
    offsets = offsets.astype(int)
    return sharpness(ResponsePeaks(offsets, np.abs(offsets).max(axis=-1) < REACH_PX))


def _crop(
    photograph: Image, point: Float[np.ndarray, "2"], *, before: int, side: int
) -> UInt8[np.ndarray, "side side 3"]:
    """Crop a square ``before`` pixels left of and above the pixel nearest to a point; repeat the border."""
    height, width = photograph.shape[:2]
    column, row = np.round(point).astype(int) - before
    rows = np.clip(np.arange(row, row + side), 0, height - 1)
    columns = np.clip(np.arange(column, column + side), 0, width - 1)
    return photograph[rows[:, None], columns[None]]


@partial(jax.jit, static_argnames=("network", "layer"))
def _columns(params: Params, crop, *, network: Network, layer: str):
    inputs = preprocess(crop[None], network=network)
    return unit_length(single_pixel_activations(params, inputs, network=network, layer=layer)[0])
