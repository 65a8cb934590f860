"""A view: the part of a photograph that is described, resampled to squares.

Long et al. 2014 warp every object's box to a square before they describe it; whole photographs are
squashed alike. A descriptor's cell is found again in the photograph by one transform.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from convcorr_jax import coords, images
from convcorr_jax.errors import InputError
from convcorr_jax.shapes import Image

# What a box is given on each side, in fractions of its width and height: an object's extremities lie on
# its box's edges, and are recognised by what surrounds them. Chosen by `eval.flow_validation`.
BOX_MARGIN = 0.15


class View(NamedTuple):
    """The same part of one photograph at each of several sizes."""

    pyramid: tuple[UInt8[np.ndarray, "side side 3"], ...]
    """Square images, one a size, in the order in which the sizes were given."""
    to_photograph_px: coords.Transform
    """Pixels of the largest image to pixels of the photograph."""


def view(
    photograph: Image,
    box: coords.Box | None = None,
    *,
    sizes_px: Sequence[int],
    margin: float = 0.0,
) -> View:
    """The part of a photograph inside a box, as squares of several sizes.

    Args:
        photograph: 8-bit RGB.
        box: what to show, in pixels of the photograph; None shows all of it.
        sizes_px: sides of the squares.
        margin: how much of the box's width and height is added on each side of it. Beyond the
            photograph its border pixels are repeated.

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
    return View(tuple(level.image for level in levels), coords.invert(largest.transform))
