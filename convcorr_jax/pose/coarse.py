"""The coarse net: a sliding-window detector with overlapping contexts and one heat-map for each joint.

Each level of the pyramid has a bank of stages with its own weights. A bank ends with a convolution over a wide
window; its receptive field has the same number of cells in every level, and so twice the pixels from level to
level. The banks' maps are repeated to the finest resolution and added, and 1x1 convolutions follow.
SpatialDropout drops whole maps before the first of these.

The net is equivariant to shifts: away from the borders, an image shifted by the pooling times 2^(levels - 1),
which is the stride of the coarsest bank, has the same heat-maps, shifted by 2^(levels - 1) cells.

Differs from the paper: in training, maps that dropout keeps are divided by the probability of being kept,
instead of a gain at test time; the expectation is the same. If `Architecture.group_norm` is set, every
convolution but the last is normalized before its rectifier. The normalization uses statistics of whole images,
so that the net is only approximately equivariant.

Source: Tompson et al. 2015, sections 3.1 and 3.2.
"""

from functools import partial
from typing import NamedTuple

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float, Key

from convcorr_jax import coords
from convcorr_jax.pose.architecture import SHARED_STAGES, Architecture
from convcorr_jax.pose.layers import (
    HEATMAPS,
    convolution,
    max_pool,
    rectified,
    spatial_dropout,
    sum_of_resolutions,
)

Pyramid = tuple[Float[Array, "b _ _ _"], ...]
"""Maps of one batch, the finest level first."""


class CoarseOutput(NamedTuple):
    """Heat-maps, and the features that are the input of the fine net."""

    heatmaps: Float[Array, "b h w j"]
    """One heat-map for each joint."""
    shared: tuple[Float[Array, "b _ _ _"], ...]
    """The first two convolutions of each level, after the rectifier and before pooling; the finest level is
    first."""


class Bank(nn.Module):
    """The stages of one level, with the convolution over the patch."""

    architecture: Architecture

    @nn.compact
    def __call__(
        self, images: Float[Array, "b h w c"]
    ) -> tuple[Float[Array, "b h2 w2 f"], tuple[Float[Array, "b _ _ _"], ...]]:
        """Compute the features of the patches, and the features that the fine net shares.

        Args:
            images: one level of the pyramid.
        """
        shape = self.architecture
        layer = partial(rectified, dtype=shape.dtype, group_norm=shape.group_norm)
        maps, shared = images, []
        for stage, (features, pool) in enumerate(zip(shape.features, shape.pools, strict=True)):
            maps = layer(maps, features, shape.window, name=f"stage{stage}")
            if stage < SHARED_STAGES:
                shared.append(maps)
            maps = max_pool(maps, pool)
        return layer(maps, shape.hidden[0], shape.patch_window, name="patch"), tuple(shared)


class Coarse(nn.Module):
    """The coarse net, from a normalized pyramid to heat-maps."""

    architecture: Architecture

    @nn.compact
    def __call__(
        self, pyramid: Pyramid, *, dropout_keys: Key[Array, " b"] | None = None
    ) -> CoarseOutput:
        """Compute heat-maps and shared features.

        Args:
            pyramid: normalized levels of a batch of images.
            dropout_keys: PRNG keys of SpatialDropout, one for each image; without them nothing is dropped.

        Raises:
            InputError: the images are smaller than the patch.
        """
        shape = self.architecture
        layer = partial(rectified, dtype=shape.dtype, group_norm=shape.group_norm)
        height, width = pyramid[0].shape[1:3]
        size = shape.heatmap_size(coords.Size(height, width))
        padded = _pad(pyramid, shape.padding_multiple)
        banks = [Bank(shape, name=f"level{i}")(images) for i, images in enumerate(padded)]
        maps = sum_of_resolutions([patches for patches, _ in banks])
        maps = spatial_dropout(maps, dropout_keys, shape.spatial_dropout)
        for i, features in enumerate(shape.hidden[1:]):
            maps = layer(maps, features, 1, name=f"hidden{i}")
        joints = convolution(
            len(shape.joints), 1, dtype=shape.dtype, name="joints", kernel_init=HEATMAPS
        )
        maps = joints(maps)
        heatmaps = maps[:, : size.height, : size.width].astype(jnp.float32)
        return CoarseOutput(heatmaps, sum((shared for _, shared in banks), ()))


def _pad(pyramid: Pyramid, multiple: int) -> Pyramid:
    """Append zeros on the right and below, so that all levels have whole cells after the last pooling."""
    height, width = (-(-side // multiple) * multiple for side in pyramid[0].shape[1:3])
    padded = []
    for level, images in enumerate(pyramid):
        down = (height >> level) - images.shape[1]
        right = (width >> level) - images.shape[2]
        padded.append(jnp.pad(images, ((0, 0), (0, down), (0, right), (0, 0))))
    return tuple(padded)
