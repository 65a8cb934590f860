"""The coarse and the fine net: from images, or a front's maps, to heat-maps.

The coarse net is a sliding-window detector with overlapping contexts. Each level of the pyramid has a bank of
stages with its own weights. A bank ends with a convolution over a wide window; its receptive field has the same
number of cells in every level, and so twice the pixels from level to level. The banks' maps are repeated to the
finest resolution and added, and 1x1 convolutions follow. SpatialDropout drops whole maps before the first of
these. The net is equivariant to shifts: away from the borders, an image shifted by the pooling times 2^(levels
- 1), which is the stride of the coarsest bank, has the same heat-maps, shifted by ``2^(levels-1)`` cells.

Differs from the paper: in training, maps that dropout keeps are divided by the probability of being kept,
instead of a gain at test time; the expectation is the same. If `Architecture.group_norm` is set, every
convolution but the last is normalized before its rectifier. The normalization uses statistics of whole images,
so that the net is only approximately equivariant.

On a pretrained front (`Head`), stages on the maps of 16 pixels a cell have wide contexts; their result is
interpolated to 8 pixels a cell and concatenated with the maps of that stride for the remaining stages.
SpatialDropout drops whole maps before the last convolution.

Differs from the paper: its coarse net has no pretrained layers, and sees no coordinates. Here those of every
cell, from -1 to 1 over the image, are two further inputs of both resolutions, because the frame is centred on
the person.

The fine net, from a window around a coarse joint to a heat-map with one cell for each pixel of the window, is
Siamese: the windows of all joints have the same weights, except in the last 1x1 convolution, the detector. As
in the coarse net, every resolution has its own convolution, and 1x1 convolutions follow their sum. The input of
`Fine` is the first two stages of every bank of the coarse net. The input of `StandardFine`, for comparison, is
the image: it has convolutions of its own instead of the shared ones, and one more before the 1x1 convolutions,
with the number of features that gives both nets the same number of parameters.

The paper leaves open the layers of the fine net, of whose 4 it names two: here they are one convolution, two
1x1 convolutions and the detector.

Source: Tompson et al. 2015, sections 3.1, 3.2 and 4.1, Figures 7, 8 and 13.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Array, Float, Key

from convcorr_jax import coords
from convcorr_jax.pose.architecture import SHARED_STAGES, Architecture
from convcorr_jax.pose.front import upsample
from convcorr_jax.pose.layers import (
    HEATMAPS,
    convolution,
    convolve_and_rectify,
    max_pool,
    spatial_dropout,
    sum_of_resolutions,
)

Pyramid = tuple[Float[Array, "b _ _ _"], ...]
"""Maps of one batch, the finest level first."""


class CoarseOutput(NamedTuple):
    """Heat-maps, and the features that are the input of the fine net."""

    heatmaps: Float[Array, "b h w j"]
    shared: tuple[Float[Array, "b _ _ _"], ...]
    """Each level's first two convolutions, rectified and before pooling; the finest level is first."""


class Bank(nn.Module):
    """The stages of one level, with the convolution over the patch."""

    architecture: Architecture

    @nn.compact
    def __call__(
        self, images: Float[Array, "b h w c"]
    ) -> tuple[Float[Array, "b h2 w2 f"], tuple[Float[Array, "b _ _ _"], ...]]:
        """Compute the features of the patches, and the features that the fine net shares."""
        shape = self.architecture
        layer = partial(convolve_and_rectify, dtype=shape.dtype, group_norm=shape.group_norm)
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
    def __call__(self, pyramid: Pyramid, *, dropout_keys: Key[Array, " b"] | None = None) -> CoarseOutput:
        """Compute heat-maps and shared features.

        Raises:
            InputError: the images are smaller than the patch.
        """
        shape = self.architecture
        layer = partial(convolve_and_rectify, dtype=shape.dtype, group_norm=shape.group_norm)
        height, width = pyramid[0].shape[1:3]
        size = shape.heatmap_size(coords.Size(height, width))
        padded = _pad(pyramid, shape.padding_multiple)
        banks = [Bank(shape, name=f"level{i}")(images) for i, images in enumerate(padded)]
        maps = sum_of_resolutions([patches for patches, _ in banks])
        maps = spatial_dropout(maps, dropout_keys, shape.spatial_dropout)
        for i, features in enumerate(shape.hidden[1:]):
            maps = layer(maps, features, 1, name=f"hidden{i}")
        joints = convolution(len(shape.joints), 1, dtype=shape.dtype, name="joints", kernel_init=HEATMAPS)
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


class Head(nn.Module):
    """The stages on the front's coarse maps."""

    architecture: Architecture

    @nn.compact
    def __call__(
        self, maps: tuple[Float[Array, "b _ _ f"], ...], *, dropout_keys: Key[Array, " b"] | None = None
    ) -> Float[Array, "b h w j"]:
        """Compute the heat-maps."""
        shape = self.architecture
        layer = partial(convolve_and_rectify, dtype=shape.dtype, group_norm=shape.group_norm)
        near, wide = (one.astype(jnp.dtype(shape.dtype)) for one in maps)
        stack = _with_coordinates(jnp.concatenate([wide, _means(near)], axis=-1))
        for i, features in enumerate(shape.features):
            stack = layer(stack, features, shape.window, name=f"wide{i}")
        stack = _with_coordinates(jnp.concatenate([upsample(stack, times=2), near], axis=-1))
        for i, features in enumerate(shape.hidden):
            stack = layer(stack, features, shape.window, name=f"near{i}")
        stack = spatial_dropout(stack, dropout_keys, shape.spatial_dropout)
        joints = convolution(len(shape.joints), 1, dtype=shape.dtype, name="joints", kernel_init=HEATMAPS)
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


Windows = tuple[Float[Array, "b j _ _ _"], ...]
"""Windows of each map around each joint; all windows of a joint cover the same pixels."""


class Fine(nn.Module):
    """The fine net on windows of the coarse net's features."""

    architecture: Architecture

    @nn.compact
    def __call__(self, windows: Windows) -> Float[Array, "b n n j"]:
        """Compute each joint's heat-map in its window, with one cell for each pixel."""
        shape = self.architecture
        layer = partial(convolve_and_rectify, dtype=shape.dtype)
        banks = [
            layer(maps, shape.fine_features, shape.window, name=f"bank{i}")
            for i, maps in enumerate(_flattened(windows))
        ]
        return Detector(shape, name="detector")(sum_of_resolutions(banks))


class StandardFine(nn.Module):
    """The fine net on windows of the normalized pyramid: the comparison of Figure 13."""

    architecture: Architecture

    @nn.compact
    def __call__(self, windows: Windows) -> Float[Array, "b n n j"]:
        """Compute each joint's heat-map in its window, with one cell for each pixel."""
        shape = self.architecture
        layer = partial(convolve_and_rectify, dtype=shape.dtype)
        banks = []
        for i, level in enumerate(_flattened(windows)):
            first = layer(level, shape.features[0], shape.window, name=f"first{i}")
            banks.append(layer(first, shape.fine_features, shape.window, name=f"bank{i}"))
        maps = sum_of_resolutions(banks)
        maps = layer(maps, matching_features(shape), shape.window, name="further")
        return Detector(shape, name="detector")(maps)


class Detector(nn.Module):
    """The fine net's 1x1 convolutions: two that all joints share, and one for each joint."""

    architecture: Architecture

    @nn.compact
    def __call__(self, maps: Float[Array, "bj n n f"]) -> Float[Array, "b n n j"]:
        """Compute heat-maps from the features of the windows of all joints of all images, image by image."""
        shape, joints = self.architecture, len(self.architecture.joints)
        layer = partial(convolve_and_rectify, dtype=shape.dtype)
        for i in range(2):
            maps = layer(maps, shape.fine_features, 1, name=f"hidden{i}")
        kernel = self.param("kernel", HEATMAPS, (shape.fine_features, joints))
        bias = self.param("bias", nn.initializers.zeros, (joints,))
        per_joint = maps.reshape(-1, joints, *maps.shape[1:])
        heatmaps = jnp.einsum("bjhwf,fj->bhwj", per_joint, kernel.astype(maps.dtype))
        return heatmaps.astype(jnp.float32) + bias[None, None, None]


def matching_features(shape: Architecture) -> int:
    """Return the features of the further convolution for which `StandardFine` is as large as `Fine`."""

    def parameters(inputs: int, outputs: int) -> int:
        return (shape.window**2 * inputs + 1) * outputs

    fine = shape.fine_features
    first, second = shape.features[:2]
    shared = parameters(first, fine) + parameters(second, fine)
    standard = parameters(3, first) + parameters(first, fine)
    remaining = shape.levels * (shared - standard) + fine * fine
    return round(remaining / (parameters(fine, 1) + fine))


def _flattened(windows: Windows) -> list[jax.Array]:
    """Return the windows of all joints as one batch, since they have the same weights."""
    return [maps.reshape(-1, *maps.shape[2:]) for maps in windows]
