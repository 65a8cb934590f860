"""What the coarse and the fine net are made of."""

import jax.numpy as jnp
from flax import linen as nn
from jax.nn.initializers import Initializer
from jaxtyping import Array, Float

from convcorr_jax.pose.architecture import DType

# What a rectified layer's weights vary by, over their number of inputs (He et al. 2015).
RECTIFIED = nn.initializers.he_uniform()
# The layers that make heat-maps begin so small that the error begins as that of maps of zeros.
HEATMAPS = nn.initializers.variance_scaling(1e-4, "fan_in", "uniform")


def convolution(
    features: int, window: int, *, dtype: DType, name: str, kernel_init: Initializer = RECTIFIED
) -> nn.Conv:
    """A convolution that keeps the size, with zeros beyond the borders; its parameters are float32 always."""
    return nn.Conv(features, (window, window), dtype=dtype, kernel_init=kernel_init, name=name)


def max_pool(maps: Float[Array, "b h w c"], window: int) -> Float[Array, "b h2 w2 c"]:
    """The largest of each ``window x window`` cells; height and width must be multiples of the window."""
    batch, height, width, features = maps.shape
    blocks = (batch, height // window, window, width // window, window, features)
    return maps.reshape(blocks).max(axis=(2, 4))


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
