"""Alignment of two photographs, from pixels to pixels, in one call.

Each photograph (or a box in it) is resampled to squares and described on a grid of cells, and the two grids are
aligned in both directions. Results are in host memory; `convcorr_jax.flow` has the stages that run under jit.

Source: Long, Zhang and Darrell 2014, section 3.
Differs from the paper: it aligns in one direction; here the backward flow decides which matches are reliable.
"""

import functools
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import zip_longest
from typing import TYPE_CHECKING, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, UInt8

from convcorr_jax import coords, descriptors, images
from convcorr_jax.arrays import promote_arrays as _promote_arrays
from convcorr_jax.backbone import Network, Params
from convcorr_jax.errors import InputError
from convcorr_jax.flow import SMOOTHNESS, TEMPERATURE, Alignment, align_costs, check_descriptors, data_cost
from convcorr_jax.matching.verdict import (
    Verdict,
    judge_cells,
    match_features,
    match_probability,
    mutual_distinctness,
    static_fraction,
)
from convcorr_jax.shapes import Image

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Data costs are arrays of cells² numbers: with 64 x 64 cells a run takes about 2 GB.
MAX_CELLS = 64 * 64
# A match is mutual if the forward and the backward flow lead back to within one cell of the start.
MUTUAL_CELLS = 1.0


class Turn(NamedTuple):
    """How photograph b is turned before it is compared with a: mirrored left to right or not, then turned."""

    mirrored: bool = False
    quarter_turns: int = 0
    """The number of counterclockwise turns by 90 degrees, 0 to 3."""

    def __str__(self) -> str:
        """Say what was done, such as "mirrored and turned by 90 degrees"; nothing for b as it is."""
        turned = f"turned by {90 * self.quarter_turns} degrees" if self.quarter_turns else ""
        return " and ".join(part for part in ("mirrored" if self.mirrored else "", turned) if part)

    def array(self, upright: np.ndarray) -> np.ndarray:
        """Turn an image or a grid ``[side, side, ...]``."""
        return np.rot90(upright[:, ::-1] if self.mirrored else upright, self.quarter_turns)

    def back(self, turned: np.ndarray) -> np.ndarray:
        """Undo `array`."""
        upright = np.rot90(turned, -self.quarter_turns)
        return upright[:, ::-1] if self.mirrored else upright

    def places(self, upright: np.ndarray, side: int) -> np.ndarray:
        """Map points (x, y) of an image of this side to those of the turned image."""
        x, y = upright[..., 0], upright[..., 1]
        if self.mirrored:
            x = side - 1 - x
        for _ in range(self.quarter_turns):
            x, y = y, side - 1 - x
        return np.stack([x, y], axis=-1)

    def places_back(self, turned: np.ndarray, side: int) -> np.ndarray:
        """Undo `places`."""
        x, y = turned[..., 0], turned[..., 1]
        for _ in range(self.quarter_turns):
            x, y = side - 1 - y, x
        return np.stack([side - 1 - x if self.mirrored else x, y], axis=-1)

    def upright_grid(self, grid: coords.Transform, cells: int, side_px: int) -> coords.Transform:
        """Return the map to pixels of the cells of the image as it is; ``grid`` is that of the turned image."""
        first = self.places_back(grid(self.places(np.zeros(2), cells)), side_px)
        return coords.Transform(grid.scale, first)


UPRIGHT = Turn()
"""Photograph b as it is."""
MIRRORED = Turn(mirrored=True)
TURNED = tuple(Turn(quarter_turns=count) for count in (1, 2, 3))
"""Photograph b turned by 90, 180 and 270 degrees."""


class PhotographAlignment(NamedTuple):
    """The correspondence of the cells of two photographs, a and b. Cells of b are those of b as it is."""

    forward: Alignment
    """The flow of a's cells in b's grid."""
    backward: Alignment
    """The flow of b's cells in a's grid."""
    cycle_error: Float[np.ndarray, "h w"]
    """The distance in cells between each cell of a and its position after the forward and the backward flow."""
    distinctness: Float[np.ndarray, "h w"]
    """The preference, between 0 and 1, of each cell of a and its matched cell for each other over all other
    cells, by descriptors alone: ``sqrt(P(t | p) P(p | t))`` of the mutual cost of
    `convcorr_jax.flow.data_cost`."""
    confidence: Float[np.ndarray, "h w"]
    """The probability that the match of each cell of a is right, see `match_probability`."""
    verdict: Verdict
    """The verdict on the whole pair."""
    data_cost: Float[np.ndarray, "h w h_b w_b"]
    """The mutual cost of matching each cell of a with each cell of b."""
    a_to_px: coords.Transform
    """The map from cells of a to its pixels."""
    b_to_px: coords.Transform
    shown_a: coords.Box
    """The part that was aligned, in pixels: the box with the margin, or all of the photograph; for b too."""
    shown_b: coords.Box
    turn: Turn
    """How b was turned for its descriptors; by default not at all."""
    photographs: tuple[Image, Image]
    """Photographs a and b, which are not copied."""

    @property
    def mutual(self) -> Bool[np.ndarray, "h w"]:
        """Whether the cycle error of each cell of a is at most `MUTUAL_CELLS`."""
        return self.cycle_error <= MUTUAL_CELLS

    def __repr__(self) -> str:
        """Describe the pair in a line; the arrays of a named tuple would fill pages."""
        (height_a, width_a), (height_b, width_b) = (one.shape[:2] for one in self.photographs)
        rows, columns = self.mutual.shape
        turn = f", b {self.turn}" if str(self.turn) else ""
        return (
            f"PhotographAlignment(a of {width_a} x {height_a} pixels, b of {width_b} x {height_b}{turn}; "
            f"{columns} x {rows} cells of a; {self.verdict.word}, {self.verdict.probability:.2f})"
        )

    def plot(self, *, points_px: Float[np.ndarray, "n 2"] | None = None) -> "Figure":
        """Draw the photographs and their matches, the flow, a laid onto b, and points of a carried to b."""
        from convcorr_jax.matching.carrying import carry_to_b, spread_matches
        from convcorr_jax.report import alignment_figure

        carried = None if points_px is None else carry_to_b(points_px, self)
        return alignment_figure(*self.photographs, self, spread_matches(self), carried=carried)

    def _repr_html_(self) -> str:
        """Show the figure in a notebook."""
        from convcorr_jax.report import figure_element

        return figure_element(self.plot(), description=repr(self))


def default_smoothness(box_a: coords.Box | None, box_b: coords.Box | None) -> float:
    """Return the value of `convcorr_jax.flow.SMOOTHNESS` for two boxes, or for anything else."""
    return SMOOTHNESS["image" if box_a is None or box_b is None else "box"]


def align_photographs(
    a: UInt8[np.ndarray, "height_a width_a 3"],
    b: UInt8[np.ndarray, "height_b width_b 3"],
    params: Params,
    *,
    network: Network,
    recipe: descriptors.Recipe | None = None,
    box_a: coords.Box | None = None,
    box_b: coords.Box | None = None,
    smoothness: float | None = None,
    turns: Sequence[Turn] = (UPRIGHT,),
) -> PhotographAlignment:
    """Align two photographs, each whole or in a box.

    Args:
        recipe: the descriptors of cells; by default those of `recipe_for`.
        box_a: the box of the object in a, in pixels; `BOX_MARGIN` is added around it. By default, and for b
            alike, the whole photograph is aligned.
        turns: what b is tried as. A turned b is kept if its verdict has a probability of at least 0.45, and if
            its matches are 1.2 times as distinct as those of b as it is. In a static scene it is never kept.

    Raises:
        InputError: there are no turns; a box has no area or does not meet its photograph; the network has no
            such layer or the weights lack it; the layer's grid has more than `MAX_CELLS` cells; the smoothness
            is negative or not finite; descriptors are not finite.
    """
    recipe = descriptors.recipe_for(network) if recipe is None else recipe
    if smoothness is None:
        smoothness = default_smoothness(box_a, box_b)
    if not turns:
        raise InputError("turns are empty; at least UPRIGHT is expected")
    if not (np.isfinite(smoothness) and smoothness >= 0):
        raise InputError(f"smoothness is {smoothness}; a finite number of at least 0 is expected")
    grid = _grid(network, recipe)
    shown_a, shown_b = _shown(a, box_a), _shown(b, box_b)
    view_a, view_b = (
        descriptors.view(photograph, shown, sizes_px=recipe.sizes_px)
        for photograph, shown in ((a, shown_a), (b, shown_b))
    )
    # Two photographs are described in less time than Winograd's algorithm takes to compile.
    plain = network._replace(winograd=False)
    describe = functools.partial(descriptors.convolutional_descriptors, network=plain, recipe=recipe)
    weight = np.float32(smoothness)
    costs = jax.ShapeDtypeStruct((*grid.size, *grid.size), np.float32)
    with ThreadPoolExecutor(1) as executor:
        # A first call spends most of its time on the compilation of two programs, which run in parallel. JAX
        # finds the compiled `align_costs` by the types of arguments, so smoothness has that of the later call.
        executor.submit(lambda: align_costs.lower(costs, smoothness=weight).compile())
        described = [
            grid_of
            for pyramid in _in_twos(view_a.pyramid, view_b.pyramid, turns)
            for grid_of in describe(params, pyramid)
        ]
    check_descriptors(np.stack(described), name="photographs'")
    same_frame = a.shape == b.shape and shown_a == shown_b
    readings = [
        _read(described[0], described[index], turn, weight, same_frame=same_frame and turn == UPRIGHT)
        for index, turn in enumerate(turns, 1)
    ]
    best = _best(readings)
    square_px = view_b.pyramid[int(np.argmax(recipe.sizes_px))].shape[0]
    return PhotographAlignment(
        *best.cells,
        verdict=best.verdict,
        data_cost=best.data_cost,
        a_to_px=view_a.to_photograph_px @ grid.to_input_px,
        b_to_px=view_b.to_photograph_px @ best.turn.upright_grid(grid.to_input_px, grid.size.width, square_px),
        shown_a=shown_a,
        shown_b=shown_b,
        turn=best.turn,
        photographs=(a, b),
    )


def _grid(network: Network, recipe: descriptors.Recipe) -> descriptors.Grid:
    grid = descriptors.descriptor_grid(network, recipe)
    if grid.size.height * grid.size.width > MAX_CELLS:
        raise InputError(
            f"{recipe.layers[-1]} has {grid.size.width} x {grid.size.height} cells, and at most {MAX_CELLS} "
            "can be aligned; put a deeper layer last"
        )
    return grid


def _in_twos(
    a: Sequence[np.ndarray], b: Sequence[np.ndarray], turns: Sequence[Turn]
) -> Iterator[list[np.ndarray]]:
    """Yield the levels of a and of the turned b, two images at a time: one program describes them all."""
    views = [a, *([turn.array(level) for level in b] for turn in turns)]
    for first, second in zip_longest(views[::2], views[1::2], fillvalue=b):
        yield [np.stack(level) for level in zip(first, second, strict=True)]


def _shown(photograph: Image, box: coords.Box | None) -> coords.Box:
    size = photograph.shape[:2]
    if box is None:
        return coords.whole_image(size)
    coords.check_meets(box, size)
    return coords.grow(box, descriptors.BOX_MARGIN)


class _Reading(NamedTuple):
    """An alignment with b turned in one way; its arrays are on the cells of b as it is."""

    cells: tuple[Alignment, Alignment, np.ndarray, np.ndarray, np.ndarray]
    """The forward and the backward flow, the cycle error, the distinctness and the confidence."""
    verdict: Verdict
    strength: float
    """The mean mutual distinctness."""
    data_cost: Float[np.ndarray, "h w h_b w_b"]
    turn: Turn


def _read(
    of_a: Float[Array, "h w d"],
    of_b: Float[Array, "h w d"],
    turn: Turn,
    smoothness: np.float32,
    *,
    same_frame: bool,
) -> _Reading:
    # One pair at a time: its messages stay in the cache, and one program serves both directions.
    costs = [_pair_cost(of_a, of_b), _pair_cost(of_b, of_a)]
    forward, backward = jax.device_get([align_costs(cost, smoothness=smoothness) for cost in costs])
    cells = coords.cell_grid(forward.flow.shape[:2]).astype(np.float64)
    cycle = np.linalg.norm(forward.flow + images.sample(backward.flow, cells + forward.flow), axis=-1)
    cost = np.asarray(costs[0])
    rows, columns = cells[..., 1].astype(int), cells[..., 0].astype(int)
    chosen = cost[rows, columns, forward.labels[..., 1], forward.labels[..., 0]]
    distinctness = np.exp(-chosen / (2 * TEMPERATURE))
    flow = np.asarray(forward.flow)
    similarity = np.einsum("hwd,hwd->hw", of_a, of_b) if same_frame else np.zeros(cycle.shape)
    static = static_fraction(flow, similarity)
    confidence = match_probability(match_features(flow, distinctness, cycle, static))
    verdict = judge_cells(confidence, similarity, static=static)
    if turn != UPRIGHT:
        forward, backward = _upright(forward, turn, of_b=False), _upright(backward, turn, of_b=True)
        cost = np.moveaxis(turn.back(np.moveaxis(cost, (0, 1), (2, 3))), (2, 3), (0, 1))
    strength = float(mutual_distinctness(distinctness, cycle).mean())
    return _Reading((forward, backward, cycle, distinctness, confidence), verdict, strength, cost, turn)


def _upright(alignment: Alignment, turn: Turn, *, of_b: bool) -> Alignment:
    """Convert an alignment with turned cells of b, its targets or its sources, to the cells of b as it is."""
    flow, labels = np.asarray(alignment.flow), np.asarray(alignment.labels)
    cells, side = coords.cell_grid(flow.shape[:2]), len(flow)
    if of_b:
        confidence = turn.back(np.asarray(alignment.confidence))
        places, labels = turn.back(cells + flow), turn.back(labels)
        return alignment._replace(flow=places - cells, confidence=confidence, labels=labels)  # type: ignore
    places = turn.places_back(cells + flow, side)
    return alignment._replace(flow=places - cells, labels=turn.places_back(labels, side))  # type: ignore


# Chosen on 160 random pairs of PF-WILLOW: a turned b is kept if its matches are as likely as this, and if it
# has this many times the mutual distinctness of b as it is.
_TURNED_PROBABILITY, _TURNED_GAIN = 0.45, 1.2


def _best(readings: Sequence[_Reading]) -> _Reading:
    """Return the reading of most mutual distinctness, but prefer b as it is, and in a static scene keep it."""
    upright = next((one for one in readings if one.turn == UPRIGHT), None)
    likely = [one for one in readings if one.verdict.probability >= _TURNED_PROBABILITY]
    best = max(likely or readings, key=lambda one: one.strength)
    if upright is None or best is upright:
        return best
    kept = upright.verdict.is_static or not likely or best.strength < _TURNED_GAIN * upright.strength
    return upright if kept else best


_pair_cost = jax.jit(data_cost)


_promote_arrays(globals())  # From here on, callers' arrays are checked and promoted (`convcorr_jax.arrays`).
