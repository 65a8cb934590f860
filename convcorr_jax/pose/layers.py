"""The layers of the networks, and their input: a Gaussian pyramid with local contrast normalization.

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
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax.nn.initializers import Initializer
from jaxtyping import Array, Float, Key, Num

from convcorr_jax.backbone.convolution import WINOGRAD_MIN_CHANNELS, matrix_product, winograd_correlate
from convcorr_jax.pose.architecture import NORM_GROUP, DType

WINDOW = 9
"""Side of the Gaussian window, and its standard deviation, in pixels of its level."""
SIGMA_PX = WINDOW / 4

# In grey levels of 0 to 255: smaller deviations are due to rounding.
_MIN_DEVIATION = 0.5
# A binomial window centred between two pixels, so that a cell of the next level covers 2x2 pixels.
_HALVING = (1 / 8, 3 / 8, 3 / 8, 1 / 8)


def pyramid(
    images: Num[Array, "b h w 3"] | Num[np.ndarray, "b h w 3"], *, levels: int
) -> tuple[Float[Array, "b _ _ 3"], ...]:
    """Compute the pyramid of images and normalize each of its levels.

    Each level has half the height and width of the finer level before it, rounded up. RGB values are 0 to 255.
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

    Values are 0 to 255. The result is 0 but for rounding, which is below 0.001, where an image is of one grey.
    """
    from_mean = images - _local_mean(_channel_mean(images))[..., None]
    deviation = jnp.sqrt(_local_mean(_channel_mean(from_mean**2)))
    floor = jnp.maximum(deviation.mean(axis=(1, 2), keepdims=True), _MIN_DEVIATION)
    return from_mean * (1 / jnp.maximum(deviation, floor))[..., None]


def halve(images: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 c"]:
    """Blur images and halve their height and width, rounded up.

    Border pixels are repeated outside the image.
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


RECTIFIED = nn.initializers.he_uniform()
"""Initializer of layers with a rectifier (He et al. 2015)."""
HEATMAPS = nn.initializers.variance_scaling(1e-4, "fan_in", "uniform")
"""Initializer of the layers that compute heat-maps: weights so small that the first error is that of zero
maps."""

# Keeps group normalization finite on constant maps.
_MIN_VARIANCE = 1e-6


def convolution(
    features: int,
    window: int,
    *,
    dtype: DType,
    name: str,
    kernel_init: Initializer = RECTIFIED,
    use_bias: bool = True,
) -> nn.Conv:
    """Return a convolution that keeps the size of its input, with zeros outside the borders."""
    return nn.Conv(
        features,
        (window, window),
        dtype=dtype,
        kernel_init=kernel_init,
        use_bias=use_bias,
        conv_general_dilated=_convolve,
        name=name,
    )


def convolve_and_rectify(
    maps: Float[Array, "b h w c"],
    features: int,
    window: int,
    *,
    dtype: DType,
    name: str,
    group_norm: bool = False,
) -> Float[Array, "b h w f"]:
    """Apply a convolution, an optional `GroupNorm`, and a rectifier. The normalization adds the bias."""
    maps = convolution(features, window, dtype=dtype, name=name, use_bias=not group_norm)(maps)
    if group_norm:
        maps = GroupNorm(name=f"{name}_norm")(maps)
    return nn.relu(maps)


class GroupNorm(nn.Module):
    """Group normalization (Wu and He 2018) of `NORM_GROUP` maps a group, then a scale and a bias for each map.

    `flax.linen.GroupNorm` computes the same, but takes three times as long in training on a CPU, because it
    sums over groups of maps at once instead of map by map.
    """

    @nn.compact
    def __call__(self, maps: Float[Array, "b h w f"]) -> Float[Array, "b h w f"]:
        """Normalize maps, and return them in their type."""
        batch, height, width, features = maps.shape
        scale = self.param("scale", nn.initializers.ones, (features,))
        bias = self.param("bias", nn.initializers.zeros, (features,))

        def group_mean(values: Array) -> Array:
            of_maps = values.sum(axis=(1, 2)) / (height * width)
            groups = of_maps.reshape(batch, -1, NORM_GROUP).mean(axis=-1)
            return jnp.repeat(groups, NORM_GROUP, axis=-1)

        values = maps.astype(jnp.float32)
        mean = group_mean(values)
        # Rounding may make the difference negative.
        variance = jnp.maximum(group_mean(values**2) - mean**2, 0.0)
        gain = scale[None] * jax.lax.rsqrt(variance + _MIN_VARIANCE)
        shift = bias[None] - mean * gain
        return (values * gain[:, None, None] + shift[:, None, None]).astype(maps.dtype)


def spatial_dropout(
    maps: Float[Array, "b h w c"], keys: Key[Array, " b"] | None, rate: float
) -> Float[Array, "b h w c"]:
    """Drop whole maps (Tompson et al. 2015, section 3.2).

    The other maps are divided by the probability of being kept. Each image has a key, so that the maps dropped
    of it do not depend on other images; without keys nothing is dropped.
    """
    if keys is None or not rate:
        return maps
    keep = jax.vmap(lambda key: jax.random.bernoulli(key, 1 - rate, maps.shape[-1:]))(keys)
    return maps * (keep.astype(maps.dtype) / (1 - rate))[:, None, None]


def max_pool(maps: Float[Array, "b h w c"], window: int) -> Float[Array, "b h2 w2 c"]:
    """Return the maximum of each block of ``window x window`` cells.

    ``window`` is a power of 2 that divides height and width. The maximum is computed by its factors, axis by
    axis: on a CPU, its gradient takes a third of the time of the gradient of a maximum over blocks.
    """
    while window > 1:
        batch, height, width, features = maps.shape
        rows = maps.reshape(batch, height // 2, 2, width, features)
        higher = jnp.maximum(rows[:, :, 0], rows[:, :, 1])
        pairs = higher.reshape(batch, height // 2, width // 2, 2 * features)
        maps = jnp.maximum(pairs[..., :features], pairs[..., features:])
        window //= 2
    return maps


def sum_of_resolutions(maps: list[Float[Array, "b _ _ c"]]) -> Float[Array, "b h w c"]:
    """Sum maps of different resolutions at the finest resolution, by repeating cells of the coarser maps."""
    finest_last = sorted(maps, key=lambda level: level.shape[1])
    total = finest_last[0]
    for finer in finest_last[1:]:
        total = _repeat(total, finer.shape[1] // total.shape[1]) + finer
    return total


def _repeat(maps: Array, times: int) -> Array:
    batch, height, width, features = maps.shape
    blocks = (batch, height, times, width, times, features)
    spread = jnp.broadcast_to(maps[:, :, None, :, None, :], blocks)
    return spread.reshape(batch, height * times, width * times, features)


def _convolve(maps: Array, kernel: Array, *how: Any, **options: Any) -> Array:
    """Compute `jax.lax.conv_general_dilated`, on a CPU by faster algorithms that agree up to rounding."""
    window = kernel.shape[0]
    direct = partial(_direct, how=how, options=options)
    if window == 1:
        return maps @ kernel[0, 0]
    if window > min(maps.shape[1:3]):
        beyond = (window // 2, (window - 1) // 2)
        return matrix_product(jnp.pad(maps, ((0, 0), beyond, beyond, (0, 0))), kernel)
    if window not in (3, 5) or kernel.shape[2] < WINOGRAD_MIN_CHANNELS or maps.dtype != jnp.float32:
        return direct(maps, kernel)
    on_cpu = partial(winograd_correlate, padding=window // 2)
    return jax.lax.platform_dependent(maps, kernel, cpu=on_cpu, default=direct)


def _direct(maps: Array, kernel: Array, *, how: Any, options: Any) -> Array:
    return jax.lax.conv_general_dilated(maps, kernel, *how, **options)
