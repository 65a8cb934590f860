"""Turned, scaled and mirrored training images, drawn anew for every sample inside the jitted step.

One affine map a sample, ``p -> matrix p + shift`` in pixels (x, y), moves its image, its points and its torso.
The torso stays where it is (an image without one is turned about its middle), so that a person who is scaled
up or turned loses as few joints as may be.

Source: Tompson et al. 2015, section 3.3: turned by up to 20°, scaled by 0.5 to 1.5, every other one mirrored.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key, UInt8

from convcorr_jax.coords import Size
from convcorr_jax.pose.batch import Batch

DEGREES = 20.0
"""Images are turned by at most this much, either way."""
SCALES = (0.5, 1.5)
"""The least and the greatest scale."""


class Affine(NamedTuple):
    """The map ``p -> matrix p + shift``."""

    matrix: Float[Array, "2 2"]
    shift: Float[Array, "2"]


def augment(
    keys: Key[Array, " b"],
    batch: Batch,
    *,
    left_right_pairs: Sequence[tuple[int, int]],
    degrees: float = DEGREES,
    scales: tuple[float, float] = SCALES,
) -> Batch:
    """A batch whose images, points and torsos are moved by one random map each.

    Args:
        keys: one a sample, so that what is drawn for it does not depend on how a batch is laid over devices.
        batch: in the input frame.
        left_right_pairs: joints that exchange names when an image is mirrored.
        degrees: by how much an image is turned at most.
        scales: least and greatest.

    Returns:
        The batch, in the same frame. Joints that leave the image are NaN.
    """
    images, points, torso = map(jnp.asarray, batch)
    size = Size(*images.shape[1:3])
    middle = jnp.array([(size.width - 1) / 2, (size.height - 1) / 2])
    center = jnp.where(jnp.isnan(torso), middle[None], torso)
    maps = jax.vmap(
        lambda key, center: draw(key, center, size=size, degrees=degrees, scales=scales)
    )(keys, center)
    return Batch(
        images=jax.vmap(warp)(images, maps),
        points=jax.vmap(
            lambda points, one: move(points, one, size=size, left_right_pairs=left_right_pairs)
        )(points, maps),
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
    """A random map of an image of this size that keeps ``center``, or its mirror image, in place."""
    turn_key, scale_key, mirror_key = jax.random.split(key, 3)
    angle = jnp.deg2rad(jax.random.uniform(turn_key, minval=-degrees, maxval=degrees))
    scale = jax.random.uniform(scale_key, minval=scales[0], maxval=scales[1])
    mirrored = jax.random.bernoulli(mirror_key)
    cosine, sine = scale * jnp.cos(angle), scale * jnp.sin(angle)
    turned = jnp.array([[cosine, -sine], [sine, cosine]])
    matrix = jnp.where(mirrored, turned * jnp.array([[-1.0, 1.0]]), turned)
    target = center.at[0].set(jnp.where(mirrored, size.width - 1 - center[0], center[0]))
    return Affine(matrix, target - _apply(Affine(matrix, jnp.zeros(2)), center))


def warp(image: UInt8[Array, "h w 3"], affine: Affine) -> UInt8[Array, "h w 3"]:
    """The image moved by a map, sampled bilinearly; beyond the image its border pixels are repeated."""
    height, width = image.shape[:2]
    x, y = (
        axis.astype(jnp.float32) for axis in jnp.meshgrid(jnp.arange(width), jnp.arange(height))
    )
    source = _apply(_inverse(affine), jnp.stack([x, y], axis=-1))
    x, y = jnp.clip(source[..., 0], 0, width - 1), jnp.clip(source[..., 1], 0, height - 1)
    left, top = jnp.floor(x).astype(jnp.int32), jnp.floor(y).astype(jnp.int32)
    right, bottom = jnp.minimum(left + 1, width - 1), jnp.minimum(top + 1, height - 1)
    across, down = (x - left)[..., None], (y - top)[..., None]

    # Whole pixels of a flat image are what XLA gathers fastest on a CPU.
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
    """Points moved by a map; those outside the image are NaN, and a mirroring map exchanges left and right."""
    moved = _apply(affine, points)
    moved = jnp.where(inside(moved, size=size)[..., None], moved, jnp.nan)
    swapped = list(range(len(points)))
    for left, right in left_right_pairs:
        swapped[left], swapped[right] = right, left
    return jnp.where(_determinant(affine) < 0, moved[jnp.array(swapped)], moved)


def inside(
    points: Float[Array, "*n 2"] | Float[np.ndarray, "*n 2"], *, size: Size
) -> Bool[Array, "*n"] | Bool[np.ndarray, "*n"]:
    """Whether each point lies on an image of this size; false of NaN."""
    x, y = points[..., 0], points[..., 1]
    return (x >= -0.5) & (x <= size.width - 0.5) & (y >= -0.5) & (y <= size.height - 0.5)


def _apply(affine: Affine, points: Float[Array, "*n 2"]) -> Float[Array, "*n 2"]:
    # Written out: an accelerator's matrix units would round positions to a few bits.
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
