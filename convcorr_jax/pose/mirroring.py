"""Heat-maps and windows of a mirrored image, as those of the image itself."""

from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from convcorr_jax import coords
from convcorr_jax.errors import InputError
from convcorr_jax.pose.architecture import Architecture
from convcorr_jax.pose.crop import Corners


class Mirror(NamedTuple):
    """The exchange of left and right, of pixels and of joints."""

    joints: tuple[int, ...]
    """For each joint, the joint that it is in the mirror."""
    window_end: int
    """The sum of the first pixels of a window and of its mirror image, along x."""

    def maps(self, maps: Float[Array, "b h w j"]) -> Float[Array, "b h w j"]:
        """Return maps of a mirrored image as those of the image, or maps of mirrored windows."""
        return maps[:, :, ::-1][..., jnp.array(self.joints)]

    def corners(self, corners: Corners) -> Corners:
        """Return the corners of the windows in the mirrored image that correspond to the given windows."""
        x = self.window_end - corners[..., 0]
        return jnp.stack([x, corners[..., 1]], axis=-1)[:, jnp.array(self.joints)]


def mirror_of(architecture: Architecture, size: coords.Size) -> Mirror:
    """Return the exchange of left and right for images of a size.

    Args:
        architecture: of the cascade.
        size: of the images, in pixels.

    Raises:
        InputError: the image is not a whole number of cells wide, so that a mirrored cell is between cells.
    """
    stride = max(architecture.pooling, architecture.window_stride)
    if size.width % stride:
        raise InputError(
            f"images are {size.width} pixels wide; with mirrored images a multiple of {stride} is expected"
        )
    joints = exchanged(len(architecture.joints), architecture.left_right_pairs)
    return Mirror(joints, size.width - architecture.fine_window)


def exchanged(joints: int, left_right_pairs: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    """Return the number of the joint that each joint is in the mirror.

    >>> exchanged(3, [(0, 2)])
    (2, 1, 0)

    Args:
        joints: the number of joints.
        left_right_pairs: numbers of the joints that exchange their names.
    """
    numbers = list(range(joints))
    for left, right in left_right_pairs:
        numbers[left], numbers[right] = right, left
    return tuple(numbers)
