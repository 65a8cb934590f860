"""The coordinate convention, and every conversion between frames.

A point is ``(x, y)``: x to the right, y down, 0-based, with pixel *centres* at integers. The pixel
``(i, j)`` therefore covers ``[i - 0.5, i + 0.5] x [j - 0.5, j + 0.5]``, and an image of width W spans
x from -0.5 to W - 0.5. In a five-pixel row the middle is 2, not 2.5.

A box is ``(x0, y0, x1, y1)``: the positions of its *edges* in the same frame. The box that covers a whole W x H
image is ``(-0.5, -0.5, W - 0.5, H - 0.5)``; the tight box of a set of points extends from their least to their
greatest coordinates. A point is inside a box if it is not beyond one of its edges (`inside`).

Every change of frame in this library (pixels to grid cells, crops, resizes) is an axis-aligned affine map, and
is represented by a `Transform`: create it with a function of this module, call it with points, invert it with
``transform.inverse``, and compose two with ``outer @ inner``.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
from jaxtyping import Bool, Float

from convcorr_jax.arrays import promote_arrays as _promote_arrays
from convcorr_jax.errors import InputError

if TYPE_CHECKING:
    # Only for types: reading an image and checking a box do not wait for JAX.
    import jax

AnyPoints = TypeVar("AnyPoints", "jax.Array", np.ndarray)


class Size(NamedTuple):
    """Height and width of an image or a grid, in the order of array axes."""

    height: int
    width: int


class Box(NamedTuple):
    """The left, upper, right and lower edge of a rectangle; pixel centres are at integers, as for points."""

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
        """Center (x, y)."""
        return (self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2


class Transform(NamedTuple):
    """The map ``p -> scale * p + shift``, one scale and one shift an axis, in the order (x, y)."""

    scale: "Float[jax.Array, '2'] | Float[np.ndarray, '2']"
    """Target units per source unit."""
    shift: "Float[jax.Array, '2'] | Float[np.ndarray, '2']"
    """The position of the source frame's origin, in the target frame."""

    # An array on the left of ``@`` is refused; NumPy would multiply it with the matrix of scale and shift.
    __array_ufunc__ = None

    def __call__(self, points: AnyPoints) -> AnyPoints:
        """Map points ``[..., 2]`` from the source frame to the target frame.

        Works on NumPy arrays and, under jit, on JAX arrays; NaN (an absent point) stays NaN.

        >>> resize((4, 4), (8, 8))(np.array([[0.0, 3.0]]))
        array([[0.5, 6.5]])

        Raises:
            InputError: the points are no array of two columns.
        """
        shape = getattr(points, "shape", ())
        if shape[-1:] != (2,):
            kind = f"{type(points).__name__} of shape {list(shape)}"
            raise InputError(f"points are {kind}; an array [..., 2] of x and y is expected")
        per_axis = (1,) * (points.ndim - 1) + (2,)
        return points * self.scale.reshape(per_axis) + self.shift.reshape(per_axis)

    def __matmul__(self, inner: "Transform") -> "Transform":
        """Return the transform that applies ``inner`` first and this one to its result."""
        if not isinstance(inner, Transform):
            return NotImplemented
        return Transform(self.scale * inner.scale, self.scale * inner.shift + self.shift)

    @property
    def inverse(self) -> "Transform":
        """The transform from the target frame to the source frame.

        >>> crop(Box(9.5, 4.5, 20.0, 20.0)).inverse(np.array([[0.0, 0.0]]))
        array([[10.,  5.]])
        """
        return Transform(1.0 / self.scale, -self.shift / self.scale)


def resize(from_size: Sequence[int], to_size: Sequence[int]) -> Transform:
    """Return the transform of points when their image is resized.

    ``x -> (x + 0.5) * s - 0.5`` with ``s = to_width / from_width``, and the same for y with the heights.
    """
    return box_to_size(whole_image(from_size), to_size)


def crop(box: Box) -> Transform:
    """Return the transform of points from an image to the crop that begins at a box's left and upper edges."""
    return Transform(np.ones(2), np.array([-0.5 - box.x0, -0.5 - box.y0]))


def box_to_size(box: Box, size: Sequence[int]) -> Transform:
    """Return the transform of points when a box is cut out of their image and resized.

    ``x -> (x - x0) * width / (x1 - x0) - 0.5``, and the same for y with y0, y1 and the height.

    Raises:
        InputError: the box is not finite or has no area.
    """
    check_box(box)
    height, width = size
    scale = np.array([width / box.width, height / box.height])
    return Transform(scale, -0.5 - scale * np.array([box.x0, box.y0]))


def grid(stride_px: float | Sequence[float], first_center_px: float | Sequence[float]) -> Transform:
    """Return the transform from grid cells (column, row) to pixels.

    ``x = first_center_px + stride_px * column``, and the same for y with the row. Either is one number, or one
    for x and one for y.

    >>> grid(16, 17)(np.array([[0.0, 2.0]]))
    array([[17., 49.]])
    """
    scale = np.broadcast_to(np.asarray(stride_px, dtype=float), (2,))
    shift = np.broadcast_to(np.asarray(first_center_px, dtype=float), (2,))
    return Transform(scale, shift)


def whole_image(size: Sequence[int]) -> Box:
    """Return the box that covers an image of this size (height, width), edge to edge."""
    height, width = size
    return Box(-0.5, -0.5, width - 0.5, height - 0.5)


def tight_box(points: Float[np.ndarray, "n 2"]) -> Box:
    """Return the smallest box that contains every present point.

    Raises:
        InputError: no point is present.
    """
    present = points[~np.isnan(points).any(axis=-1)]
    if not len(present):
        raise InputError("a tight box needs at least one present point, and all of them are NaN")
    return Box(*present.min(axis=0).tolist(), *present.max(axis=0).tolist())


def grow(box: Box, margin: float) -> Box:
    """Return a box enlarged on all sides.

    Its width times ``margin`` is added at the left and right, its height times ``margin`` above and below.

    >>> grow(Box(0.0, 0.0, 10.0, 20.0), 0.1)
    Box(x0=-1.0, y0=-2.0, x1=11.0, y1=22.0)
    """
    across, down = margin * box.width, margin * box.height
    return Box(box.x0 - across, box.y0 - down, box.x1 + across, box.y1 + down)


def square(box: Box) -> Box:
    """Return the smallest square that contains a box and has the same center.

    >>> square(Box(0.0, 0.0, 10.0, 20.0))
    Box(x0=-5.0, y0=0.0, x1=15.0, y1=20.0)
    """
    side = box.longer_side
    across, down = (side - box.width) / 2, (side - box.height) / 2
    return Box(box.x0 - across, box.y0 - down, box.x1 + across, box.y1 + down)


def inside(points: Float[Any, "*n 2"], box: Box) -> Bool[Any, "*n"]:
    """Return whether each point is inside a box, edges included; absent points (NaN) are not.

    >>> inside(np.array([[-0.5, 2.0], [4.6, 2.0]]), whole_image((4, 5)))
    array([ True, False])
    """
    x, y = points[..., 0], points[..., 1]
    return (x >= box.x0) & (x <= box.x1) & (y >= box.y0) & (y <= box.y1)


def check_box(box: Box) -> None:
    """Refuse a box that is not finite or has no area.

    Raises:
        InputError: an edge is NaN or infinite, or the right or lower edge is not beyond the left or upper one.
    """
    if not np.isfinite(box).all():
        raise InputError(f"box {tuple(box)} must be four finite numbers x0 y0 x1 y1")
    if box.width <= 0 or box.height <= 0:
        raise InputError(f"box {tuple(box)} has no area: x0 < x1 and y0 < y1 are expected")


def check_meets(box: Box, size: Sequence[int]) -> None:
    """Refuse a box that an image does not show, or of which it shows only a small part.

    Raises:
        InputError: the box is not finite, has no area, is outside the image, or extends beyond it by more than
            the image's own width or height.
    """
    check_box(box)
    height, width = size
    border = whole_image(size)
    if box.x0 >= border.x1 or box.y0 >= border.y1 or box.x1 <= border.x0 or box.y1 <= border.y0:
        raise InputError(f"box {tuple(box)} lies outside the image of {width} x {height} pixels")
    across = max(border.x0 - box.x0, box.x1 - border.x1)
    down = max(border.y0 - box.y0, box.y1 - border.y1)
    if across > width or down > height:
        raise InputError(
            f"box {tuple(box)} reaches beyond the image of {width} x {height} pixels by more than its size"
        )


def flip_points(
    points: Float[np.ndarray, "n 2"], *, width: int, left_right_pairs: Sequence[tuple[int, int]] = ()
) -> Float[np.ndarray, "n 2"]:
    """Mirror points left to right with their image.

    ``x -> width - 1 - x``; then the two points of every left/right pair are exchanged, so that "left eye" is
    the left eye of the mirrored face.
    """
    flipped = points.copy()
    flipped[:, 0] = width - 1 - flipped[:, 0]
    for left, right in left_right_pairs:
        flipped[[left, right]] = flipped[[right, left]]
    return flipped


def flip_box(box: Box, *, width: int) -> Box:
    """Mirror a box left to right with its image of this width.

    >>> flip_box(Box(-0.5, 0.0, 1.5, 3.0), width=4)
    Box(x0=1.5, y0=0.0, x1=3.5, y1=3.0)
    """
    return Box(width - 1 - box.x1, box.y0, width - 1 - box.x0, box.y1)


def cell_grid(size: Sequence[int]) -> np.ndarray:
    """Return the cell (column, row) at every position of a grid, ``[height, width, 2]``."""
    height, width = size
    rows, columns = np.mgrid[:height, :width]
    return np.stack([columns, rows], axis=-1).astype(np.float32)


def linear_weights(positions: Float[Any, " n"], length: int) -> Float[Any, "n length"]:
    """Compute the matrix that interpolates linearly along an axis of ``length`` samples.

    Row i holds ``max(0, 1 - |p_i - k|)`` for every sample k, where ``p_i`` is the position clipped to the range
    of the samples. A field ``f[h, w]`` is read bilinearly on a grid as ``rows @ f @ columns.T``. Positions are
    a NumPy or a JAX array, 0 at the first sample's centre; NaN gives a row of NaN.

    >>> linear_weights(np.array([0.25, 7.0]), 3)
    array([[0.75, 0.25, 0.  ],
           [0.  , 0.  , 1.  ]])

    Raises:
        InputError: there is no sample.
    """
    if length < 1:
        raise InputError(f"an axis has {length} samples; at least one is expected")
    inside = positions.clip(0, length - 1)
    return (1 - abs(inside[:, None] - np.arange(length)[None])).clip(0)


_promote_arrays(globals())  # From here on, callers' arrays are checked and promoted (`convcorr_jax.arrays`).
