"""Image operations on host arrays, together with the transforms of their points.

Each returns the new image and the `coords.Transform` from old points to new ones. Resampling is Pillow's
(anti-aliased, half-pixel centres).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Num
from PIL import Image as PillowImage

from convcorr_jax import coords
from convcorr_jax.arrays import promote_arrays as _promote_arrays
from convcorr_jax.errors import InputError
from convcorr_jax.shapes import Image


class Resampled(NamedTuple):
    """An image in a new frame, and the transform of points from the old one."""

    image: Image
    transform: coords.Transform


def resize(image: Image, size: Sequence[int]) -> Resampled:
    """Resize an image to ``size`` (height, width), without keeping its aspect ratio."""
    return crop_and_resize(image, coords.whole_image(image.shape[:2]), size)


def resize_longest_side(image: Image, longest_px: int) -> Resampled:
    """Resize an image so that its longer side is ``longest_px``, keeping its aspect ratio to a pixel."""
    height, width = image.shape[:2]
    scale = longest_px / max(height, width)
    return resize(image, (max(1, round(height * scale)), max(1, round(width * scale))))


def crop_and_resize(image: Image, box: coords.Box, size: Sequence[int]) -> Resampled:
    """Cut a box out of an image and resize it, by anti-aliased bicubic interpolation.

    Where the box extends beyond the image, the border pixels are repeated. A box that `coords.check_meets`
    refuses raises its `InputError`.
    """
    height, width = image.shape[:2]
    coords.check_meets(box, (height, width))
    transform = coords.box_to_size(box, size)
    # Pillow measures from the left edge of the first pixel, which is -0.5 here.
    left, top, right, bottom = (edge + 0.5 for edge in box)
    before = np.ceil(np.maximum([-top, -left], 0.0)).astype(int)
    after = np.ceil(np.maximum([bottom - height, right - width], 0.0)).astype(int)
    if before.any() or after.any():
        padding = [(int(before[0]), int(after[0])), (int(before[1]), int(after[1])), (0, 0)]
        image = np.pad(image, padding, mode="edge")
        top, bottom = top + before[0], bottom + before[0]
        left, right = left + before[1], right + before[1]
    resampled = PillowImage.fromarray(image).resize(
        (int(size[1]), int(size[0])),
        resample=PillowImage.Resampling.BICUBIC,
        box=(float(left), float(top), float(right), float(bottom)),
    )
    return Resampled(np.asarray(resampled), transform)


def flip(image: Image) -> Image:
    """Mirror an image left to right; `coords.flip_points` mirrors its points."""
    return image[:, ::-1]


def sample(
    field: Num[np.ndarray, "h w c"], points: Float[np.ndarray, "*n 2"], *, order: int = 1
) -> Float[np.ndarray, "*n c"]:
    """Read an array at fractional positions by spline interpolation.

    It runs on the host with SciPy, because a program compiled for one image size is rarely used twice;
    `convcorr_jax.flow.warping.sample` is compiled and differentiable. Points (x, y) are in the frame of
    ``field``; one outside the outermost sample centres reads the nearest point on them. Order 1 is bilinear, 3
    is bicubic. Values have the precision of a floating-point field, and else double.

    Raises:
        InputError: the field has no sample.
    """
    if 0 in field.shape[:2]:
        raise InputError(f"the field has shape {field.shape}; at least one sample is expected")
    # Imported here: it takes longer than all the rest of this module, and not every command samples.
    from scipy import ndimage

    # Beyond the outermost samples, splines of a higher degree do not have the values of those samples.
    rows_columns = np.moveaxis(np.clip(points, 0, np.array(field.shape[1::-1], np.float64) - 1), -1, 0)[::-1]
    dtype = field.dtype if np.issubdtype(field.dtype, np.floating) else np.float64
    if dtype == np.float16:
        # SciPy refuses half precision.
        return sample(field.astype(np.float32), points, order=order).astype(dtype)
    channels = [
        ndimage.map_coordinates(channel, rows_columns, output=dtype, order=order, mode="nearest")
        for channel in np.moveaxis(field, -1, 0)
    ]
    return np.stack(channels, axis=-1)


_promote_arrays(globals())  # From here on, callers' arrays are checked and promoted (`convcorr_jax.arrays`).
