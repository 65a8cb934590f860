"""The coarse net on a pretrained front: from the front's coarse maps to one heat-map for each joint.

Stages on the maps of 16 pixels a cell have wide contexts; their result is interpolated to 8 pixels a cell and
concatenated with the maps of that stride for the remaining stages. The coordinates of every cell, from -1 to 1
over the image, are two further inputs of both, because the frame is centred on the person. SpatialDropout drops
whole maps before the last convolution.

Differs from the paper: its coarse net has no pretrained layers; see `convcorr_jax.pose.coarse`.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Array, Float, Key

from convcorr_jax.pose.architecture import Architecture
from convcorr_jax.pose.front import upsample
from convcorr_jax.pose.layers import HEATMAPS, convolution, rectified, spatial_dropout


class Head(nn.Module):
    """The stages on the front's coarse maps."""

    architecture: Architecture

    @nn.compact
    def __call__(
        self,
        maps: tuple[Float[Array, "b _ _ f"], ...],
        *,
        dropout_keys: Key[Array, " b"] | None = None,
    ) -> Float[Array, "b h w j"]:
        """Compute the heat-maps.

        Args:
            maps: the coarse maps of `convcorr_jax.pose.front.FrontMaps`, at 8 and at 16 pixels a cell.
            dropout_keys: PRNG keys of SpatialDropout, one for each image; without them nothing is dropped.
        """
        shape = self.architecture
        layer = partial(rectified, dtype=shape.dtype, group_norm=shape.group_norm)
        near, wide = (one.astype(jnp.dtype(shape.dtype)) for one in maps)
        stack = _with_coordinates(jnp.concatenate([wide, _means(near)], axis=-1))
        for i, features in enumerate(shape.features):
            stack = layer(stack, features, shape.window, name=f"wide{i}")
        stack = _with_coordinates(jnp.concatenate([upsample(stack, times=2), near], axis=-1))
        for i, features in enumerate(shape.hidden):
            stack = layer(stack, features, shape.window, name=f"near{i}")
        stack = spatial_dropout(stack, dropout_keys, shape.spatial_dropout)
        joints = convolution(
            len(shape.joints), 1, dtype=shape.dtype, name="joints", kernel_init=HEATMAPS
        )
        return joints(stack).astype(jnp.float32)


def _with_coordinates(maps: jax.Array) -> jax.Array:
    """Append the column and the row of every cell, from -1 to 1."""
    batch, height, width = maps.shape[:3]
    rows, columns = (np.linspace(-1, 1, side, dtype=np.float32) for side in (height, width))
    grid = np.stack(np.meshgrid(columns, rows), axis=-1)
    cells = jnp.broadcast_to(jnp.asarray(grid, maps.dtype)[None], (batch, height, width, 2))
    return jnp.concatenate([maps, cells], axis=-1)


def _means(maps: jax.Array) -> jax.Array:
    """Return the means of blocks of 2x2 cells."""
    batch, height, width, features = maps.shape
    return maps.reshape(batch, height // 2, 2, width // 2, 2, features).mean(axis=(2, 4))
