"""Upright SIFT: histograms of gradient orientations in a 4 x 4 array of bins around each centre.

Geometry. ``radius_px`` is half the side of the 4 x 4 array. A bin is therefore ``radius_px / 2`` wide, and the
bin centres lie at -1.5, -0.5, 0.5 and 1.5 bins from the descriptor's centre; as the bins overlap by bilinear
interpolation, gradients count up to 2.5 bins (1.25 radii) away along each axis. VLFeat's dense SIFT of ``size``
s has ``radius_px = 2 * s``, a SIFT keypoint of scale s has ``radius_px = 6 * s``; Long et al. 2014 align images
with ``radius_px = 20``. Centres and radii need not be whole numbers.

Histogram. Let u be the offset of a pixel from the centre in bins, m the length of its gradient and
a the gradient's angle from x towards y (clockwise on the screen). Orientation t of the bin in
column i and row j is the sum over pixels of

    m * exp(-(u_x^2 + u_y^2) / 8) * tri(u_x - x_i) * tri(u_y - y_j) * tri(8 a / (2 pi) - t)

with ``tri(z) = max(0, 1 - |z|)``, in the last factor on the circle of 8 orientations. The Gaussian
window of two bins is exact; VLFeat's ``fast`` option, a flat window, is not used.

Order of elements (VLFeat's): ``t + 8 * (i + 4 * j)``, so that a descriptor reshapes to
``[row, column, orientation]``.

Normalisation: to unit length, clipped at 0.2, to unit length again. A descriptor of low contrast is
zero: one whose histogram sums to less than ``contrast_threshold`` times ``(3 bins + 1 pixel)^2``,
with grey values in 0..1 and the threshold 0.005 of VLFeat's ``vl_phow``.

Borders: gradients are central differences, one-sided at the border, as in VLFeat. Bins that reach
beyond the image count the pixels inside (VLFeat's grid keeps the centres of all bins inside).

Source: Lowe, Distinctive image features from scale-invariant keypoints, IJCV 2004, section 6;
Vedaldi and Fulkerson, VLFeat, 2008.
"""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num

from convcorr_jax import coords
from convcorr_jax.descriptors.window_sums import window_sums, windows
from convcorr_jax.errors import InputError
from convcorr_jax.shapes import Descriptors

BINS = 4
ORIENTATIONS = 8
LENGTH = BINS * BINS * ORIENTATIONS
CLIP = 0.2
# Lowe's window: a Gaussian of half the width of the array of bins.
WINDOW_BINS = BINS / 2
# The outermost bin's centre is 1.5 bins from the descriptor's, and its triangle extends one bin to either side.
REACH_BINS = (BINS + 1) / 2
CONTRAST_THRESHOLD = 0.005
# The ratio of the width of a bin to the sigma of the blur. A SIFT keypoint has 3. VLFeat's vl_phow states that
# 6 is better for dense SIFT, and it also gives better nearest neighbours between instances of a class.
MAGNIFICATION = 6.0
# The luma weights of ITU-R BT.601, which MATLAB (VLFeat's host), OpenCV and Pillow use for grey.
LUMA = (0.299, 0.587, 0.114)
# arctan(z) / z on 0..1 as a polynomial in z^2, highest power first.
ARCTANGENT = (
    *(0.0028662257, -0.0161657367, 0.0429096138, -0.0752896400, 0.1065626393),
    *(-0.1420889944, 0.1999355085, -0.3333314528, 1.0),
)
# Turns 0 / 0 into 0 with a finite gradient; histograms of enough contrast have squares above 1e-5.
TINY = 1e-20
# Centres are processed in batches, which bounds the working memory to 32 kB for each column of the image.
CENTERS_AT_ONCE = 256
_OPTIONS = ("radius_px", "smoothing_sigma_px", "contrast_threshold")

GreyOrRGB = (
    Num[Array, "height width"]
    | Num[np.ndarray, "height width"]
    | Num[Array, "height width 3"]
    | Num[np.ndarray, "height width 3"]
)


@partial(jax.jit, static_argnames=_OPTIONS)
def sift_at(
    image: GreyOrRGB,
    centers: Float[Array, "n 2"] | Float[np.ndarray, "n 2"],
    *,
    radius_px: float,
    smoothing_sigma_px: float | None = None,
    contrast_threshold: float = CONTRAST_THRESHOLD,
) -> Float[Array, "n 128"]:
    """Compute SIFT descriptors of one image at any centres; the module's docstring defines them.

    Each centre costs a pass over the whole image at any radius; on a regular grid `dense_sift` is much faster.
    Descriptors are of unit length, or zero; NaN at absent centres.

    >>> ramp = jnp.broadcast_to(jnp.linspace(0, 1, 40), (40, 40))
    >>> descriptor = sift_at(ramp, jnp.array([[20.0, 20.0]]), radius_px=8.0)[0]
    >>> int(descriptor.reshape(4, 4, 8).sum((0, 1)).argmax())  # every gradient points along x
    0

    Args:
        image: grey in floating point, 0..1, or 8-bit RGB, which is converted to luma (BT.601).
        centers: points (x, y) in pixels of the image; NaN for an absent centre.
        smoothing_sigma_px: the sigma of the Gaussian blur before the gradients, in pixels; 0 for no blur. By
            default a sixth of a bin, as in VLFeat's ``vl_phow``.
        contrast_threshold: descriptors of a lower mean gradient are set to zero.

    Raises:
        InputError: the image has another type or is under 2 x 2 pixels, the radius is not positive,
            or the blur or the threshold is negative.
    """
    bin_px = _bin_width(radius_px)
    _check_contrast_threshold(contrast_threshold)
    y, x = jnp.gradient(_smoothed(_grey(image), bin_px, smoothing_sigma_px))
    maps = _orientation_maps(x, y)
    height, width, _ = maps.shape
    columns, rows = jnp.arange(width, dtype=maps.dtype), jnp.arange(height, dtype=maps.dtype)

    def histogram(center: Float[Array, "2"]) -> Float[Array, "128"]:
        x_weights = _bin_weights(columns - center[0], bin_px=bin_px)
        y_weights = _bin_weights(rows - center[1], bin_px=bin_px)
        exactly = jax.lax.Precision.HIGHEST
        by_row = jnp.einsum("jy,yxt->jxt", y_weights, maps, precision=exactly)
        return jnp.einsum("ix,jxt->jit", x_weights, by_row, precision=exactly).reshape(LENGTH)

    centers = jnp.asarray(centers, maps.dtype)
    histograms = jax.lax.map(histogram, centers, batch_size=CENTERS_AT_ONCE)
    return _normalized(histograms, bin_px, contrast_threshold)


@partial(jax.jit, static_argnames=(*_OPTIONS, "stride_px", "first_center_px", "size"))
def dense_sift(
    image: GreyOrRGB,
    *,
    radius_px: float,
    stride_px: float | tuple[float, float] = 1.0,
    first_center_px: float | tuple[float, float] = 0.0,
    size: tuple[int, int] | None = None,
    smoothing_sigma_px: float | None = None,
    contrast_threshold: float = CONTRAST_THRESHOLD,
) -> Descriptors:
    """Compute SIFT descriptors of one image on a regular grid; the module's docstring defines them.

    The cell in column c and row r is centred at ``x = first_center_px + stride_px * c`` and ``y =
    first_center_px + stride_px * r``, which is ``coords.grid(stride_px, first_center_px)``. The result, and
    what is refused, is that of `sift_at` at these centres, with the sum over pixels computed along one axis
    after the other. A stride that is not positive and a grid without a cell raise an `InputError`, too.

    >>> dense_sift(jnp.zeros((40, 60)), radius_px=8.0, stride_px=4.0, first_center_px=2.0).shape
    (10, 15, 128)

    Args:
        stride_px: the distance between neighbouring centres in pixels; one number, or one for x and one for y.
        first_center_px: the centre of the first cell in pixels; one number, or one for x and one for y.
        size: the number of rows and columns of the grid; by default all whose centres are on the image.
    """
    bin_px = _bin_width(radius_px)
    _check_contrast_threshold(contrast_threshold)
    grey = _smoothed(_grey(image), bin_px, smoothing_sigma_px)
    height, width = grey.shape
    x_centers, y_centers = _grid_centers(height, width, stride_px, first_center_px, size)
    weigh = partial(_bin_weights, bin_px=bin_px)
    reach = REACH_BINS * bin_px

    def normalized_rows(sums: Float[Array, "n 4 m 4 8"]) -> Float[Array, "n m 128"]:
        histograms = sums.transpose(0, 2, 1, 3, 4)
        histograms = histograms.reshape(*histograms.shape[:2], LENGTH)
        return _normalized(histograms, bin_px, contrast_threshold)

    # The image is transposed while columns are summed, because the sums run over the first axis.
    x, y = jnp.gradient(grey.T)
    by_column = window_sums(_orientation_maps(x, y), windows(x_centers, width, reach=reach), weigh)
    return window_sums(
        by_column.transpose(2, 0, 1, 3), windows(y_centers, height, reach=reach), weigh, finish=normalized_rows
    )


def _bin_width(radius_px: float) -> float:
    if not (radius_px > 0 and math.isfinite(radius_px)):
        raise InputError(f"radius_px is {radius_px}; a positive number of pixels is expected")
    return 2 * radius_px / BINS


def _check_contrast_threshold(contrast_threshold: float) -> None:
    if not contrast_threshold >= 0:
        raise InputError(f"contrast_threshold is {contrast_threshold}; zero or a positive number is expected")


def _grid_centers(
    height: int,
    width: int,
    stride_px: float | tuple[float, float],
    first_center_px: float | tuple[float, float],
    size: tuple[int, int] | None,
) -> tuple[Float[np.ndarray, " columns"], Float[np.ndarray, " rows"]]:
    to_pixels = coords.grid(stride_px, first_center_px)
    if not (np.isfinite(to_pixels.scale).all() and (to_pixels.scale > 0).all()):
        raise InputError(f"stride_px is {stride_px}; a positive number of pixels is expected")
    if size is None:
        last_cell = (np.array([width - 1, height - 1]) - to_pixels.shift) / to_pixels.scale
        # A centre that rounding alone puts beyond the last pixel is on the image.
        columns, rows = (int(cell) + 1 for cell in np.floor(last_cell + 1e-9))
    else:
        rows, columns = size
    if rows < 1 or columns < 1:
        raise InputError(f"the grid has {rows} rows and {columns} columns; at least one of each is expected")
    x_cells = np.stack([np.arange(columns), np.zeros(columns)], axis=-1)
    y_cells = np.stack([np.zeros(rows), np.arange(rows)], axis=-1)
    return to_pixels(x_cells)[:, 0], to_pixels(y_cells)[:, 1]


def _grey(image: GreyOrRGB) -> Float[Array, "h w"]:
    image = jnp.asarray(image)
    is_grey = image.ndim == 2 and jnp.issubdtype(image.dtype, jnp.floating)
    if not is_grey and not (image.ndim == 3 and image.dtype == jnp.uint8):
        raise InputError(
            f"image is {image.dtype} of shape {image.shape}; floating-point grey [height, width] "
            "or 8-bit RGB [height, width, 3] is expected"
        )
    if min(image.shape[:2]) < 2:
        raise InputError(f"image has shape {image.shape}; at least 2 x 2 pixels are expected")
    if is_grey:
        return image.astype(jnp.promote_types(image.dtype, jnp.float32))
    red, green, blue = jnp.moveaxis(image / 255, -1, 0)
    return LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue


def _smoothed(grey: Float[Array, "h w"], bin_px: float, sigma_px: float | None) -> Float[Array, "h w"]:
    if sigma_px is None:
        sigma_px = bin_px / MAGNIFICATION
    if not (sigma_px >= 0 and math.isfinite(sigma_px)):
        raise InputError(f"smoothing_sigma_px is {sigma_px}; zero or a positive number is expected")
    if sigma_px == 0:
        return grey
    # VLFeat truncates the Gaussian here as well; the weight of the rest is below 1e-4.
    reach_px = math.ceil(4 * sigma_px)

    def weigh(offsets: Float[Array, "n length"]) -> Float[Array, "n length"]:
        weights = jnp.exp(-0.5 * (offsets / sigma_px) ** 2) * (jnp.abs(offsets) <= reach_px)
        return weights / weights.sum(-1, keepdims=True)

    def smoothed_down(image: Float[Array, "h w"]) -> Float[Array, "h w"]:
        padded = jnp.pad(image, ((reach_px, reach_px), (0, 0)), mode="edge")
        centers = np.arange(image.shape[0]) + float(reach_px)
        planned = windows(centers, padded.shape[0], reach=float(reach_px))
        return window_sums(padded, planned, weigh)

    return smoothed_down(smoothed_down(grey).T).T


def _orientation_maps(x: Float[Array, "h w"], y: Float[Array, "h w"]) -> Float[Array, "h w 8"]:
    """Divide the length of every gradient (x, y) between the two orientations next to its angle."""
    # Neither length nor angle can be differentiated at zero, so both are replaced at flat pixels.
    flat = (x == 0) & (y == 0)
    x = jnp.where(flat, 1, x)
    length = jnp.where(flat, 0, jnp.sqrt(x**2 + y**2))
    offset = _eighths(x, y)[..., None] - jnp.arange(ORIENTATIONS, dtype=x.dtype)[None, None]
    distance = jnp.minimum(jnp.abs(offset), jnp.abs(offset + ORIENTATIONS))
    return length[..., None] * jnp.maximum(0, 1 - distance)


def _eighths(x: Float[Array, "h w"], y: Float[Array, "h w"]) -> Float[Array, "h w"]:
    """Compute the angle of (x, y) from x towards y in eighths of a turn, from -4 to 4."""
    ratio = jnp.minimum(jnp.abs(x), jnp.abs(y)) / jnp.maximum(jnp.abs(x), jnp.abs(y))
    coefficients = jnp.asarray(ARCTANGENT, x.dtype) * (ORIENTATIONS / (2 * math.pi))
    angle = ratio * jnp.polyval(coefficients, ratio**2)
    angle = jnp.where(jnp.abs(y) > jnp.abs(x), 2 - angle, angle)
    angle = jnp.where(x < 0, 4 - angle, angle)
    return jnp.where(y < 0, -angle, angle)


def _bin_weights(offsets: Float[Array, "*shape length"], *, bin_px: float) -> Float[Array, "*shape 4 length"]:
    """Compute the weights of pixels at these offsets from a centre in each of the four bins of an axis."""
    steps = offsets / bin_px
    window = jnp.exp(-0.5 * (steps / WINDOW_BINS) ** 2)
    bin_centers = [k - (BINS - 1) / 2 for k in range(BINS)]
    return jnp.stack([window * jnp.maximum(0, 1 - jnp.abs(steps - center)) for center in bin_centers], axis=-2)


def _normalized(
    histograms: Float[Array, "*shape 128"], bin_px: float, contrast_threshold: float
) -> Float[Array, "*shape 128"]:
    mean_gradient = histograms.sum(-1, keepdims=True) / ((BINS - 1) * bin_px + 1) ** 2
    descriptors = _unit(jnp.minimum(_unit(histograms), CLIP))
    # With this comparison a NaN stays a NaN.
    return jnp.where(mean_gradient < contrast_threshold, 0, descriptors)


def _unit(vectors: Float[Array, "*shape 128"]) -> Float[Array, "*shape 128"]:
    return vectors * jax.lax.rsqrt((vectors**2).sum(-1, keepdims=True) + TINY)
