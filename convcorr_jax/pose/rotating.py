"""Rotated copies of images, whose heat-maps are averaged with those of the images themselves."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.ndimage import map_coordinates
from jaxtyping import Array, Float, UInt8

from convcorr_jax import coords
from convcorr_jax.pose import affine


class Rotation(NamedTuple):
    """A rotation of images around their middle."""

    to_rotated: affine.Affine
    """The map from pixels of the image to pixels of the rotated image, which has the same size."""
    size: coords.Size
    """The size of the images, in pixels."""

    def images(self, images: UInt8[Array, "b h w 3"]) -> UInt8[Array, "b h w 3"]:
        """Return the rotated images; pixels of the border are repeated outside."""
        warp = partial(affine.warp, affine=self.to_rotated, size=self.size)
        return jax.vmap(warp)(images)

    def maps_of_images(
        self, maps: Float[Array, "b h w j"], cells: coords.Transform
    ) -> Float[Array, "b h w j"]:
        """Return maps of the rotated images as those of the images, by bilinear interpolation.

        Args:
            maps: maps of the rotated images.
            cells: the transform from cells (column, row) to pixels.

        Returns:
            The maps. Outside the rotated image's cells, they fall to 0 within one cell.
        """
        height, width = maps.shape[1:3]
        columns_rows = jnp.stack(jnp.meshgrid(jnp.arange(width), jnp.arange(height)), axis=-1)
        pixels = affine.apply(self.to_rotated, coords.apply(cells, columns_rows))
        x, y = jnp.moveaxis(coords.apply(coords.invert(cells), pixels), -1, 0)
        sample = partial(map_coordinates, coordinates=[y, x], order=1, mode="constant")
        of_image = jax.vmap(sample, in_axes=-1, out_axes=-1)
        return jax.vmap(of_image)(maps)


def rotation_of(size: coords.Size, degrees: float | Float[Array, ""]) -> Rotation:
    """Return the rotation of images of a size.

    Args:
        size: of the images, in pixels.
        degrees: the angle, clockwise.
    """
    middle = jnp.array([(size.width - 1) / 2, (size.height - 1) / 2])
    return Rotation(affine.mapping(affine.rotation(degrees), middle, middle), size)
