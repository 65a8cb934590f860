"""Augmentation of training images: a random rotation, scale, shift and mirroring of each sample.

One affine map for each sample, ``p -> matrix p + shift`` in pixels (x, y), maps the image with its surroundings
to the input frame, and with it points and torso. The torso (the middle of the frame where the torso is unknown)
stays in its place but for the shift, so that scaling and rotation move few joints out of the frame.

Source: Tompson et al. 2015, section 3.3: rotation by up to 20°, scales of 0.5 to 1.5, mirroring of every second
image.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from convcorr_jax import coords
from convcorr_jax.coords import Size
from convcorr_jax.pose.affine import Affine, apply, determinant, mapping, rotation, warp
from convcorr_jax.pose.batch import Batch
from convcorr_jax.pose.mirroring import exchanged


class Augmentation(NamedTuple):
    """How training images are transformed; the defaults are the paper's."""

    degrees: float = 20.0
    """The greatest rotation in either direction."""
    scales: tuple[float, float] = (0.5, 1.5)
    """The smallest and the greatest scale."""
    shift: float = 0.0
    """The greatest displacement of the person along each axis, in parts of the frame's side."""
    margin: float = 0.0
    """The surroundings of the frame that training images show on every side, in parts of the frame's side.
    Without them, the border of the frame is repeated where rotation and scale move it inside."""
    unknown_torso: float = 0.0
    """The share of samples whose torso is made unknown."""


def augment(
    keys: Key[Array, " b"],
    batch: Batch,
    *,
    left_right_pairs: Sequence[tuple[int, int]],
    size: Size,
    augmentation: Augmentation,
) -> Batch:
    """Transform the images, points and torsos of a batch by one random affine map for each sample.

    Args:
        keys: one key for each sample, so that its map does not depend on the division of a batch among devices.
        batch: images with their surroundings, which have the frame in their middle; points and torsos in the
            frame.
        left_right_pairs: indices of joints that exchange names when an image is mirrored.
        size: of the frame, in pixels.
        augmentation: how far samples are transformed.

    Returns:
        Images of the frame, and points and torsos in it. Joints outside the frame are NaN.
    """
    images, points, torso = map(jnp.asarray, batch)
    middle = jnp.array([(size.width - 1) / 2, (size.height - 1) / 2])
    center = jnp.where(jnp.isnan(torso), middle[None], torso)
    surroundings = frame_offset(Size(*images.shape[1:3]), size)
    map_keys, torso_keys = jax.vmap(jax.random.split, out_axes=1)(keys)
    maps = jax.vmap(partial(draw, size=size, augmentation=augmentation))(map_keys, center)
    forget = jax.vmap(partial(jax.random.bernoulli, p=augmentation.unknown_torso))(torso_keys)
    known = jax.vmap(apply)(maps, torso)
    return Batch(
        images=jax.vmap(partial(warp, size=size))(images, _from_image(maps, surroundings)),
        points=jax.vmap(partial(move, size=size, left_right_pairs=left_right_pairs))(points, maps),
        torso=jnp.where(forget[:, None], jnp.nan, known),
    )


def frame_offset(image: Size, frame: Size) -> tuple[float, float]:
    """Return the first pixel (x, y) of a frame in the middle of an image.

    >>> frame_offset(Size(6, 8), Size(4, 4))
    (2.0, 1.0)
    """
    return (image.width - frame.width) / 2, (image.height - frame.height) / 2


def draw(
    key: Key[Array, ""], center: Float[Array, "2"], *, size: Size, augmentation: Augmentation
) -> Affine:
    """Draw a random affine map that maps a point to itself, or to its mirror image, but for the shift.

    Args:
        key: PRNG key.
        center: the point (x, y), in pixels of the frame.
        size: of the frame, in pixels.
        augmentation: how far samples are transformed.
    """
    turn_key, scale_key, mirror_key, shift_key = jax.random.split(key, 4)
    degrees, (smallest, greatest) = augmentation.degrees, augmentation.scales
    angle = jax.random.uniform(turn_key, minval=-degrees, maxval=degrees)
    scale = jax.random.uniform(scale_key, minval=smallest, maxval=greatest)
    mirrored = jax.random.bernoulli(mirror_key)
    turn = scale * rotation(angle)
    matrix = jnp.where(mirrored, turn * jnp.array([[-1.0, 1.0]]), turn)
    target = center.at[0].set(jnp.where(mirrored, size.width - 1 - center[0], center[0]))
    farthest = augmentation.shift * jnp.array([size.width, size.height])
    target += farthest * jax.random.uniform(shift_key, (2,), minval=-1, maxval=1)
    return mapping(matrix, center, target)


def move(
    points: Float[Array, "j 2"],
    affine: Affine,
    *,
    size: Size,
    left_right_pairs: Sequence[tuple[int, int]],
) -> Float[Array, "j 2"]:
    """Transform points by an affine map, and exchange left and right joints if the map mirrors.

    Args:
        points: joints (x, y), in pixels; NaN where missing.
        affine: the map.
        size: of the frame, in pixels.
        left_right_pairs: indices of joints that exchange names.

    Returns:
        The transformed joints; NaN where they are missing or outside the frame.
    """
    moved = apply(affine, points)
    is_inside = coords.inside(moved, coords.whole_image(size))
    moved = jnp.where(is_inside[..., None], moved, jnp.nan)
    swapped = moved[jnp.array(exchanged(len(points), left_right_pairs))]
    return jnp.where(determinant(affine) < 0, swapped, moved)


def _from_image(maps: Affine, offset: tuple[float, float]) -> Affine:
    """Return the maps from pixels of the images, in which the frame begins at this pixel."""
    begin = jax.vmap(apply, in_axes=(0, None))(
        maps._replace(shift=jnp.zeros_like(maps.shift)), jnp.array(offset)
    )
    return maps._replace(shift=maps.shift - begin)
