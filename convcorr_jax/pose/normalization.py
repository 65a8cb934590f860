"""What the network sees of an image: a Gaussian pyramid, each level with its local contrast normalised.

Local contrast normalisation takes from every value the mean of its surroundings and divides by their
deviation. With w a Gaussian window, and means over the three channels as well,

    v = x - w * x,    s = sqrt(w * v^2),    y = v / max(s, mean of s over the image).

At the borders w is divided by how much of it lies inside the image. One window serves all levels.

Differs from the papers, which leave it open: the window has 9 taps an axis and a quarter of that as its
deviation; an image without contrast gives zeros, because s never counts for less than half a grey level.

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
SIGMA_PX = WINDOW / 4

# In grey levels of 255: what is less is rounding.
_LEAST_DEVIATION = 0.5
# The binomial window whose cells lie in the middle of two pixels, so that a level's cells are 2x2 pixels.
_HALVING = (1 / 8, 3 / 8, 3 / 8, 1 / 8)


def pyramid(
    images: Num[Array, "b h w 3"] | Num[np.ndarray, "b h w 3"], *, levels: int
) -> tuple[Float[Array, "b _ _ 3"], ...]:
    """The normalised levels of RGB images with values 0-255, the finest first.

    Each level has half the height and width of the one before, rounded up; its cells have stride 2.
    """
    level = jnp.asarray(images, jnp.float32)
    found = [normalize(level)]
    for _ in range(levels - 1):
        level = halve(level)
        found.append(normalize(level))
    # Computed before the net: within one program a CPU computes it anew for every convolution that takes it.
    return jax.lax.optimization_barrier(tuple(found))


def normalize(images: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
    """Local contrast normalisation; see the module's text."""
    from_mean = images - _local_mean(_channel_mean(images))[..., None]
    deviation = jnp.sqrt(_local_mean(_channel_mean(from_mean**2)))
    floor = jnp.maximum(deviation.mean(axis=(1, 2), keepdims=True), _LEAST_DEVIATION)
    return from_mean * (1 / jnp.maximum(deviation, floor))[..., None]


def halve(images: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 c"]:
    """Half the height and width, rounded up, blurred before; border pixels are repeated beyond."""
    for axis in (1, 2):
        size = -(-images.shape[axis] // 2)
        beyond = [(0, 0)] * 4
        beyond[axis] = (1, 2 * size + 1 - images.shape[axis])
        padded = jnp.pad(images, beyond, mode="edge")
        take = partial(jax.lax.slice_in_dim, padded, stride=2, axis=axis)
        images = reduce(add, (w * take(i, i + 2 * size - 1) for i, w in enumerate(_HALVING)))
    return images


def _local_mean(maps: jax.Array) -> jax.Array:
    """Gaussian means of ``[b, h, w]`` along both axes, over what lies inside the image."""
    for axis in (1, 2):
        size, reach = maps.shape[axis], WINDOW // 2
        weights = np.exp(-(np.arange(-reach, reach + 1.0) ** 2) / (2 * SIGMA_PX**2))
        beyond = jnp.zeros([reach if i == axis else n for i, n in enumerate(maps.shape)])
        # Computed once and kept: fused into its nine uses it takes twice as long on a CPU.
        padded = jax.lax.optimization_barrier(jnp.concatenate([beyond, maps, beyond], axis))
        take = partial(jax.lax.slice_in_dim, padded, axis=axis)
        total = reduce(add, (float(w) * take(i, i + size) for i, w in enumerate(weights)))
        inside = np.convolve(np.ones(size), weights)[reach : reach + size]
        per_axis = [1] * 3
        per_axis[axis] = size
        maps = total * (1 / inside).astype(np.float32).reshape(per_axis)
    return maps


def _channel_mean(images: jax.Array) -> jax.Array:
    """``images.mean(axis=-1)``, which takes twice as long on a CPU."""
    channels = images.shape[-1]
    return reduce(add, (images[..., i] for i in range(channels))) * (1 / channels)
