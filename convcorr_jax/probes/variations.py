"""Variations of an image for training: the image itself, its mirror image, and crops, some of them mirrored.

A `Variation` is a value. It is applied to the pixels and to the labels of an image alike, so that both move
together.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from convcorr_jax import coords, images
from convcorr_jax.errors import InputError
from convcorr_jax.shapes import Image

MIN_CROP_FRACTION = 0.6
"""A crop has at least this fraction of the image's width, and of its height."""


class Variation(NamedTuple):
    """A part of an image, mirrored or not."""

    box: coords.Box
    """The part, in pixels of the image."""
    mirrored: bool = False
    """Whether the part is mirrored left to right after it is cut out."""


def variations(size: coords.Size, *, count: int, seed: int) -> tuple[Variation, ...]:
    """Draw variations: the whole image, its mirror image, then crops, of which every second one is mirrored.

    Width and height of a crop are drawn independently, and so is its position inside the image.

    Args:
        size: height and width of the image.
        count: number of variations; 1 is the image itself.
        seed: seed of the crops; the first variations are the same whatever the count.

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
    """Return a variation of an image, resized to a square.

    Args:
        photograph: 8-bit RGB.
        variation: the part to cut out, and whether to mirror it.
        side_px: side of the square.
    """
    square = images.crop_and_resize(photograph, variation.box, (side_px, side_px)).image
    return images.flip(square) if variation.mirrored else square


def _crop(whole: coords.Box, rng: np.random.Generator) -> coords.Box:
    width, height = rng.uniform(MIN_CROP_FRACTION, 1, 2) * (whole.width, whole.height)
    x0 = whole.x0 + rng.uniform(0, whole.width - width)
    y0 = whole.y0 + rng.uniform(0, whole.height - height)
    return coords.Box(x0, y0, x0 + width, y0 + height)
