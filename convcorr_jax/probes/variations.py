"""Variations of a photograph to learn from: itself, and crops of it, of which some are mirrored.

A `Variation` is a value; whatever is read off the photograph through the same one, its pixels or its labels,
moves together.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from convcorr_jax import coords, images
from convcorr_jax.errors import InputError
from convcorr_jax.shapes import Image

# A crop keeps at least this share of the width and of the height.
LEAST_SHARE = 0.6


class Variation(NamedTuple):
    """A part of a photograph, as it is or as in a mirror."""

    box: coords.Box
    """In pixels of the photograph."""
    mirrored: bool = False


def variations(size: coords.Size, *, count: int, seed: int) -> tuple[Variation, ...]:
    """The whole photograph of ``size``, the same mirrored, then crops; every second one is mirrored.

    A crop's width and height are drawn each for itself, and it lies anywhere inside the photograph.

    Args:
        size: height and width.
        count: how many; 1 is the photograph itself.
        seed: of the crops; those of fewer variations are the first of more.

    Raises:
        InputError: the count is not positive.
    """
    if count < 1:
        raise InputError(f"{count} variations are asked for; at least 1 is expected")
    whole = coords.whole_image(size)
    rng = np.random.default_rng(seed)
    boxes = [whole, whole, *(_crop(whole, rng) for _ in range(count - 2))]
    return tuple(Variation(box, i % 2 == 1) for i, box in enumerate(boxes[:count]))


def square(
    photograph: Image, variation: Variation, *, side_px: int
) -> UInt8[np.ndarray, "side side 3"]:
    """A variation of a photograph, squashed to a square."""
    found = images.crop_and_resize(photograph, variation.box, (side_px, side_px)).image
    return images.flip(found) if variation.mirrored else found


def _crop(whole: coords.Box, rng: np.random.Generator) -> coords.Box:
    width, height = rng.uniform(LEAST_SHARE, 1, 2) * (whole.width, whole.height)
    x0 = whole.x0 + rng.uniform(0, whole.width - width)
    y0 = whole.y0 + rng.uniform(0, whole.height - height)
    return coords.Box(x0, y0, x0 + width, y0 + height)
