"""The input of the networks: a Gaussian pyramid with local contrast normalization of each level.

Local contrast normalization subtracts from every value the mean of its neighbourhood and divides by the
standard deviation of the neighbourhood. With w a Gaussian window, and means over the three channels as well,

    v = x - w * x,    s = sqrt(w * v^2),    y = v / max(s, mean of s over the image).

At the borders w is divided by its sum inside the image. All levels have the same window.

The papers leave open, and here is chosen: the window has 9 taps along each axis, and a quarter of that as its
standard deviation; an image of one grey becomes zero but for rounding, because s is at least half a grey level.

Sources: Jarrett, Kavukcuoglu, Ranzato and LeCun 2009, *What is the best multi-stage architecture for object
recognition?*, section 2; Tompson et al. 2015, section 3.1.
"""

from functools import partial, reduce
from operator import add

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num

WINDOW = 9
"""Side of the Gaussian window, in pixels of its level."""
SIGMA_PX = WINDOW / 4
"""Standard deviation of the Gaussian window, in pixels of its level."""

# In grey levels of 0 to 255: smaller deviations are due to rounding.
_MIN_DEVIATION = 0.5
# A binomial window centred between two pixels, so that a cell of the next level covers 2x2 pixels.
_HALVING = (1 / 8, 3 / 8, 3 / 8, 1 / 8)


def pyramid(
    images: Num[Array, "b h w 3"] | Num[np.ndarray, "b h w 3"], *, levels: int
) -> tuple[Float[Array, "b _ _ 3"], ...]:
    """Compute the pyramid of images and normalize each of its levels.

    Each level has half the height and width of the level before, rounded up.

    Args:
        images: RGB images with values from 0 to 255.
        levels: the number of levels.

    Returns:
        The normalized levels, the finest first.
    """
    level = jnp.asarray(images, jnp.float32)
    normalized = [normalize(level)]
    for _ in range(levels - 1):
        level = halve(level)
        normalized.append(normalize(level))
    # Without the barrier XLA on a CPU computes the pyramid once for each convolution that uses it.
    return jax.lax.optimization_barrier(tuple(normalized))


def normalize(images: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
    """Normalize the local contrast of images.

    ``y = v / max(s, mean of s over the image)`` with ``v = x - w * x`` and ``s = sqrt(w * v^2)``, where w is a
    Gaussian window whose means are over all channels.

    Args:
        images: images with values from 0 to 255.

    Returns:
        The normalized images; 0 but for rounding, which is below 0.001, where an image is of one grey.
    """
    from_mean = images - _local_mean(_channel_mean(images))[..., None]
    deviation = jnp.sqrt(_local_mean(_channel_mean(from_mean**2)))
    floor = jnp.maximum(deviation.mean(axis=(1, 2), keepdims=True), _MIN_DEVIATION)
    return from_mean * (1 / jnp.maximum(deviation, floor))[..., None]


def halve(images: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 c"]:
    """Blur images and halve their height and width, rounded up.

    Args:
        images: images of any values. Border pixels are repeated outside the image.
    """
    for axis in (1, 2):
        size = -(-images.shape[axis] // 2)
        beyond = [(0, 0)] * 4
        beyond[axis] = (1, 2 * size + 1 - images.shape[axis])
        padded = jnp.pad(images, beyond, mode="edge")
        take = partial(jax.lax.slice_in_dim, padded, stride=2, axis=axis)
        images = reduce(add, (w * take(i, i + 2 * size - 1) for i, w in enumerate(_HALVING)))
    return images


def _local_mean(maps: jax.Array) -> jax.Array:
    """Compute Gaussian means of ``[b, h, w]`` over the part of the window inside the image."""
    for axis in (1, 2):
        size, reach = maps.shape[axis], WINDOW // 2
        weights = np.exp(-(np.arange(-reach, reach + 1.0) ** 2) / (2 * SIGMA_PX**2))
        beyond = jnp.zeros([reach if i == axis else n for i, n in enumerate(maps.shape)])
        # The barrier keeps XLA from fusing the padding into its nine uses, which takes twice as long on a CPU.
        padded = jax.lax.optimization_barrier(jnp.concatenate([beyond, maps, beyond], axis))
        take = partial(jax.lax.slice_in_dim, padded, axis=axis)
        total = reduce(add, (float(w) * take(i, i + size) for i, w in enumerate(weights)))
        inside = np.convolve(np.ones(size), weights)[reach : reach + size]
        per_axis = [1] * 3
        per_axis[axis] = size
        maps = total * (1 / inside).astype(np.float32).reshape(per_axis)
    return maps


def _channel_mean(images: jax.Array) -> jax.Array:
    """Compute ``images.mean(axis=-1)`` by a sum of channels, in half the time on a CPU."""
    channels = images.shape[-1]
    return reduce(add, (images[..., i] for i in range(channels))) * (1 / channels)
