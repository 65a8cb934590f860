"""Convolution by the fastest algorithm for the device; all algorithms agree up to float32 rounding.

On a CPU, 3x3 and 5x5 filters use Winograd's algorithm along the width of an image, with about half the
multiplications, and windows without padding, which are fully connected layers, one matrix product (five times
faster than XLA's convolution for 6x6 windows over 256 channels). All other cases, and all other devices, use
`jax.lax.conv_general_dilated`.

Computed directly, m neighbouring outputs of an r-tap filter cost m r multiplications. As a product of
polynomials, evaluated at n = m + r - 1 points, they cost n:

    y = A [(G g) * (B d)]        d: n inputs, g: r taps, y: m outputs, * element by element.

G g is a small transform of the filters, and B d and A y are a few additions, so for r = 3 and m = 6 the number
of multiplications decreases from 18 to 8. Along the other axis, and over the channels, each of the n products
is an ordinary convolution with a window one pixel wide. The two-dimensional form saves more multiplications but
moves more memory; in our measurements it was slower.

Sources: Winograd 1980, *Arithmetic Complexity of Computations*; Lavin & Gray 2016, *Fast Algorithms for
Convolutional Neural Networks*.
"""

import math
from functools import lru_cache, partial, reduce
from operator import add
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

# With small powers of two every coefficient is exact in binary; the point at infinity is added as the last one.
# More points would save more multiplications but lose digits: with these, errors are at most about 4e-6 of the
# largest result.
_POINTS = (0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5)


class Transforms(NamedTuple):
    """The matrices A, G and B of the module's docstring."""

    outputs: np.ndarray
    """A, ``[m, n]``."""
    taps: np.ndarray
    """G, ``[n, r]``."""
    inputs: np.ndarray
    """B, ``[n, n]``."""


@lru_cache
def transforms(outputs: int, taps: int) -> Transforms:
    """Compute the matrices for m outputs of an r-tap filter."""
    products = outputs + taps - 1
    to_points = np.linalg.inv(_values_at_points(products, products)).T
    to_points[np.abs(to_points) < 1e-12] = 0.0  # rounding errors of zeros of the inverse
    # Scaling a row is allowed if the row of the taps is scaled inversely; a smallest coefficient of 1 saves
    # multiplications.
    scale = np.min(np.abs(to_points), axis=1, where=to_points != 0, initial=np.inf, keepdims=True)
    return Transforms(
        outputs=_values_at_points(products, outputs).T,
        taps=_values_at_points(products, taps) * scale,
        inputs=to_points / scale,
    )


def _values_at_points(points: int, coefficients: int) -> np.ndarray:
    """Return the matrix from a polynomial's coefficients to its values at the points, the last one infinity."""
    finite = np.vander(np.array(_POINTS[: points - 1]), coefficients, increasing=True)
    return np.concatenate([finite, np.eye(1, coefficients, coefficients - 1)])


def cheapest_tile(width: int, taps: int) -> int:
    """Choose how many outputs of a row to compute together for the fewest multiplications.

    >>> cheapest_tile(13, 3)  # three tiles of five cost less than three of six
    5
    """
    most = len(_POINTS) + 2 - taps
    return min(range(1, most + 1), key=lambda m: math.ceil(width / m) * (m + taps - 1))


def winograd_correlate(
    images: Float[Array, "b h w inputs"], kernel: Float[Array, "r r inputs outputs"], *, padding: int
) -> Float[Array, "b h2 w2 outputs"]:
    """Compute `jax.lax.conv_general_dilated` with stride 1 and equal zero padding on all sides."""
    taps = kernel.shape[1]
    width = images.shape[2] + 2 * padding - taps + 1
    tile = cheapest_tile(width, taps)
    tiles = math.ceil(width / tile)
    matrices = transforms(tile, taps)

    right = tiles * tile + taps - 1 - padding - images.shape[2]
    padded = jnp.pad(images, ((0, 0), (0, 0), (padding, right), (0, 0)))
    inputs = [padded[:, :, i : i + (tiles - 1) * tile + 1 : tile] for i in range(tile + taps - 1)]
    products = [
        _correlate_columns(points, column, padding)
        for points, column in zip(
            _combine(matrices.inputs, inputs),
            _combine(matrices.taps, [kernel[:, i : i + 1] for i in range(taps)]),
            strict=True,
        )
    ]
    side_by_side = jnp.stack(_combine(matrices.outputs, products), axis=3)
    batch, height, _, _, channels = side_by_side.shape
    return side_by_side.reshape(batch, height, tiles * tile, channels)[:, :, :width]


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def _correlate_columns(images: jax.Array, kernel: jax.Array, padding: int) -> jax.Array:
    """Correlate the columns of images with filters one pixel wide."""
    return jax.lax.conv_general_dilated(
        images,
        kernel,
        window_strides=(1, 1),
        padding=((padding, padding), (0, 0)),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


@_correlate_columns.defjvp
def _derivative(
    padding: int, primals: tuple[jax.Array, jax.Array], tangents: tuple[jax.Array, jax.Array]
) -> tuple[jax.Array, jax.Array]:
    """Differentiate by the kernel as a sum of matrix products, one for each of its rows."""
    images, kernel = primals
    outputs = _correlate_columns(images, kernel, padding)
    padded = jnp.pad(images, ((0, 0), (padding, padding), (0, 0), (0, 0)))
    height, channels = outputs.shape[1], images.shape[-1]
    by_kernel = [
        padded[:, tap : tap + height].reshape(-1, channels) @ row[0] for tap, row in enumerate(tangents[1])
    ]
    by_images = _correlate_columns(tangents[0], kernel, padding)
    return outputs, by_images + reduce(add, by_kernel).reshape(outputs.shape)


def _combine(matrix: np.ndarray, arrays: list[jax.Array]) -> list[jax.Array]:
    """Multiply a constant matrix with a list of arrays; zeros cost nothing."""
    return [
        reduce(add, (float(factor) * array for factor, array in zip(row, arrays, strict=True) if factor))
        for row in matrix
    ]


WINOGRAD_MIN_CHANNELS = 16
"""With fewer input channels (an image has three), Winograd's additions cost more than the multiplications that
they save."""


def correlate(
    images: Float[Array, "b h w inputs"],
    kernel: Float[Array, "r r inputs outputs"],
    *,
    stride: int,
    padding: int,
    winograd: bool = True,
) -> Float[Array, "b h2 w2 outputs"]:
    """Correlate images with square filters: ``y[i, j] = sum_uvc x[s i + u - p, s j + v - p, c] k[u, v, c]``.

    The image x counts as zero outside; stride s and padding p are in pixels.

    Args:
        winograd: whether 3x3 and 5x5 filters use Winograd's algorithm on a CPU. It takes half the time per
            image, but ten times as long to compile (.8 seconds a layer).
    """
    window = kernel.shape[0]
    if on_cpu() and stride == 1:
        if winograd and window in (3, 5) and kernel.shape[2] >= WINOGRAD_MIN_CHANNELS:
            return winograd_correlate(images, kernel, padding=padding)
        if padding == 0:
            return matrix_product(images, kernel)
    if on_cpu() and padding == 0 and window <= stride:
        # Windows that do not overlap, such as the patches of a stem.
        return matrix_product(images, kernel, stride=stride)
    return _convolution(images, kernel, stride=stride, padding=padding)


def _convolution(
    images: jax.Array, kernel: jax.Array, *, stride: int, padding: int, groups: int = 1
) -> jax.Array:
    return jax.lax.conv_general_dilated(
        images,
        kernel,
        window_strides=(stride, stride),
        padding=[(padding, padding)] * 2,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=groups,
    )


def on_cpu() -> bool:
    """Return whether JAX computes on the CPU by default."""
    return jax.default_backend() == "cpu"


def correlate_each(
    images: Float[Array, "b h w channels"], kernel: Float[Array, "r r 1 channels"], *, stride: int, padding: int
) -> Float[Array, "b h2 w2 channels"]:
    """Correlate each channel with a filter of its own; otherwise as `correlate`."""
    window, channels = kernel.shape[0], images.shape[-1]
    if not on_cpu():
        return _convolution(images, kernel, stride=stride, padding=padding, groups=channels)
    # One fused sum of shifted images: 15 to 50 times faster on a CPU than a convolution in groups.
    padded = jnp.pad(images, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    taps = _taps(padded, window, stride)
    return reduce(
        add, (tap * weights for tap, weights in zip(taps, kernel.reshape(-1, 1, 1, 1, channels), strict=True))
    )


def _taps(images: jax.Array, window: int, stride: int) -> list[jax.Array]:
    """Return the pixels at each position of the windows inside the images, ``[b, h2, w2, channels]``."""
    last_y, last_x = ((side - window) // stride * stride for side in images.shape[1:3])
    return [
        images[:, y : y + last_y + 1 : stride, x : x + last_x + 1 : stride]
        for y in range(window)
        for x in range(window)
    ]


def matrix_product(
    images: Float[Array, "b h w inputs"], kernel: Float[Array, "r r inputs outputs"], *, stride: int = 1
) -> Float[Array, "b h2 w2 outputs"]:
    """Correlate images with filters at every ``stride``-th position inside the image, as one matrix product.

    The windows of all images are the rows of one matrix, so that each gradient is one matrix product, too.
    """
    outputs = kernel.shape[-1]
    windows = jnp.concatenate(_taps(images, kernel.shape[0], stride), axis=-1)
    rows = windows.reshape(-1, kernel.size // outputs)
    return (rows @ kernel.reshape(-1, outputs)).reshape(*windows.shape[:3], outputs)
