"""What the coarse and the fine net are made of."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.nn.initializers import Initializer
from jaxtyping import Array, Float, Key

from convcorr_jax.pose.architecture import NORM_GROUP, DType

# What a rectified layer's weights vary by, over their number of inputs (He et al. 2015).
RECTIFIED = nn.initializers.he_uniform()
# The layers that make heat-maps begin so small that the error begins as that of maps of zeros.
HEATMAPS = nn.initializers.variance_scaling(1e-4, "fan_in", "uniform")

_LEAST_VARIANCE = 1e-6


def convolution(
    features: int,
    window: int,
    *,
    dtype: DType,
    name: str,
    kernel_init: Initializer = RECTIFIED,
    use_bias: bool = True,
) -> nn.Conv:
    """A convolution that keeps the size, with zeros beyond the borders; its parameters are float32 always."""
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
    """A convolution and its rectifier, and between them, if wanted, a `GroupNorm` that brings the bias."""
    maps = convolution(features, window, dtype=dtype, name=name, use_bias=not group_norm)(maps)
    if group_norm:
        maps = GroupNorm(name=f"{name}_norm")(maps)
    return nn.relu(maps)


class GroupNorm(nn.Module):
    """Normalisation of maps in groups (Wu and He 2018).

    Each `NORM_GROUP` maps of an image get mean 0 and deviation 1 over all their cells, then each map a scale
    and a bias of its own.

    `flax.linen.GroupNorm` computes the same; on a CPU it takes three times as long in training, because it sums
    over groups of maps at once where this one sums map by map.
    """

    @nn.compact
    def __call__(self, maps: Float[Array, "b h w f"]) -> Float[Array, "b h w f"]:
        """Normalised maps, of the same type."""
        batch, height, width, features = maps.shape
        scale = self.param("scale", nn.initializers.ones, (features,))
        bias = self.param("bias", nn.initializers.zeros, (features,))

        def mean(of: Array) -> Array:
            each = of.sum(axis=(1, 2)) / (height * width)
            groups = each.reshape(batch, -1, NORM_GROUP).mean(axis=-1)
            return jnp.repeat(groups, NORM_GROUP, axis=-1)

        values = maps.astype(jnp.float32)
        middle = mean(values)
        # Rounding may leave less than nothing.
        variance = jnp.maximum(mean(values**2) - middle**2, 0.0)
        gain = scale[None] * jax.lax.rsqrt(variance + _LEAST_VARIANCE)
        shift = bias[None] - middle * gain
        return (values * gain[:, None, None] + shift[:, None, None]).astype(maps.dtype)


def spatial_dropout(
    maps: Float[Array, "b h w c"], keys: Key[Array, " b"] | None, rate: float
) -> Float[Array, "b h w c"]:
    """Drop whole maps (Tompson et al. 2015, section 3.2); those kept are divided by how likely that is.

    Args:
        maps: of a batch.
        keys: one an image, so that what an image loses does not depend on the others; without them nothing
            is dropped.
        rate: how likely a map is dropped.
    """
    if keys is None or not rate:
        return maps
    keep = jax.vmap(lambda key: jax.random.bernoulli(key, 1 - rate, maps.shape[-1:]))(keys)
    return maps * (keep.astype(maps.dtype) / (1 - rate))[:, None, None]


def max_pool(maps: Float[Array, "b h w c"], window: int) -> Float[Array, "b h2 w2 c"]:
    """The largest of each ``window x window`` cells; the window is a power of 2 that divides height and width.

    Halves are compared with halves, axis by axis: on a CPU the gradient of that takes a third of the time that
    the gradient of a maximum over blocks takes.
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
    """Maps of the same extent and different resolutions, added at the finest; cells of others are repeated."""
    finest_last = sorted(maps, key=lambda one: one.shape[1])
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
    """`jax.lax.conv_general_dilated`, but a product where the window is wider than the maps.

    XLA takes maps and kernel for each other then, which takes ten times as long on a CPU.
    """
    window = kernel.shape[0]
    batch, height, width, channels = maps.shape
    if window <= min(height, width):
        return jax.lax.conv_general_dilated(maps, kernel, *how, **options)
    beyond = (window // 2, (window - 1) // 2)
    padded = jnp.pad(maps, ((0, 0), beyond, beyond, (0, 0)))
    shifts = [
        padded[:, i : i + height, j : j + width] for i in range(window) for j in range(window)
    ]
    patches = jnp.concatenate(shifts, axis=-1).reshape(-1, window * window * channels)
    product = patches @ kernel.reshape(len(patches[0]), -1)
    return product.reshape(batch, height, width, -1)
