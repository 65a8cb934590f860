"""Convolution by the fastest algorithm for the device; all algorithms agree up to float32 rounding.

On a CPU, 3x3 and 5x5 filters use `winograd`, and windows without padding, which are fully connected layers,
one matrix product (five times faster than XLA's convolution for 6x6 windows over 256 channels). All other
cases, and all other devices, use `jax.lax.conv_general_dilated`.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from convcorr_jax.backbone.winograd import correlate as width_winograd

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

    Args:
        images: x; it counts as zero outside.
        kernel: k, of r x r taps.
        stride: s, in pixels.
        padding: p, in pixels on all sides.
        winograd: whether 3x3 and 5x5 filters use Winograd's algorithm on a CPU. It takes half the time per
            image, but ten times as long to compile (.8 seconds a layer).
    """
    window = kernel.shape[0]
    if on_cpu() and stride == 1:
        if winograd and window in (3, 5) and kernel.shape[2] >= WINOGRAD_MIN_CHANNELS:
            return width_winograd(images, kernel, padding=padding)
        if padding == 0:
            return matrix_product(images, kernel)
    return jax.lax.conv_general_dilated(
        images,
        kernel,
        window_strides=(stride, stride),
        padding=[(padding, padding)] * 2,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def on_cpu() -> bool:
    """Return whether JAX computes on the CPU by default."""
    return jax.default_backend() == "cpu"


def matrix_product(
    images: Float[Array, "b h w inputs"], kernel: Float[Array, "r r inputs outputs"]
) -> Float[Array, "b h2 w2 outputs"]:
    """Correlate images with filters at every position inside the image, as one matrix product.

    The windows of all images are the rows of one matrix, so that each gradient is one matrix product, too.

    Args:
        images: to correlate.
        kernel: filters of r x r taps.
    """
    window, _, _, outputs = kernel.shape
    height, width = images.shape[1] - window + 1, images.shape[2] - window + 1
    taps = [images[:, i : i + height, j : j + width] for i in range(window) for j in range(window)]
    rows = jnp.concatenate(taps, axis=-1).reshape(-1, kernel.size // outputs)
    return (rows @ kernel.reshape(-1, outputs)).reshape(len(images), height, width, outputs)
