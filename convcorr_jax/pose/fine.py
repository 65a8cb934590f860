"""The fine net: of a window around a coarse joint, a heat-map of pixels whose peak is where the joint is.

It is Siamese: the same weights for the windows of all joints, and only the last 1x1 convolution, the detector,
is each joint's own. As in the coarse net, every resolution has its convolution; the results are repeated up to
the finest, added, and go through 1x1 convolutions.

`Fine` looks at the coarse net's first two stages of every bank. `StandardFine`, for comparison, looks at the
image alone, has convolutions of its own in place of those shared, and one more before the 1x1 convolutions,
of as many features as make the two nets equal in parameters.

The paper has 4 layers, of which two are named: here they are one convolution, two of 1x1 and the detector.

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
"""Windows of each map around each joint; all show the same pixels."""


class Fine(nn.Module):
    """Windows of the coarse net's features to fine heat-maps, a pixel each cell."""

    architecture: Architecture

    @nn.compact
    def __call__(self, windows: Windows) -> Float[Array, "b n n j"]:
        """The heat-maps of every joint's window."""
        shape = self.architecture
        layer = partial(rectified, dtype=shape.dtype)
        banks = [
            layer(one, shape.fine_features, shape.window, name=f"bank{i}")
            for i, one in enumerate(_one_by_one(windows))
        ]
        return Detector(shape, name="detector")(sum_of_resolutions(banks))


class StandardFine(nn.Module):
    """Windows of the normalised pyramid to fine heat-maps: the comparison of Figure 13."""

    architecture: Architecture

    @nn.compact
    def __call__(self, windows: Windows) -> Float[Array, "b n n j"]:
        """The heat-maps of every joint's window."""
        shape = self.architecture
        layer = partial(rectified, dtype=shape.dtype)
        banks = []
        for i, one in enumerate(_one_by_one(windows)):
            first = layer(one, shape.features[0], shape.window, name=f"first{i}")
            banks.append(layer(first, shape.fine_features, shape.window, name=f"bank{i}"))
        maps = sum_of_resolutions(banks)
        maps = layer(maps, matching_features(shape), shape.window, name="further")
        return Detector(shape, name="detector")(maps)


class Detector(nn.Module):
    """The fine net's 1x1 convolutions: two that joints share, and one that they do not."""

    architecture: Architecture

    @nn.compact
    def __call__(self, maps: Float[Array, "bj n n f"]) -> Float[Array, "b n n j"]:
        """Heat-maps from the features of all windows, of which each image has one a joint."""
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
    """Features of the further convolution that give the standard net as many parameters as the other has."""

    def parameters(inputs: int, outputs: int) -> int:
        return (shape.window**2 * inputs + 1) * outputs

    fine = shape.fine_features
    first, second = shape.features[:2]
    shared = parameters(first, fine) + parameters(second, fine)
    standard = parameters(3, first) + parameters(first, fine)
    to_spend = shape.levels * (shared - standard) + fine * fine
    return round(to_spend / (parameters(fine, 1) + fine))


def _one_by_one(windows: Windows) -> list[jax.Array]:
    """Windows of all joints as one batch, which the same weights see."""
    return [one.reshape(-1, *one.shape[2:]) for one in windows]
