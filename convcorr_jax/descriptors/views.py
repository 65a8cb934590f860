"""Views: parts of photographs, resampled to squares of the sizes that descriptors need.

Long et al. 2014 warp every object's box to a square before they describe it; whole photographs are resized to
squares in the same way. One transform maps cells of descriptors back to pixels of the photograph.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from convcorr_jax import coords, images
from convcorr_jax.errors import InputError
from convcorr_jax.shapes import Image

# Added on each side of a box, in fractions of its width and height: an object's extremities are at the edges of
# its box, and their surroundings help to match them. Tuned on PF-WILLOW; `eval.flow_selection` compares others.
BOX_MARGIN = 0.15


class View(NamedTuple):
    """One part of a photograph at several sizes."""

    pyramid: tuple[UInt8[np.ndarray, "side side 3"], ...]
    """Square images, 8-bit RGB, one for each size, in the order of ``sizes_px``."""
    to_photograph_px: coords.Transform
    """Pixels of the largest square to pixels of the photograph."""


def view(
    photograph: Image,
    box: coords.Box | None,
    *,
    sizes_px: Sequence[int],
    margin: float = 0.0,
) -> View:
    """Resample the part of a photograph inside a box to squares of several sizes.

    Args:
        photograph: 8-bit RGB.
        box: the part to show, in pixels of the photograph; None for the whole photograph.
        sizes_px: sides of the squares in pixels.
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
    return View(tuple(level.image for level in levels), coords.invert(largest.transform))
