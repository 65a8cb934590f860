"""The coordinate convention, and every conversion between frames.

A point is ``(x, y)``: x to the right, y down, 0-based, with pixel *centres* at integers. The pixel
``(i, j)`` therefore covers ``[i - 0.5, i + 0.5] x [j - 0.5, j + 0.5]``, and an image of width W spans
x from -0.5 to W - 0.5. In a five-pixel row the middle is 2, not 2.5.

A box is ``(x0, y0, x1, y1)``: the positions of its *edges* in that same frame. The box that covers a
whole W x H image is ``(-0.5, -0.5, W - 0.5, H - 0.5)``; the tight box of a set of points runs from their
least to their greatest coordinates.

Every change of frame in this library (pixels to grid cells, crops, resizes) is an axis-aligned affine
map, so one value, `Transform`, stands for all of them: build it here, then `apply`, `invert` or `compose`.
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import jax
import numpy as np
from jaxtyping import Float

from convcorr_jax.errors import InputError

AnyPoints = TypeVar("AnyPoints", jax.Array, np.ndarray)


class Size(NamedTuple):
    """Height and width of an image or a grid, in the order of array axes."""

    height: int
    width: int


class Box(NamedTuple):
    """Edges of a rectangle in the point frame (see the module's text)."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def width(self) -> float:
        """Horizontal extent, x1 - x0."""
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        """Vertical extent, y1 - y0."""
        return self.y1 - self.y0

    @property
    def longer_side(self) -> float:
        """The greater of width and height."""
        return max(self.width, self.height)

    @property
    def center(self) -> tuple[float, float]:
        """Its middle (x, y)."""
        return (self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2


class Transform(NamedTuple):
    """The map ``p -> scale * p + shift``, one scale and one shift an axis, in the order (x, y)."""

    scale: Float[jax.Array, "2"] | Float[np.ndarray, "2"]
    shift: Float[jax.Array, "2"] | Float[np.ndarray, "2"]


def apply(transform: Transform, points: AnyPoints) -> AnyPoints:
    """Map points ``[..., 2]`` from the transform's source frame to its target frame.

    Works on NumPy arrays and, under jit, on JAX arrays; NaN (an absent point) stays NaN.

    >>> apply(resize((4, 4), (8, 8)), np.array([[0.0, 3.0]]))
    array([[0.5, 6.5]])
    """
    per_axis = (1,) * (points.ndim - 1) + (2,)
    return points * transform.scale.reshape(per_axis) + transform.shift.reshape(per_axis)


def invert(transform: Transform) -> Transform:
    """The transform that undoes this one.

    >>> apply(invert(crop(Box(9.5, 4.5, 20.0, 20.0))), np.array([[0.0, 0.0]]))
    array([[10.,  5.]])
    """
    return Transform(1.0 / transform.scale, -transform.shift / transform.scale)


def compose(outer: Transform, inner: Transform) -> Transform:
    """The transform that applies ``inner`` first and ``outer`` to its result."""
    return Transform(outer.scale * inner.scale, outer.scale * inner.shift + outer.shift)


def resize(from_size: Sequence[int], to_size: Sequence[int]) -> Transform:
    """Points of an image of ``from_size`` (height, width), after it is resized to ``to_size``.

    ``x -> (x + 0.5) * s - 0.5`` with ``s = to_width / from_width``; likewise y.
    """
    return box_to_size(whole_image(from_size), to_size)


def crop(box: Box) -> Transform:
    """Points of an image, in the frame of the crop whose left and top edges are those of ``box``."""
    return Transform(np.ones(2), np.array([-0.5 - box.x0, -0.5 - box.y0]))


def box_to_size(box: Box, size: Sequence[int]) -> Transform:
    """Points of an image, after ``box`` is cut out and resized to ``size`` (height, width).

    ``x -> (x - x0) * width / (x1 - x0) - 0.5``; likewise y.

    Raises:
        InputError: the box has no area.
    """
    check_box(box)
    height, width = size
    scale = np.array([width / box.width, height / box.height])
    return Transform(scale, -0.5 - scale * np.array([box.x0, box.y0]))


def grid(stride_px: float | Sequence[float], first_center_px: float | Sequence[float]) -> Transform:
    """Grid cells (column, row) to pixels: ``x = first_center_px + stride_px * column``.

    >>> apply(grid(16, 17), np.array([[0.0, 2.0]]))
    array([[17., 49.]])
    """
    scale = np.broadcast_to(np.asarray(stride_px, dtype=float), (2,))
    shift = np.broadcast_to(np.asarray(first_center_px, dtype=float), (2,))
    return Transform(scale, shift)


def whole_image(size: Sequence[int]) -> Box:
    """The box that covers an image of this size (height, width), edge to edge."""
    height, width = size
    return Box(-0.5, -0.5, width - 0.5, height - 0.5)


def tight_box(points: np.ndarray) -> Box:
    """The least box that holds every present point of ``[n, 2]``.

    Raises:
        InputError: no point is present.
    """
    present = points[~np.isnan(points).any(axis=-1)]
    if not len(present):
        raise InputError("a tight box needs at least one present point, and all of them are NaN")
    return Box(*present.min(axis=0).tolist(), *present.max(axis=0).tolist())


def grow(box: Box, margin: float) -> Box:
    """The box with ``margin`` times its width added left and right, and likewise above and below.

    >>> grow(Box(0.0, 0.0, 10.0, 20.0), 0.1)
    Box(x0=-1.0, y0=-2.0, x1=11.0, y1=22.0)
    """
    across, down = margin * box.width, margin * box.height
    return Box(box.x0 - across, box.y0 - down, box.x1 + across, box.y1 + down)


def square(box: Box) -> Box:
    """The least square that holds the box, with the same middle.

    >>> square(Box(0.0, 0.0, 10.0, 20.0))
    Box(x0=-5.0, y0=0.0, x1=15.0, y1=20.0)
    """
    side = box.longer_side
    across, down = (side - box.width) / 2, (side - box.height) / 2
    return Box(box.x0 - across, box.y0 - down, box.x1 + across, box.y1 + down)


def check_box(box: Box) -> None:
    """Refuse a box that is not finite or has no area.

    Raises:
        InputError: as said.
    """
    if not np.isfinite(box).all():
        raise InputError(f"box {tuple(box)} must be four finite numbers x0 y0 x1 y1")
    if box.width <= 0 or box.height <= 0:
        raise InputError(f"box {tuple(box)} has no area: x0 < x1 and y0 < y1 are expected")


def flip_points(
    points: np.ndarray, *, width: int, left_right_pairs: Sequence[tuple[int, int]] = ()
) -> np.ndarray:
    """Points ``[n, 2]`` of an image of this width after it is mirrored left to right.

    ``x -> width - 1 - x``; then the two points of every left/right pair exchange their places, so that
    "left eye" is again the eye on the left of the (mirrored) face.
    """
    flipped = points.copy()
    flipped[:, 0] = width - 1 - flipped[:, 0]
    for left, right in left_right_pairs:
        flipped[[left, right]] = flipped[[right, left]]
    return flipped


def flip_box(box: Box, *, width: int) -> Box:
    """A box of an image of this width after it is mirrored left to right.

    >>> flip_box(Box(-0.5, 0.0, 1.5, 3.0), width=4)
    Box(x0=1.5, y0=0.0, x1=3.5, y1=3.0)
    """
    return Box(width - 1 - box.x1, box.y0, width - 1 - box.x0, box.y1)


def cell_grid(size: Sequence[int]) -> np.ndarray:
    """The cell (column, row) of every position of a grid, as ``[height, width, 2]``."""
    height, width = size
    rows, columns = np.mgrid[:height, :width]
    return np.stack([columns, rows], axis=-1).astype(np.float32)


def linear_weights(positions: AnyPoints, length: int) -> AnyPoints:
    """Compute the matrix that interpolates linearly along an axis of ``length`` samples.

    Row i holds ``max(0, 1 - |p_i - k|)`` for every sample k, where ``p_i`` is the position clipped to the range
    of the samples. A field ``f[h, w]`` is read bilinearly on a grid as ``rows @ f @ columns.T``.

    >>> linear_weights(np.array([0.25, 7.0]), 3)
    array([[0.75, 0.25, 0.  ],
           [0.  , 0.  , 1.  ]])

    Args:
        positions: ``[n]`` positions in units of samples, 0 at the first sample's centre. They are a NumPy or a
            JAX array; NaN gives a row of NaN.
        length: the number of samples.

    Returns:
        ``[n, length]`` weights, of the kind of ``positions``.
    """
    inside = positions.clip(0, length - 1)
    return _hat(inside[:, None] - np.arange(length)[None])


def _hat(distance):
    return (1 - abs(distance)).clip(0)
