"""Candidate places of keypoints: the cells of a grid over a box, their descriptors and their labels.

Long et al. 2014 warp every box to a square of 500 pixels. `Square` is that square with a margin around it,
so that descriptors at the box's edge also cover what surrounds the box. Candidates are the cells whose
centers lie in the box, or up to a quarter of a pixel beyond it, because the square's side is rounded. Positions
are (x, y) in pixels of the square with its margin; one of its pixels is as long as one of the paper's square.

Two kinds of descriptors are compared. `ConvCells` computes columns of a network, and each candidate is
described by a window of 3 x 3 columns. `SiftCells` computes dense SIFT, and each candidate is described by
one descriptor.

Differs from the paper: it warps the box without a margin, so that the outermost cells are computed from
zeros beyond the box, and it uses columns as the network gives them. Here every column has unit length.

Source: Long, Zhang and Darrell 2014, section 5.
"""

import functools
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int8, UInt8

from convcorr_jax import coords, descriptors
from convcorr_jax.backbone import Network, Params, channels, receptive_field
from convcorr_jax.errors import InputError
from convcorr_jax.shapes import Image

# Side of the square to which the paper warps boxes.
BOX_PX = 500
# Larger squares take more memory than a model of keypoints should.
_LARGEST_PX = 2048
# The paper's number of conv5 cells nearest to a keypoint that are its positive examples.
NEAREST = 10
# Side, in cells, of the window of columns that describes a candidate of `ConvCells`.
WINDOW = 3
# VLFeat's dense SIFT: bins of 8 pixels, so that a descriptor reaches 16 pixels to each side.
SIFT_STRIDE_PX = 8
SIFT_BIN_PX = 8
# Four by four bins of eight orientations.
SIFT_DIMENSIONS = 128
# In bins: a SIFT descriptor closer than the first is a positive example, one farther than the second a
# negative.
SIFT_NEAR_BINS, SIFT_FAR_BINS = 2, 4


@dataclass(frozen=True)
class Square:
    """The square to which boxes are warped.

    Attributes:
        box_px: side of the warped box in pixels, without the margin.
        margin: width of the surroundings on each side of the box, as a fraction of the box's side.

    Raises:
        InputError: the box has no pixels, the margin is negative, or the square is too large.
    """

    box_px: int = BOX_PX
    margin: float = descriptors.BOX_MARGIN

    def __post_init__(self) -> None:
        if not (self.box_px > 0 and self.margin >= 0 and self.side_px <= _LARGEST_PX):
            raise InputError(
                f"a box of {self.box_px} pixels with a margin of {self.margin} is too large or too small; a "
                f"square of at most {_LARGEST_PX} pixels with its margin is expected"
            )

    @property
    def side_px(self) -> int:
        """Side of the square in pixels, with its margin."""
        return round(self.box_px * (1 + 2 * self.margin))

    @property
    def box(self) -> coords.Box:
        """The warped box, in pixels of the square."""
        middle, half = (self.side_px - 1) / 2, self.side_px / (1 + 2 * self.margin) / 2
        return coords.Box(middle - half, middle - half, middle + half, middle + half)

    def from_photograph_px(self, box: coords.Box) -> coords.Transform:
        """Return the transform from pixels of a photograph to pixels of the square."""
        return coords.box_to_size(coords.grow(box, self.margin), (self.side_px, self.side_px))

    def warp(self, photograph: Image, box: coords.Box) -> descriptors.View:
        """Resample a box of a photograph, with its margin, to the square."""
        return descriptors.view(photograph, box, sizes_px=(self.side_px,), margin=self.margin)


@dataclass(frozen=True)
class ConvCells:
    """Candidates described by columns of a network's layers, each column scaled to unit length.

    The cells of the last layer are the candidates; the other layers are interpolated at these cells.
    """

    network: Network
    layers: tuple[str, ...] = ("conv5",)
    square: Square = Square()

    @property
    def name(self) -> str:
        """Name of the descriptors: the layers joined by ``+``."""
        return "+".join(self.layers)

    @property
    def window(self) -> int:
        """Side, in cells, of the window of columns that describes a candidate."""
        return WINDOW

    @property
    def dimensions(self) -> int:
        """The length of a column."""
        return sum(channels(self.network, layer) for layer in self.layers)

    @property
    def field_px(self) -> int:
        """Side, in pixels, of the receptive field of a candidate's window: 195 for CaffeNet's conv5."""
        field = receptive_field(self.network, self.layers[-1])
        return field.size_px + (WINDOW - 1) * field.stride_px

    @property
    def centers(self) -> Float[np.ndarray, "h w 2"]:
        """Centers (x, y) of the candidates, in pixels of the square.

        Raises:
            InputError: no cell lies in the box.
        """
        inside = slice(*self._inside())
        return self._cells()[inside, inside]

    def describe(
        self, squares: UInt8[Array, "b _ _ 3"] | UInt8[np.ndarray, "b _ _ 3"], params: Params
    ) -> Float[Array, "b _ _ d"]:
        """Compute the columns of all candidates of warped boxes and of a rim of one cell around them."""
        recipe = descriptors.Recipe(self.layers, (self.square.side_px,), center=False)
        columns = descriptors.convolutional_descriptors(params, [squares], network=self.network, recipe=recipe)
        first, end = self._inside()
        rim = WINDOW // 2
        inside = slice(first - rim, end + rim)
        return columns[:, inside, inside]

    def labels(self, points: Float[np.ndarray, "n 2"]) -> Int8[np.ndarray, "h w n"]:
        """Label candidates for every keypoint: 1 for positive examples, -1 for negative ones, 0 for others.

        Positive examples are those of the ten nearest candidates whose receptive field covers the keypoint.
        Negative examples are all candidates whose receptive field does not cover it. An absent keypoint (NaN)
        has 0 everywhere.
        """
        offsets = self.centers[:, :, None] - points
        reach = np.abs(offsets).max(axis=-1)
        covers, misses = (reach <= self.field_px / 2), (reach > self.field_px / 2)
        distance = np.linalg.norm(offsets, axis=-1).reshape(-1, len(points))
        ranks = distance.argsort(axis=0, kind="stable").argsort(axis=0)
        return _signed((ranks < NEAREST).reshape(covers.shape) & covers, misses)

    def _cells(self) -> Float[np.ndarray, "h w 2"]:
        grid = descriptors.descriptor_grid(
            self.network, descriptors.Recipe(self.layers, (self.square.side_px,))
        )
        return grid.to_input_px(coords.cell_grid(grid.size).astype(np.float64))

    def _inside(self) -> tuple[int, int]:
        """Return the range of candidates, first and end, which is the same for rows and for columns."""
        x, box = self._cells()[0, :, 0], self.square.box
        rim = WINDOW // 2
        inside = np.flatnonzero((x >= box.x0) & (x <= box.x1))
        inside = inside[(inside >= rim) & (inside < len(x) - rim)]
        if not len(inside):
            raise InputError(f"a box of {self.square.box_px} pixels has no cell of {self.layers[-1]} in it")
        return int(inside[0]), int(inside[-1]) + 1


@dataclass(frozen=True)
class SiftCells:
    """Candidates described by dense SIFT with bins of 8 pixels, one every 8 pixels."""

    square: Square = Square()

    @property
    def name(self) -> str:
        """Name of the descriptors."""
        return "sift"

    @property
    def window(self) -> int:
        """Side, in cells, of the window of descriptors that describes a candidate."""
        return 1

    @property
    def dimensions(self) -> int:
        """The length of a descriptor."""
        return SIFT_DIMENSIONS

    @property
    def centers(self) -> Float[np.ndarray, "h w 2"]:
        """Centers (x, y) of the candidates in pixels of the square, evenly around the middle of the box."""
        per_side = int(self.square.box_px // SIFT_STRIDE_PX) + 1
        cells = coords.cell_grid((per_side, per_side)).astype(np.float64)
        return coords.grid(SIFT_STRIDE_PX, self._first_px(per_side))(cells)

    def describe(
        self, squares: UInt8[Array, "b _ _ 3"] | UInt8[np.ndarray, "b _ _ 3"], params: Params
    ) -> Float[Array, "b h w 128"]:
        """Compute the SIFT descriptors of all candidates; ``params`` are unused."""
        per_side = len(self.centers)
        return _sift(squares, size=(per_side, per_side), first_center_px=self._first_px(per_side))

    def labels(self, points: Float[np.ndarray, "n 2"]) -> Int8[np.ndarray, "h w n"]:
        """Label every candidate for every keypoint, as `ConvCells.labels` does.

        Positive examples are the candidates within two bins (16 pixels) of the keypoint. Negative examples
        are those at a distance of four bins (32 pixels) or more.
        """
        distance = np.linalg.norm(self.centers[:, :, None] - points, axis=-1)
        return _signed(distance <= SIFT_NEAR_BINS * SIFT_BIN_PX, distance >= SIFT_FAR_BINS * SIFT_BIN_PX)

    def _first_px(self, per_side: int) -> float:
        return (self.square.side_px - 1) / 2 - SIFT_STRIDE_PX * (per_side - 1) / 2


Cells = ConvCells | SiftCells


@functools.partial(jax.jit, static_argnames=("size", "first_center_px"))
def _sift(squares, *, size, first_center_px):
    # A bin is half as wide as the radius.
    describe = functools.partial(
        descriptors.dense_sift,
        radius_px=2 * SIFT_BIN_PX,
        stride_px=SIFT_STRIDE_PX,
        first_center_px=first_center_px,
        size=size,
    )
    return jax.lax.map(describe, jnp.asarray(squares))


def _signed(
    positive: Bool[np.ndarray, "h w n"], negative: Bool[np.ndarray, "h w n"]
) -> Int8[np.ndarray, "h w n"]:
    # Distances to an absent point are NaN, and every comparison with NaN is false.
    return positive.astype(np.int8) - negative.astype(np.int8)
