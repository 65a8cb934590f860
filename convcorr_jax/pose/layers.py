"""Layers of the coarse and the fine net."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.nn.initializers import Initializer
from jaxtyping import Array, Float, Key

from convcorr_jax.backbone import winograd
from convcorr_jax.backbone.convolution import WINOGRAD_MIN_CHANNELS, matrix_product
from convcorr_jax.pose.architecture import NORM_GROUP, DType

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
    """Return a convolution that keeps the size of its input, with zeros outside the borders.

    Args:
        features: number of features of the output.
        window: side of the window, in cells.
        dtype: type of the computations; parameters are always float32.
        name: name of the parameters.
        kernel_init: initializer of the weights.
        use_bias: whether a bias is added.
    """
    return nn.Conv(
        features,
        (window, window),
        dtype=dtype,
        kernel_init=kernel_init,
        use_bias=use_bias,
        conv_general_dilated=_convolve,
        name=name,
    )


def rectified(
    maps: Float[Array, "b h w c"],
    features: int,
    window: int,
    *,
    dtype: DType,
    name: str,
    group_norm: bool = False,
) -> Float[Array, "b h w f"]:
    """Apply a convolution, an optional `GroupNorm`, and a rectifier.

    Args:
        maps: the input.
        features: number of features of the output.
        window: side of the convolution's window, in cells.
        dtype: type of the computations; parameters are always float32.
        name: name of the parameters.
        group_norm: whether to normalize before the rectifier; the normalization then adds the bias.
    """
    maps = convolution(features, window, dtype=dtype, name=name, use_bias=not group_norm)(maps)
    if group_norm:
        maps = GroupNorm(name=f"{name}_norm")(maps)
    return nn.relu(maps)


class GroupNorm(nn.Module):
    """Group normalization (Wu and He 2018).

    Each group of `NORM_GROUP` maps of an image gets mean 0 and standard deviation 1 over all its cells; then
    each map has its own scale and bias.

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

    The other maps are divided by the probability of being kept.

    Args:
        maps: maps of a batch.
        keys: one PRNG key for each image, so that the maps dropped of an image do not depend on other images;
            without keys nothing is dropped.
        rate: probability that a map is dropped.
    """
    if keys is None or not rate:
        return maps
    keep = jax.vmap(lambda key: jax.random.bernoulli(key, 1 - rate, maps.shape[-1:]))(keys)
    return maps * (keep.astype(maps.dtype) / (1 - rate))[:, None, None]


def max_pool(maps: Float[Array, "b h w c"], window: int) -> Float[Array, "b h2 w2 c"]:
    """Return the maximum of each block of ``window x window`` cells.

    The maximum is computed by factors of 2, axis by axis: on a CPU, its gradient takes a third of the time of
    the gradient of a maximum over blocks.

    Args:
        maps: maps of a batch.
        window: side of the blocks, a power of 2 that divides height and width.
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
    """Sum maps of different resolutions at the finest resolution, by repeating cells of the coarser maps.

    Args:
        maps: cover the same pixels; each resolution is a multiple of the next coarser one.
    """
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
    """Compute `jax.lax.conv_general_dilated`, on a CPU by faster algorithms that agree up to rounding.

    Winograd's algorithm takes half to three quarters of the time, with the gradient. Where the window is wider
    than the maps, XLA exchanges maps and kernel, which takes ten times as long as a matrix product.
    """
    window = kernel.shape[0]
    direct = partial(_direct, how=how, options=options)
    if window == 1:
        return maps @ kernel[0, 0]
    if window > min(maps.shape[1:3]):
        beyond = (window // 2, (window - 1) // 2)
        return matrix_product(jnp.pad(maps, ((0, 0), beyond, beyond, (0, 0))), kernel)
    if window not in (3, 5) or kernel.shape[2] < WINOGRAD_MIN_CHANNELS or maps.dtype != jnp.float32:
        return direct(maps, kernel)
    on_cpu = partial(winograd.correlate, padding=window // 2)
    return jax.lax.platform_dependent(maps, kernel, cpu=on_cpu, default=direct)


def _direct(maps: Array, kernel: Array, *, how: Any, options: Any) -> Array:
    return jax.lax.conv_general_dilated(maps, kernel, *how, **options)
