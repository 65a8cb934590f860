"""Where a keypoint is looked for: the cells of a grid over a box, what describes them, which are examples.

Long et al. 2014 warp every box to a square of 500 pixels. `Square` is that square with a margin around it, so
that a cell at the box's edge sees what lies beyond; candidates are the cells whose centres lie in the box.
Positions are pixels (x, y) of the margined square throughout, of which one is as long as in the paper's.

Two descriptions are compared. `ConvCells` gives columns of a network, from which each candidate takes a window
of 3 x 3 cells; `SiftCells` gives dense SIFT, one descriptor a candidate.

Differs from the paper: it warps the box alone, whose outermost cells see zeros beyond it; and it uses the
columns as they are, where here each has unit length.

Source: Long, Zhang and Darrell 2014, section 5.
"""

import functools
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int8, UInt8

from convcorr_jax import coords
from convcorr_jax.backbone import Network, Params, receptive_field
from convcorr_jax.descriptors.convolutional import (
    Recipe,
    convolutional_descriptors,
    descriptor_grid,
)
from convcorr_jax.descriptors.sift import dense_sift
from convcorr_jax.descriptors.views import BOX_MARGIN, View, view
from convcorr_jax.errors import InputError
from convcorr_jax.shapes import Image

BOX_PX = 500
# Of conv5, the candidates nearest to a keypoint that are its examples.
NEAREST = 10
WINDOW = 3
# Of VLFeat's dense SIFT: bins of 8 pixels, so that a descriptor reaches 16 pixels to each side.
SIFT_STRIDE_PX = 8
SIFT_BIN_PX = 8
# In bins: a SIFT descriptor nearer than the first is an example, one farther than the second a counterexample.
SIFT_NEAR_BINS, SIFT_FAR_BINS = 2, 4


@dataclass(frozen=True)
class Square:
    """The square to which boxes are warped.

    Attributes:
        box_px: side of the box in it.
        margin: what is shown around the box on each side, in fractions of its side.
    """

    box_px: int = BOX_PX
    margin: float = BOX_MARGIN

    @property
    def side_px(self) -> int:
        """Side of the square with its margin."""
        return round(self.box_px * (1 + 2 * self.margin))

    @property
    def box(self) -> coords.Box:
        """Where the box lies in it."""
        middle, half = (self.side_px - 1) / 2, self.side_px / (1 + 2 * self.margin) / 2
        return coords.Box(middle - half, middle - half, middle + half, middle + half)

    def from_photograph_px(self, box: coords.Box) -> coords.Transform:
        """Pixels of a box's photograph to pixels of the square."""
        return coords.box_to_size(coords.grow(box, self.margin), (self.side_px, self.side_px))

    def show(self, photograph: Image, box: coords.Box) -> View:
        """A photograph's box in the square.

        Raises:
            InputError: as `convcorr_jax.descriptors.views.view`.
        """
        return view(photograph, box, sizes_px=(self.side_px,), margin=self.margin)


@dataclass(frozen=True)
class ConvCells:
    """Columns of a network, each at unit length.

    Attributes:
        network: the layer table.
        layers: of the network; the last names the grid, the others are read at its cells.
        square: what is described.
    """

    network: Network
    layers: tuple[str, ...] = ("conv5",)
    square: Square = Square()

    @property
    def name(self) -> str:
        """Of the description: its layers."""
        return "+".join(self.layers)

    @property
    def window(self) -> int:
        """Side, in cells, of what a candidate takes of the grid."""
        return WINDOW

    @property
    def field_px(self) -> int:
        """Side of what a candidate sees: 195 pixels for CaffeNet's conv5."""
        field = receptive_field(self.network, self.layers[-1])
        return field.size_px + (WINDOW - 1) * field.stride_px

    @property
    def centers(self) -> Float[np.ndarray, "h w 2"]:
        """Of the candidates.

        Raises:
            InputError: there is no cell in the box.
        """
        inside = slice(*self._inside())
        return self._cells()[inside, inside]

    def describe(
        self, squares: UInt8[Array, "b _ _ 3"] | UInt8[np.ndarray, "b _ _ 3"], params: Params
    ) -> Float[Array, "b _ _ d"]:
        """The grid's columns: the candidates' and a rim of one cell around them."""
        recipe = Recipe(self.layers, (self.square.side_px,), center=False)
        found = convolutional_descriptors(params, [squares], network=self.network, recipe=recipe)
        first, end = self._inside()
        rim = WINDOW // 2
        kept = slice(first - rim, end + rim)
        return found[:, kept, kept]

    def labels(self, points: Float[np.ndarray, "n 2"]) -> Int8[np.ndarray, "h w n"]:
        """1 for each keypoint's examples, -1 for its counterexamples, 0 for what is neither.

        Examples are the ten nearest candidates that see the keypoint; counterexamples are those that do not
        see it. Of an absent keypoint (NaN) there are neither.
        """
        offsets = self.centers[:, :, None] - points
        reach = np.abs(offsets).max(axis=-1)
        sees, misses = (reach <= self.field_px / 2), (reach > self.field_px / 2)
        distance = np.linalg.norm(offsets, axis=-1).reshape(-1, len(points))
        ranks = distance.argsort(axis=0, kind="stable").argsort(axis=0)
        return _labels((ranks < NEAREST).reshape(sees.shape) & sees, misses)

    def _cells(self) -> Float[np.ndarray, "h w 2"]:
        grid = descriptor_grid(self.network, Recipe(self.layers, (self.square.side_px,)))
        return coords.apply(grid.to_input_px, coords.cell_grid(grid.size).astype(np.float64))

    def _inside(self) -> tuple[int, int]:
        """First cell in the box and the first after it, of a row as of a column, and with a rim around."""
        x, box = self._cells()[0, :, 0], self.square.box
        rim = WINDOW // 2
        inside = np.flatnonzero((x >= box.x0) & (x <= box.x1))
        inside = inside[(inside >= rim) & (inside < len(x) - rim)]
        if not len(inside):
            raise InputError(
                f"a box of {self.square.box_px} pixels has no cell of {self.layers[-1]} in it"
            )
        return int(inside[0]), int(inside[-1]) + 1


@dataclass(frozen=True)
class SiftCells:
    """Dense SIFT with bins of 8 pixels, every 8 pixels.

    Attributes:
        square: what is described.
    """

    square: Square = Square()

    @property
    def name(self) -> str:
        """Of the description."""
        return "sift"

    @property
    def window(self) -> int:
        """A candidate takes one cell of the grid."""
        return 1

    @property
    def centers(self) -> Float[np.ndarray, "h w 2"]:
        """Of the candidates: as many as the box holds, evenly about its middle."""
        per_side = int(self.square.box_px // SIFT_STRIDE_PX) + 1
        cells = coords.cell_grid((per_side, per_side)).astype(np.float64)
        return coords.apply(coords.grid(SIFT_STRIDE_PX, self._first_px(per_side)), cells)

    def describe(
        self, squares: UInt8[Array, "b _ _ 3"] | UInt8[np.ndarray, "b _ _ 3"], params: Params
    ) -> Float[Array, "b h w 128"]:
        """Descriptors of the candidates; no network's weights matter to them."""
        per_side = len(self.centers)
        return _sift(squares, size=(per_side, per_side), first_center_px=self._first_px(per_side))

    def labels(self, points: Float[np.ndarray, "n 2"]) -> Int8[np.ndarray, "h w n"]:
        """As `ConvCells.labels`: examples lie within two bins, counterexamples four bins away or farther."""
        distance = np.linalg.norm(self.centers[:, :, None] - points, axis=-1)
        return _labels(
            distance <= SIFT_NEAR_BINS * SIFT_BIN_PX, distance >= SIFT_FAR_BINS * SIFT_BIN_PX
        )

    def _first_px(self, per_side: int) -> float:
        return (self.square.side_px - 1) / 2 - SIFT_STRIDE_PX * (per_side - 1) / 2


Cells = ConvCells | SiftCells


@functools.partial(jax.jit, static_argnames=("size", "first_center_px"))
def _sift(squares, *, size, first_center_px):
    # A bin is half as wide as the radius.
    describe = functools.partial(
        dense_sift,
        radius_px=2 * SIFT_BIN_PX,
        stride_px=SIFT_STRIDE_PX,
        first_center_px=first_center_px,
        size=size,
    )
    return jax.lax.map(describe, jnp.asarray(squares))


def _labels(
    examples: Bool[np.ndarray, "h w n"], counterexamples: Bool[np.ndarray, "h w n"]
) -> Int8[np.ndarray, "h w n"]:
    # Distances to an absent point are NaN, and every comparison with them is false.
    return examples.astype(np.int8) - counterexamples.astype(np.int8)
