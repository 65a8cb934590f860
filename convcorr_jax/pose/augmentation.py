"""Augmentation of training images: random rotation, scale and mirroring of each sample, inside the step.

One affine map for each sample, ``p -> matrix p + shift`` in pixels (x, y), transforms its image, its points and
its torso. The torso is the fixed point (the middle of the image where the torso is unknown), so that scaling
and rotation move few joints out of the image.

Source: Tompson et al. 2015, section 3.3: rotation by up to 20°, scales of 0.5 to 1.5, mirroring of every second
image.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, UInt8

from convcorr_jax import coords
from convcorr_jax.coords import Size
from convcorr_jax.pose.batch import Batch

DEGREES = 20.0
"""The greatest rotation in either direction."""
SCALES = (0.5, 1.5)
"""The smallest and the greatest scale."""


class Affine(NamedTuple):
    """The affine map ``p -> matrix p + shift`` of points (x, y) in pixels."""

    matrix: Float[Array, "2 2"]
    """Rotation, scale and mirroring."""
    shift: Float[Array, "2"]
    """Translation in pixels."""


def augment(
    keys: Key[Array, " b"],
    batch: Batch,
    *,
    left_right_pairs: Sequence[tuple[int, int]],
    degrees: float = DEGREES,
    scales: tuple[float, float] = SCALES,
) -> Batch:
    """Transform the images, points and torsos of a batch by one random affine map for each sample.

    Args:
        keys: one key for each sample, so that its map does not depend on the division of a batch among devices.
        batch: images, points and torsos in the input frame.
        left_right_pairs: indices of joints that exchange names when an image is mirrored.
        degrees: the greatest rotation in either direction.
        scales: the smallest and the greatest scale.

    Returns:
        The batch in the same frame. Joints outside the image are NaN.
    """
    images, points, torso = map(jnp.asarray, batch)
    size = Size(*images.shape[1:3])
    middle = jnp.array([(size.width - 1) / 2, (size.height - 1) / 2])
    center = jnp.where(jnp.isnan(torso), middle[None], torso)
    random_map = partial(draw, size=size, degrees=degrees, scales=scales)
    maps = jax.vmap(random_map)(keys, center)
    return Batch(
        images=jax.vmap(warp)(images, maps),
        points=jax.vmap(partial(move, size=size, left_right_pairs=left_right_pairs))(points, maps),
        torso=jax.vmap(_apply)(maps, torso),
    )


def draw(
    key: Key[Array, ""],
    center: Float[Array, "2"],
    *,
    size: Size,
    degrees: float = DEGREES,
    scales: tuple[float, float] = SCALES,
) -> Affine:
    """Draw a random affine map that maps a point to itself, or to its mirror image if the map mirrors.

    Args:
        key: PRNG key.
        center: the fixed point (x, y), in pixels.
        size: of the image, in pixels.
        degrees: the greatest rotation in either direction.
        scales: the smallest and the greatest scale.
    """
    turn_key, scale_key, mirror_key = jax.random.split(key, 3)
    angle = jnp.deg2rad(jax.random.uniform(turn_key, minval=-degrees, maxval=degrees))
    scale = jax.random.uniform(scale_key, minval=scales[0], maxval=scales[1])
    mirrored = jax.random.bernoulli(mirror_key)
    cosine, sine = scale * jnp.cos(angle), scale * jnp.sin(angle)
    rotation = jnp.array([[cosine, -sine], [sine, cosine]])
    matrix = jnp.where(mirrored, rotation * jnp.array([[-1.0, 1.0]]), rotation)
    target = center.at[0].set(jnp.where(mirrored, size.width - 1 - center[0], center[0]))
    return Affine(matrix, target - _apply(Affine(matrix, jnp.zeros(2)), center))


def warp(image: UInt8[Array, "h w 3"], affine: Affine) -> UInt8[Array, "h w 3"]:
    """Transform an image by an affine map, with bilinear sampling.

    Border pixels are repeated outside the image.

    Args:
        image: 8-bit RGB.
        affine: from pixels of the image to pixels of the result.

    Returns:
        The transformed image, of the same size.
    """
    height, width = image.shape[:2]
    x, y = (
        axis.astype(jnp.float32) for axis in jnp.meshgrid(jnp.arange(width), jnp.arange(height))
    )
    source = _apply(_inverse(affine), jnp.stack([x, y], axis=-1))
    x, y = jnp.clip(source[..., 0], 0, width - 1), jnp.clip(source[..., 1], 0, height - 1)
    left, top = jnp.floor(x).astype(jnp.int32), jnp.floor(y).astype(jnp.int32)
    right, bottom = jnp.minimum(left + 1, width - 1), jnp.minimum(top + 1, height - 1)
    across, down = (x - left)[..., None], (y - top)[..., None]

    # On a CPU, XLA gathers whole pixels of a flattened image fastest.
    pixels = image.reshape(-1, 3)

    def row(at: Array) -> Array:
        return pixels[at * width + left] * (1 - across) + pixels[at * width + right] * across

    return jnp.round(row(top) * (1 - down) + row(bottom) * down).astype(jnp.uint8)


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
        size: of the image, in pixels.
        left_right_pairs: indices of joints that exchange names.

    Returns:
        The transformed joints; NaN where they are missing or outside the image.
    """
    moved = _apply(affine, points)
    is_inside = coords.inside(moved, coords.whole_image(size))
    moved = jnp.where(is_inside[..., None], moved, jnp.nan)
    swapped = list(range(len(points)))
    for left, right in left_right_pairs:
        swapped[left], swapped[right] = right, left
    return jnp.where(_determinant(affine) < 0, moved[jnp.array(swapped)], moved)


def _apply(affine: Affine, points: Float[Array, "*n 2"]) -> Float[Array, "*n 2"]:
    # Not a matrix product: an accelerator's matrix units round positions to a few bits.
    x, y = points[..., 0], points[..., 1]
    (xx, xy), (yx, yy) = affine.matrix
    return jnp.stack(
        [xx * x + xy * y + affine.shift[0], yx * x + yy * y + affine.shift[1]], axis=-1
    )


def _inverse(affine: Affine) -> Affine:
    (xx, xy), (yx, yy) = affine.matrix
    matrix = jnp.array([[yy, -xy], [-yx, xx]]) / _determinant(affine)
    return Affine(matrix, -_apply(Affine(matrix, jnp.zeros(2)), affine.shift))


def _determinant(affine: Affine) -> Float[Array, ""]:
    (xx, xy), (yx, yy) = affine.matrix
    return xx * yy - xy * yx
