"""The fine net: from a window around a coarse joint to a heat-map with one cell for each pixel of the window.

The net is Siamese: the windows of all joints have the same weights, except in the last 1x1 convolution, the
detector. As in the coarse net, every resolution has its own convolution; the results are repeated to the finest
resolution and added, and 1x1 convolutions follow.

The input of `Fine` is the first two stages of every bank of the coarse net. The input of `StandardFine`, for
comparison, is the image: it has convolutions of its own instead of the shared ones, and one more convolution
before the 1x1 convolutions, with the number of features that gives both nets the same number of parameters.

The paper's net has 4 layers and names two of them: here they are one convolution, two 1x1 convolutions and the
detector.

Source: Tompson et al. 2015, section 4.1, Figures 7, 8 and 13.
"""

from functools import partial

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from convcorr_jax.pose.architecture import Architecture
from convcorr_jax.pose.layers import HEATMAPS, rectified, sum_of_resolutions

Windows = tuple[Float[Array, "b j _ _ _"], ...]
"""Windows of each map around each joint; all windows of a joint cover the same pixels."""


class Fine(nn.Module):
    """The fine net on windows of the coarse net's features."""

    architecture: Architecture

    @nn.compact
    def __call__(self, windows: Windows) -> Float[Array, "b n n j"]:
        """Compute each joint's heat-map in its window, with one cell for each pixel.

        Args:
            windows: of the coarse net's shared features.
        """
        shape = self.architecture
        layer = partial(rectified, dtype=shape.dtype)
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
        """Compute each joint's heat-map in its window, with one cell for each pixel.

        Args:
            windows: of the pyramid's levels.
        """
        shape = self.architecture
        layer = partial(rectified, dtype=shape.dtype)
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
        """Compute heat-maps from the features of all windows.

        Args:
            maps: features of the windows of all joints of all images, image by image.
        """
        shape, joints = self.architecture, len(self.architecture.joints)
        layer = partial(rectified, dtype=shape.dtype)
        for i in range(2):
            maps = layer(maps, shape.fine_features, 1, name=f"hidden{i}")
        kernel = self.param("kernel", HEATMAPS, (shape.fine_features, joints))
        bias = self.param("bias", nn.initializers.zeros, (joints,))
        per_joint = maps.reshape(-1, joints, *maps.shape[1:])
        heatmaps = jnp.einsum("bjhwf,fj->bhwj", per_joint, kernel.astype(maps.dtype))
        return heatmaps.astype(jnp.float32) + bias[None, None, None]


def matching_features(shape: Architecture) -> int:
    """Return the number of features of the further convolution that gives both fine nets the same size.

    Args:
        shape: architecture of the cascade.

    Returns:
        The number for which `StandardFine` has as many parameters as `Fine`, rounded.
    """

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
