"""RGB reconstruction: an image's colours from its feature vector, one linear function for each colour value.

An image is resized to a square of 46 x 46 pixels, whatever its proportions; its 6348 colour values, between 0
and 1, are the targets of a ridge regression. Predictions are clipped to that range.

A `Variation` of an image for training is the image itself, its mirror image or a crop, mirrored or not. It is
applied to pixels and labels alike, so that both move together.

Source: Sharif Razavian et al. 2014, section 3.1.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Float, UInt8

from convcorr_jax import coords, images
from convcorr_jax.errors import InputError
from convcorr_jax.linear.ridge import Ridge
from convcorr_jax.shapes import Image

SIDE_PX = 46
"""Side of the squares; the paper's."""


def rgb_targets(
    photographs: Iterable[UInt8[np.ndarray, "_ _ 3"]], *, side_px: int = SIDE_PX
) -> Float[np.ndarray, "n t"]:
    """Return the ``3 side_px^2`` colours, 0 to 1, of images of any size, each resized to a square.

    >>> rgb_targets([np.full((20, 30, 3), 255, np.uint8)], side_px=2).tolist()
    [[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]]

    Raises:
        InputError: there is no image, or the side is not positive.
    """
    if side_px < 1:
        raise InputError(f"side_px is {side_px}; at least 1 is expected")
    rows = [images.resize(image, (side_px, side_px)).image.reshape(-1) for image in photographs]
    if not rows:
        raise InputError("there is no image whose colours could be targets")
    return np.stack(rows).astype(np.float32) / 255


def reconstruct(
    ridge: Ridge, features: Float[Array, "n d"] | Float[np.ndarray, "n d"]
) -> Float[np.ndarray, "n side side 3"]:
    """Predict square images from features, by a regression fitted to `rgb_targets`, as `as_squares` does."""
    return as_squares(np.asarray(ridge.predict(features)))


def as_squares(rows: Float[np.ndarray, "n t"]) -> Float[np.ndarray, "n side side 3"]:
    """Reshape rows of `rgb_targets` to square images, clipped to the range from 0 to 1.

    Raises:
        InputError: a row does not have ``3 side^2`` values.
    """
    side = round((rows.shape[1] / 3) ** 0.5)
    if 3 * side**2 != rows.shape[1]:
        raise InputError(f"rows of {rows.shape[1]} numbers are not the colours of a square")
    return np.clip(rows, 0, 1).reshape(-1, side, side, 3)


def absolute_error(
    predicted: Float[np.ndarray, "n side side 3"], truth: Float[np.ndarray, "n side side 3"]
) -> Float[np.ndarray, " n"]:
    """Compute the mean absolute difference of the colours of every image.

    >>> absolute_error(np.zeros((1, 2, 2, 3)), np.full((1, 2, 2, 3), 0.25))
    array([0.25])
    """
    return np.abs(predicted - truth).mean(axis=(1, 2, 3))


MIN_CROP_FRACTION = 0.6
"""A crop has at least this fraction of the image's width, and of its height."""


class Variation(NamedTuple):
    """A part of an image, mirrored or not."""

    box: coords.Box
    mirrored: bool = False


def variations(size: coords.Size, *, count: int, seed: int) -> tuple[Variation, ...]:
    """Draw variations: the whole image, its mirror image, then crops, of which every second one is mirrored.

    Width and height of a crop are drawn independently, and so is its position inside the image. The first ones
    are the same whatever the count.

    Raises:
        InputError: the count is not positive.
    """
    if count < 1:
        raise InputError(f"{count} variations are asked for; at least 1 is expected")
    whole = coords.whole_image(size)
    rng = np.random.default_rng(seed)
    boxes = [whole, whole, *(_crop(whole, rng) for _ in range(count - 2))]
    return tuple(Variation(box, i % 2 == 1) for i, box in enumerate(boxes[:count]))


def variation_image(
    photograph: Image, variation: Variation, *, side_px: int
) -> UInt8[np.ndarray, "side side 3"]:
    """Return a variation of an image, resized to a square."""
    square = images.crop_and_resize(photograph, variation.box, (side_px, side_px)).image
    return images.flip(square) if variation.mirrored else square


def _crop(whole: coords.Box, rng: np.random.Generator) -> coords.Box:
    width, height = rng.uniform(MIN_CROP_FRACTION, 1, 2) * (whole.width, whole.height)
    x0 = whole.x0 + rng.uniform(0, whole.width - width)
    y0 = whole.y0 + rng.uniform(0, whole.height - height)
    return coords.Box(x0, y0, x0 + width, y0 + height)
