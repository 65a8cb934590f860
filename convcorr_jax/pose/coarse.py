"""The coarse net: a sliding-window detector with overlapping contexts that gives one heat-map a joint.

A bank of stages for each level of the pyramid, with weights of its own; each ends with a wide window that,
level by level, sees a patch of the same cells but twice the pixels. The banks' maps are brought to the finest
resolution by repeating cells, added, and go through 1x1 convolutions. SpatialDropout drops whole maps before
the first of these.

Everything slides: away from the borders, an image shifted by the pooling times 2^(levels - 1), which is the
stride of the coarsest bank, has its heat-maps shifted by 2^(levels - 1) cells, exactly.

Differs from the paper: in training, what is kept by the dropout is divided by how likely that is, in place of
a gain at test time; the expectation is the same. Where `Architecture.group_norm` is set, every convolution but
the last is normalised before its rectifier. That takes statistics of whole images, so that a net with it
slides only nearly.

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
    """Heat-maps, and the features that the fine net looks at."""

    heatmaps: Float[Array, "b h w j"]
    shared: tuple[Float[Array, "b _ _ _"], ...]
    """Of each level its first two convolutions, rectified and not yet pooled."""


class Bank(nn.Module):
    """The stages of one level, up to the patch."""

    architecture: Architecture

    @nn.compact
    def __call__(
        self, images: Float[Array, "b h w c"]
    ) -> tuple[Float[Array, "b h2 w2 f"], tuple[Float[Array, "b _ _ _"], ...]]:
        """What the patches are made of, and the stages that the fine net shares."""
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
    """From a normalised pyramid to heat-maps."""

    architecture: Architecture

    @nn.compact
    def __call__(
        self, pyramid: Pyramid, *, dropout_keys: Key[Array, " b"] | None = None
    ) -> CoarseOutput:
        """Heat-maps and shared features; maps are dropped in training alone, with a key an image.

        Raises:
            InputError: the images are smaller than the patch.
        """
        shape = self.architecture
        layer = partial(rectified, dtype=shape.dtype, group_norm=shape.group_norm)
        height, width = pyramid[0].shape[1:3]
        size = shape.heatmap_size(coords.Size(height, width))
        whole = _fill_up(pyramid, shape.padding_multiple)
        banks = [Bank(shape, name=f"level{i}")(images) for i, images in enumerate(whole)]
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


def _fill_up(pyramid: Pyramid, multiple: int) -> Pyramid:
    """Zeros to the right and below, so that the levels halve to the cell down to the last pooling."""
    height, width = (-(-side // multiple) * multiple for side in pyramid[0].shape[1:3])
    filled = []
    for level, images in enumerate(pyramid):
        down = (height >> level) - images.shape[1]
        right = (width >> level) - images.shape[2]
        filled.append(jnp.pad(images, ((0, 0), (0, down), (0, right), (0, 0))))
    return tuple(filled)
