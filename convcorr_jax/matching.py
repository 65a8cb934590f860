"""Alignment of two photographs, from pixels to pixels, in one call.

Each photograph (or a box in it) is resampled to squares and described on a grid of cells, and the two grids are
aligned in both directions. Results are in host memory; `convcorr_jax.flow` has the stages that run under jit.

Source: Long, Zhang and Darrell 2014, section 3.
Differs from the paper: it aligns in one direction; here the backward flow decides which matches are reliable.
"""

import functools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, UInt8

from convcorr_jax import coords, descriptors, images
from convcorr_jax.arrays import promote_arrays as _promote_arrays
from convcorr_jax.backbone import Network, Params
from convcorr_jax.errors import InputError
from convcorr_jax.flow import SMOOTHNESS, TEMPERATURE, Alignment, align_costs, check_descriptors, data_cost
from convcorr_jax.shapes import Image

# Messages are arrays of cells² numbers: with 64 x 64 cells a run takes 1.8 GB and minutes on two cores.
MAX_CELLS = 64 * 64
# A match is mutual if the forward and the backward flow lead back to within one cell of the start.
MUTUAL_CELLS = 1.0


class PhotographAlignment(NamedTuple):
    """The correspondence of the cells of two photographs, a and b."""

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
    data_cost: Float[np.ndarray, "h w h_b w_b"]
    """The mutual cost of matching each cell of a with each cell of b."""
    a_to_px: coords.Transform
    """The map from cells of a to its pixels."""
    b_to_px: coords.Transform
    shown_a: coords.Box
    """The part that was aligned, in pixels: the box with the margin, or all of the photograph; for b too."""
    shown_b: coords.Box

    @property
    def mutual(self) -> Bool[np.ndarray, "h w"]:
        """Whether the cycle error of each cell of a is at most `MUTUAL_CELLS`."""
        return self.cycle_error <= MUTUAL_CELLS

    @property
    def confidence(self) -> Float[np.ndarray, "h w"]:
        """The forward confidence times ``exp(-cycle_error² / 2)``, between 0 and 1."""
        return np.asarray(self.forward.confidence) * np.exp(-(self.cycle_error**2) / 2)


class Matches(NamedTuple):
    """Matched points (x, y) of two photographs in pixels of each, and the confidence of each match, 0 to 1."""

    a_px: Float[np.ndarray, "n 2"]
    b_px: Float[np.ndarray, "n 2"]
    confidence: Float[np.ndarray, " n"]


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
) -> PhotographAlignment:
    """Align two photographs, each whole or in a box.

    Args:
        recipe: the descriptors of cells; by default the network's entry of `RECIPES`.
        box_a: the box of the object in a, in pixels; `BOX_MARGIN` is added around it. By default, and for b
            alike, the whole photograph is aligned.

    Raises:
        InputError: a box has no area or does not meet its photograph; the network has no such layer or the
            weights lack it; the layer's grid has more than `MAX_CELLS` cells; the smoothness is negative or
            not finite; descriptors are not finite.
    """
    recipe = descriptors.RECIPES[network.name] if recipe is None else recipe
    if smoothness is None:
        smoothness = default_smoothness(box_a, box_b)
    if not (np.isfinite(smoothness) and smoothness >= 0):
        raise InputError(f"smoothness is {smoothness}; a finite number of at least 0 is expected")
    grid = descriptors.descriptor_grid(network, recipe)
    if grid.size.height * grid.size.width > MAX_CELLS:
        raise InputError(
            f"{recipe.layers[-1]} has {grid.size.width} x {grid.size.height} cells, and at most {MAX_CELLS} "
            "can be aligned; put a deeper layer last"
        )
    shown_a, shown_b = _shown(a, box_a), _shown(b, box_b)
    view_a, view_b = (
        descriptors.view(photograph, shown, sizes_px=recipe.sizes_px)
        for photograph, shown in ((a, shown_a), (b, shown_b))
    )
    pyramid = [np.stack(level) for level in zip(view_a.pyramid, view_b.pyramid, strict=True)]
    # Two photographs are described in less time than Winograd's algorithm takes to compile.
    plain = network._replace(winograd=False)
    describe = functools.partial(descriptors.convolutional_descriptors, network=plain, recipe=recipe)
    weight = np.float32(smoothness)
    costs = jax.ShapeDtypeStruct((*grid.size, *grid.size), np.float32)
    with ThreadPoolExecutor(1) as executor:
        # A first call spends most of its time on the compilation of two programs, which run in parallel. JAX
        # finds the compiled `align_costs` by the types of arguments, so smoothness has that of the later call.
        executor.submit(lambda: align_costs.lower(costs, smoothness=weight).compile())
        described = describe(params, pyramid)
    check_descriptors(described, name="photographs'")
    return PhotographAlignment(
        *_align_both_ways(described, weight),
        a_to_px=view_a.to_photograph_px @ grid.to_input_px,
        b_to_px=view_b.to_photograph_px @ grid.to_input_px,
        shown_a=shown_a,
        shown_b=shown_b,
    )


def carry_to_b(points_px: Float[np.ndarray, "n 2"], alignment: PhotographAlignment) -> Matches:
    """Carry points of a to b.

    Flow and confidence are interpolated bilinearly between cells and are constant beyond the outermost cells.
    Absent points (NaN) stay NaN.
    """
    cells = alignment.a_to_px.inverse(points_px)
    carried = alignment.b_to_px(cells + images.sample(np.asarray(alignment.forward.flow), cells))
    return Matches(points_px, carried, images.sample(alignment.confidence[..., None], cells)[:, 0])


def spread_matches(alignment: PhotographAlignment, *, count: int = 30, spacing_cells: float = 2.0) -> Matches:
    """Select the most distinct mutual matches, best first.

    Matches are ranked by distinctness and not by confidence, because the confidence of uniform background comes
    from its surroundings.
    """
    # NaN would be the greatest of ranks.
    rank = np.where(
        alignment.mutual, np.nan_to_num(alignment.distinctness, nan=-np.inf, posinf=np.inf), -np.inf
    )
    cells = coords.cell_grid(rank.shape).astype(np.float64)
    chosen: list[np.ndarray] = []
    while len(chosen) < count and np.isfinite(rank).any():
        best = rank.argmax()
        chosen.append(cells.reshape(-1, 2)[best])
        rank.flat[best] = -np.inf
        rank[np.linalg.norm(cells - chosen[-1], axis=-1) < spacing_cells] = -np.inf
    return carry_to_b(alignment.a_to_px(np.array(chosen).reshape(-1, 2)), alignment)


def dense_flow(alignment: PhotographAlignment, size: Sequence[int]) -> Float[np.ndarray, "height width 2"]:
    """Compute the displacement of every pixel of a within the aligned parts.

    The displacement is relative to the boxes: after a's box is mapped onto b's, a difference of their position,
    size or shape is not part of the flow. Beyond the outermost cells the flow is constant.
    """
    cells = alignment.a_to_px.inverse(coords.cell_grid(size).astype(np.float64))
    return images.sample(np.asarray(alignment.forward.flow), cells) * alignment.a_to_px.scale


def dense_places(alignment: PhotographAlignment, size: Sequence[int]) -> Float[np.ndarray, "height width 2"]:
    """Compute the corresponding point (x, y) of a, in pixels, for every pixel of b."""
    cells = alignment.b_to_px.inverse(coords.cell_grid(size).astype(np.float64))
    return alignment.a_to_px(cells + images.sample(np.asarray(alignment.backward.flow), cells))


def warp_onto_b(
    a: UInt8[np.ndarray, "height_a width_a 3"], alignment: PhotographAlignment, size: Sequence[int]
) -> UInt8[np.ndarray, "height_b width_b 3"]:
    """Warp photograph a onto b.

    Each pixel of b gets the colour of its corresponding point in a (`dense_places`), by the cubic spline
    through a.
    """
    colors = images.sample(a.astype(np.float32), dense_places(alignment, size), order=3)
    return colors.round().clip(0, 255).astype(np.uint8)


def change_frames(
    alignment: PhotographAlignment, a_frame: coords.Transform, b_frame: coords.Transform
) -> PhotographAlignment:
    """Convert an alignment to photographs that were resized or cropped by these maps of pixels."""
    return alignment._replace(
        a_to_px=a_frame @ alignment.a_to_px,
        b_to_px=b_frame @ alignment.b_to_px,
        shown_a=_moved(alignment.shown_a, a_frame),
        shown_b=_moved(alignment.shown_b, b_frame),
    )


def _moved(box: coords.Box, frame: coords.Transform) -> coords.Box:
    return coords.Box(*frame(np.reshape(box, (2, 2))).ravel().tolist())


def _shown(photograph: Image, box: coords.Box | None) -> coords.Box:
    size = photograph.shape[:2]
    if box is None:
        return coords.whole_image(size)
    coords.check_meets(box, size)
    return coords.grow(box, descriptors.BOX_MARGIN)


class _BothWays(NamedTuple):
    forward: Alignment
    backward: Alignment
    cycle_error: Float[np.ndarray, "h w"]
    distinctness: Float[np.ndarray, "h w"]
    data_cost: Float[np.ndarray, "h w h_b w_b"]


def _align_both_ways(described: Float[Array, "2 h w d"], smoothness: np.float32) -> _BothWays:
    # One pair at a time: its messages stay in the cache, and one program serves both directions.
    costs = [_pair_cost(*pair) for pair in (described, described[::-1])]
    forward, backward = jax.device_get([align_costs(cost, smoothness=smoothness) for cost in costs])
    cells = coords.cell_grid(forward.flow.shape[:2]).astype(np.float64)
    cycle = forward.flow + images.sample(backward.flow, cells + forward.flow)
    cost = np.asarray(costs[0])
    rows, columns = cells[..., 1].astype(int), cells[..., 0].astype(int)
    chosen = cost[rows, columns, forward.labels[..., 1], forward.labels[..., 0]]
    return _BothWays(
        forward, backward, np.linalg.norm(cycle, axis=-1), np.exp(-chosen / (2 * TEMPERATURE)), cost
    )


_pair_cost = jax.jit(data_cost)


_promote_arrays(globals())  # From here on, callers' arrays are checked and promoted (`convcorr_jax.arrays`).
