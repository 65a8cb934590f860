"""Augmentation of training images; heat-maps of rotated and mirrored images, mapped back to the images.

One affine map for each sample, ``p -> matrix p + shift`` in pixels (x, y), rotates, scales, shifts and mirrors
the image with its surroundings to the input frame, and with it points and torso. The torso (the middle of the
frame where the torso is unknown) stays in its place but for the shift, so that scaling and rotation move few
joints out of the frame.

Source: Tompson et al. 2015, section 3.3: rotation by up to 20°, scales of 0.5 to 1.5, mirroring of every second
image. Differs from the paper: options of `Augmentation` displace the person and make torsos unknown, and the
preset `person` rotates by up to 60°.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.ndimage import map_coordinates
from jaxtyping import Array, Float, Key, UInt8

from convcorr_jax import coords
from convcorr_jax.coords import Size
from convcorr_jax.errors import InputError
from convcorr_jax.pose.architecture import Architecture
from convcorr_jax.pose.framing import Corners
from convcorr_jax.pose.heatmaps import Batch


class Affine(NamedTuple):
    """The affine map ``p -> matrix p + shift`` of points (x, y) in pixels."""

    matrix: Float[Array, "2 2"]
    shift: Float[Array, "2"]

    def __call__(self, points: Float[Array, "*n 2"]) -> Float[Array, "*n 2"]:
        """Map points (x, y)."""
        # Not a matrix product: an accelerator's matrix units round positions to a few bits.
        x, y = points[..., 0], points[..., 1]
        (xx, xy), (yx, yy) = self.matrix
        return jnp.stack([xx * x + xy * y + self.shift[0], yx * x + yy * y + self.shift[1]], axis=-1)

    @property
    def inverse(self) -> "Affine":
        """The map that takes every point back."""
        (xx, xy), (yx, yy) = self.matrix
        matrix = jnp.array([[yy, -xy], [-yx, xx]]) / determinant(self)
        return Affine(matrix, -Affine(matrix, jnp.zeros(2))(self.shift))


def rotation(degrees: float | Float[Array, ""]) -> Float[Array, "2 2"]:
    """Return the matrix of a rotation, clockwise as images are shown.

    >>> bool(jnp.allclose(rotation(90.0) @ jnp.array([1.0, 0.0]), jnp.array([0.0, 1.0]), atol=1e-6))
    True
    """
    angle = jnp.deg2rad(degrees)
    cosine, sine = jnp.cos(angle), jnp.sin(angle)
    return jnp.array([[cosine, -sine], [sine, cosine]])


def mapping(matrix: Float[Array, "2 2"], point: Float[Array, "2"], target: Float[Array, "2"]) -> Affine:
    """Return the map with this matrix that maps a point (x, y) to a target."""
    return Affine(matrix, target - Affine(matrix, jnp.zeros(2))(point))


def determinant(affine: Affine) -> Float[Array, ""]:
    """Return the factor by which the map changes areas; it is negative if the map mirrors."""
    (xx, xy), (yx, yy) = affine.matrix
    return xx * yy - xy * yx


def warp_affine(
    image: UInt8[Array, "h w 3"], affine: Affine, *, size: Size
) -> UInt8[Array, "{size.height} {size.width} 3"]:
    """Transform an image by an affine map, with bilinear sampling.

    The map is from pixels of the image to pixels of the result. Border pixels are repeated outside the image.
    """
    height, width = image.shape[:2]
    columns, rows = jnp.arange(size.width), jnp.arange(size.height)
    x, y = (axis.astype(jnp.float32) for axis in jnp.meshgrid(columns, rows))
    source = affine.inverse(jnp.stack([x, y], axis=-1))
    x, y = jnp.clip(source[..., 0], 0, width - 1), jnp.clip(source[..., 1], 0, height - 1)
    left, top = jnp.floor(x).astype(jnp.int32), jnp.floor(y).astype(jnp.int32)
    right, bottom = jnp.minimum(left + 1, width - 1), jnp.minimum(top + 1, height - 1)
    across, down = (x - left)[..., None], (y - top)[..., None]

    # On a CPU, XLA gathers whole pixels of a flattened image fastest.
    pixels = image.reshape(-1, 3)

    def row(at: Array) -> Array:
        return pixels[at * width + left] * (1 - across) + pixels[at * width + right] * across

    return jnp.round(row(top) * (1 - down) + row(bottom) * down).astype(jnp.uint8)


class Rotation(NamedTuple):
    """A rotation of images around their middle."""

    to_rotated: Affine
    """From pixels of the image to pixels of the rotated image, which has the same size."""
    size: coords.Size

    def images(self, images: UInt8[Array, "b h w 3"]) -> UInt8[Array, "b h w 3"]:
        """Return the rotated images; pixels of the border are repeated outside."""
        warp = partial(warp_affine, affine=self.to_rotated, size=self.size)
        return jax.vmap(warp)(images)

    def maps_of_images(self, maps: Float[Array, "b h w j"], cells: coords.Transform) -> Float[Array, "b h w j"]:
        """Return maps of the rotated images as those of the images, by bilinear interpolation.

        ``cells`` is the transform from cells (column, row) to pixels. Outside the rotated image's cells, maps
        fall to 0 within one cell.
        """
        height, width = maps.shape[1:3]
        columns_rows = jnp.stack(jnp.meshgrid(jnp.arange(width), jnp.arange(height)), axis=-1)
        pixels = self.to_rotated(cells(columns_rows))
        x, y = jnp.moveaxis(cells.inverse(pixels), -1, 0)
        sample = partial(map_coordinates, coordinates=[y, x], order=1, mode="constant")
        of_image = jax.vmap(sample, in_axes=-1, out_axes=-1)
        return jax.vmap(of_image)(maps)


def rotation_of(size: coords.Size, degrees: float | Float[Array, ""]) -> Rotation:
    """Return the clockwise rotation of images of a size."""
    middle = jnp.array([(size.width - 1) / 2, (size.height - 1) / 2])
    return Rotation(mapping(rotation(degrees), middle, middle), size)


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

    Raises:
        InputError: the image is not a whole number of cells wide, so that a mirrored cell is between cells.
    """
    stride = max(architecture.pooling, architecture.window_stride)
    if size.width % stride:
        raise InputError(
            f"images are {size.width} pixels wide; with mirrored images a multiple of {stride} is expected"
        )
    joints = mirrored_joints(len(architecture.joints), architecture.left_right_pairs)
    return Mirror(joints, size.width - architecture.fine_window)


def mirrored_joints(joints: int, left_right_pairs: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    """Return the number of the joint that each joint is in the mirror.

    >>> mirrored_joints(3, [(0, 2)])
    (2, 1, 0)
    """
    numbers = list(range(joints))
    for left, right in left_right_pairs:
        numbers[left], numbers[right] = right, left
    return tuple(numbers)


class Augmentation(NamedTuple):
    """How training images are transformed; the defaults are the paper's."""

    degrees: float = 20.0
    """The greatest rotation in either direction."""
    scales: tuple[float, float] = (0.5, 1.5)
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

    Joints outside the frame, whose size is in pixels, are NaN.

    Args:
        keys: one key for each sample, so that its map does not depend on the division of a batch among devices.
        batch: images with their surroundings, which have the frame in their middle; points and torsos in the
            frame.
    """
    images, points, torso = map(jnp.asarray, batch)
    middle = jnp.array([(size.width - 1) / 2, (size.height - 1) / 2])
    center = jnp.where(jnp.isnan(torso), middle[None], torso)
    surroundings = frame_offset(Size(*images.shape[1:3]), size)
    map_keys, torso_keys = jax.vmap(jax.random.split, out_axes=1)(keys)
    maps = jax.vmap(partial(draw, size=size, augmentation=augmentation))(map_keys, center)
    forget = jax.vmap(partial(jax.random.bernoulli, p=augmentation.unknown_torso))(torso_keys)
    known = jax.vmap(Affine.__call__)(maps, torso)
    return Batch(
        images=jax.vmap(partial(warp_affine, size=size))(images, _from_image(maps, surroundings)),
        points=jax.vmap(partial(move, size=size, left_right_pairs=left_right_pairs))(points, maps),
        torso=jnp.where(forget[:, None], jnp.nan, known),
    )


def frame_offset(image: Size, frame: Size) -> tuple[float, float]:
    """Return the first pixel (x, y) of a frame in the middle of an image.

    >>> frame_offset(Size(6, 8), Size(4, 4))
    (2.0, 1.0)
    """
    return (image.width - frame.width) / 2, (image.height - frame.height) / 2


def draw(key: Key[Array, ""], center: Float[Array, "2"], *, size: Size, augmentation: Augmentation) -> Affine:
    """Draw a random affine map of a frame's point to itself or to its mirror image, but for the shift."""
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
    points: Float[Array, "j 2"], affine: Affine, *, size: Size, left_right_pairs: Sequence[tuple[int, int]]
) -> Float[Array, "j 2"]:
    """Transform points by an affine map, and exchange left and right joints if the map mirrors.

    Joints that are missing or outside the frame are NaN.
    """
    moved = affine(points)
    is_inside = coords.inside(moved, coords.whole_image(size))
    moved = jnp.where(is_inside[..., None], moved, jnp.nan)
    swapped = moved[jnp.array(mirrored_joints(len(points), left_right_pairs))]
    return jnp.where(determinant(affine) < 0, swapped, moved)


def _from_image(maps: Affine, offset: tuple[float, float]) -> Affine:
    """Return the maps from pixels of the images, in which the frame begins at this pixel."""
    begin = jax.vmap(Affine.__call__, in_axes=(0, None))(
        maps._replace(shift=jnp.zeros_like(maps.shift)), jnp.array(offset)
    )
    return maps._replace(shift=maps.shift - begin)
