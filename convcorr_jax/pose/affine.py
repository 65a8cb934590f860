"""Affine maps of the input frame, which `convcorr_jax.coords` does not have: rotation and mirroring."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, UInt8

from convcorr_jax.coords import Size


class Affine(NamedTuple):
    """The affine map ``p -> matrix p + shift`` of points (x, y) in pixels."""

    matrix: Float[Array, "2 2"]
    """Rotation, scale and mirroring."""
    shift: Float[Array, "2"]
    """Translation in pixels."""


def rotation(degrees: float | Float[Array, ""]) -> Float[Array, "2 2"]:
    """Return the matrix of a rotation, clockwise as images are shown.

    >>> bool(jnp.allclose(rotation(90.0) @ jnp.array([1.0, 0.0]), jnp.array([0.0, 1.0]), atol=1e-6))
    True
    """
    angle = jnp.deg2rad(degrees)
    cosine, sine = jnp.cos(angle), jnp.sin(angle)
    return jnp.array([[cosine, -sine], [sine, cosine]])


def mapping(
    matrix: Float[Array, "2 2"], point: Float[Array, "2"], target: Float[Array, "2"]
) -> Affine:
    """Return the map with this matrix that maps a point (x, y) to a target."""
    return Affine(matrix, target - apply(Affine(matrix, jnp.zeros(2)), point))


def apply(affine: Affine, points: Float[Array, "*n 2"]) -> Float[Array, "*n 2"]:
    """Return points (x, y) where the map takes them."""
    # Not a matrix product: an accelerator's matrix units round positions to a few bits.
    x, y = points[..., 0], points[..., 1]
    (xx, xy), (yx, yy) = affine.matrix
    return jnp.stack(
        [xx * x + xy * y + affine.shift[0], yx * x + yy * y + affine.shift[1]], axis=-1
    )


def inverse(affine: Affine) -> Affine:
    """Return the map that takes every point back."""
    (xx, xy), (yx, yy) = affine.matrix
    matrix = jnp.array([[yy, -xy], [-yx, xx]]) / determinant(affine)
    return Affine(matrix, -apply(Affine(matrix, jnp.zeros(2)), affine.shift))


def determinant(affine: Affine) -> Float[Array, ""]:
    """Return the factor by which the map changes areas; it is negative if the map mirrors."""
    (xx, xy), (yx, yy) = affine.matrix
    return xx * yy - xy * yx


def warp(
    image: UInt8[Array, "h w 3"], affine: Affine, *, size: Size
) -> UInt8[Array, "{size.height} {size.width} 3"]:
    """Transform an image by an affine map, with bilinear sampling.

    Border pixels are repeated outside the image.

    Args:
        image: 8-bit RGB.
        affine: from pixels of the image to pixels of the result.
        size: of the result, in pixels.
    """
    height, width = image.shape[:2]
    columns, rows = jnp.arange(size.width), jnp.arange(size.height)
    x, y = (axis.astype(jnp.float32) for axis in jnp.meshgrid(columns, rows))
    source = apply(inverse(affine), jnp.stack([x, y], axis=-1))
    x, y = jnp.clip(source[..., 0], 0, width - 1), jnp.clip(source[..., 1], 0, height - 1)
    left, top = jnp.floor(x).astype(jnp.int32), jnp.floor(y).astype(jnp.int32)
    right, bottom = jnp.minimum(left + 1, width - 1), jnp.minimum(top + 1, height - 1)
    across, down = (x - left)[..., None], (y - top)[..., None]

    # On a CPU, XLA gathers whole pixels of a flattened image fastest.
    pixels = image.reshape(-1, 3)

    def row(at: Array) -> Array:
        return pixels[at * width + left] * (1 - across) + pixels[at * width + right] * across

    return jnp.round(row(top) * (1 - down) + row(bottom) * down).astype(jnp.uint8)
