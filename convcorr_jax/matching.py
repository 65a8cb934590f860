"""Alignment of two photographs, from pixels to pixels: the whole procedure in one call.

Each photograph (or a box in it) is seen as squares, described on a grid of cells, and the two grids are
aligned both ways. What comes out is in host memory; `convcorr_jax.flow` has the stages that run under jit.

Source: Long, Zhang and Darrell 2014, section 3.
Differs from the paper: it aligns one way; here the way back tells which matches to trust.
"""

import functools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, UInt8

from convcorr_jax import coords, images
from convcorr_jax.backbone import Network, Params
from convcorr_jax.descriptors.convolutional import (
    RECIPES,
    Recipe,
    convolutional_descriptors,
    descriptor_grid,
)
from convcorr_jax.descriptors.views import BOX_MARGIN, view
from convcorr_jax.errors import InputError
from convcorr_jax.flow.alignment import (
    SMOOTHNESS,
    TEMPERATURE,
    Alignment,
    align,
    check_descriptors,
    data_cost,
)
from convcorr_jax.flow.warping import sample_flow
from convcorr_jax.shapes import Image

# Messages are arrays of cells² numbers: at 64 x 64 cells a run takes 1.8 GB and minutes on two cores.
MAX_CELLS = 64 * 64
# A match is mutual when the way there and back ends within one cell of where it began.
MUTUAL_CELLS = 1.0


class PhotographAlignment(NamedTuple):
    """How the cells of two photographs, a and b, correspond."""

    forward: Alignment
    """Where a's cells go in b's grid."""
    backward: Alignment
    """Where b's cells go in a's grid."""
    cycle_error: Float[np.ndarray, "h w"]
    """How many cells away from itself each cell of a ends up, carried to b and back."""
    distinctness: Float[np.ndarray, "h w"]
    """How much each cell of a and the cell that it goes to prefer each other to all others, by their
    descriptors alone: ``sqrt(P(t | p) P(p | t))`` of the mutual cost in `convcorr_jax.flow.alignment`."""
    a_to_px: coords.Transform
    """Cells of a to pixels of a."""
    b_to_px: coords.Transform
    """Cells of b to pixels of b."""
    shown_a: coords.Box
    """The part of a that was aligned: its box with the margin, or all of it."""
    shown_b: coords.Box

    @property
    def mutual(self) -> Bool[np.ndarray, "h w"]:
        """Whether each cell of a comes back to within `MUTUAL_CELLS` of itself."""
        return self.cycle_error <= MUTUAL_CELLS

    @property
    def confidence(self) -> Float[np.ndarray, "h w"]:
        """The forward confidence times ``exp(-cycle_error² / 2)``, between 0 and 1."""
        return np.asarray(self.forward.confidence) * np.exp(-(self.cycle_error**2) / 2)


class Matches(NamedTuple):
    """Points of a, their places in b, and how far to trust each."""

    a_px: Float[np.ndarray, "n 2"]
    b_px: Float[np.ndarray, "n 2"]
    confidence: Float[np.ndarray, " n"]


def align_photographs(
    a: UInt8[np.ndarray, "height_a width_a 3"],
    b: UInt8[np.ndarray, "height_b width_b 3"],
    params: Params,
    *,
    network: Network,
    recipe: Recipe | None = None,
    box_a: coords.Box | None = None,
    box_b: coords.Box | None = None,
    smoothness: float | None = None,
) -> PhotographAlignment:
    """Align two photographs, each whole or in a box.

    Args:
        a: 8-bit RGB.
        b: 8-bit RGB; its size need not be that of a.
        params: the network's weights, see `convcorr_jax.backbone.weights.load`.
        network: the layer table.
        recipe: what describes a cell; the network's entry of `RECIPES` by default.
        box_a: the object in a, in pixels of a. `BOX_MARGIN` is added around it.
        box_b: the object in b, in pixels of b, likewise.
        smoothness: see `convcorr_jax.flow.alignment`, whose default it has.

    Raises:
        InputError: a box has no area or does not meet its photograph; the network has no such layer or the
            weights lack it; the layer's grid has more than `MAX_CELLS` cells; the smoothness is negative or
            not finite; the weights make descriptors that are not finite.
    """
    recipe = RECIPES[network.name] if recipe is None else recipe
    smoothness = SMOOTHNESS if smoothness is None else smoothness
    if not (np.isfinite(smoothness) and smoothness >= 0):
        raise InputError(f"smoothness is {smoothness}; a finite number of at least 0 is expected")
    grid = descriptor_grid(network, recipe)
    if grid.size.height * grid.size.width > MAX_CELLS:
        raise InputError(
            f"{recipe.layers[-1]} has {grid.size.width} x {grid.size.height} cells, and at most {MAX_CELLS} "
            "can be aligned; put a deeper layer last"
        )
    shown_a, shown_b = _shown(a, box_a), _shown(b, box_b)
    view_a, view_b = (
        view(photograph, shown, sizes_px=recipe.sizes_px)
        for photograph, shown in ((a, shown_a), (b, shown_b))
    )
    pyramid = [np.stack(level) for level in zip(view_a.pyramid, view_b.pyramid, strict=True)]
    describe = functools.partial(convolutional_descriptors, network=network, recipe=recipe)
    shape = jax.eval_shape(describe, params, pyramid)
    with ThreadPoolExecutor(1) as beside:
        # A first call spends nearly all its time compiling two programs; they are compiled side by side.
        beside.submit(lambda: _align_both_ways.lower(shape, smoothness).compile())
        described = describe(params, pyramid)
    check_descriptors(described, name="photographs'")
    return PhotographAlignment(
        *jax.device_get(_align_both_ways(described, smoothness)),
        a_to_px=coords.compose(view_a.to_photograph_px, grid.to_input_px),
        b_to_px=coords.compose(view_b.to_photograph_px, grid.to_input_px),
        shown_a=shown_a,
        shown_b=shown_b,
    )


def carry_to_b(points_px: Float[np.ndarray, "n 2"], alignment: PhotographAlignment) -> Matches:
    """Carry points (x, y) of a, in its pixels, over to b.

    Between cells the flow and the confidence are bilinear, beyond the outermost cells constant. NaN (an
    absent point) stays NaN.
    """
    cells = coords.apply(coords.invert(alignment.a_to_px), points_px)
    displacement = images.sample(np.asarray(alignment.forward.flow), cells)
    carried = coords.apply(alignment.b_to_px, cells + displacement)
    return Matches(points_px, carried, images.sample(alignment.confidence[..., None], cells)[:, 0])


def spread_matches(
    alignment: PhotographAlignment, *, count: int = 30, spacing_cells: float = 2.0
) -> Matches:
    """The most distinct mutual matches, best first, none within ``spacing_cells`` of a better one.

    Distinctness orders them, not confidence, which plain background borrows from what surrounds it.
    """
    rank = np.where(alignment.mutual, alignment.distinctness, -np.inf)
    cells = coords.cell_grid(rank.shape).astype(np.float64)
    chosen: list[np.ndarray] = []
    while len(chosen) < count and np.isfinite(rank).any():
        chosen.append(cells.reshape(-1, 2)[rank.argmax()])
        rank[np.linalg.norm(cells - chosen[-1], axis=-1) < spacing_cells] = -np.inf
    points = np.array(chosen).reshape(-1, 2)
    return carry_to_b(coords.apply(alignment.a_to_px, points), alignment)


def dense_flow(
    alignment: PhotographAlignment, size: Sequence[int]
) -> Float[np.ndarray, "height width 2"]:
    """Displacement (x, y) of every pixel of a, of ``size`` (height, width), in pixels of a.

    It is measured within what was aligned: a's box and b's are laid over each other first, so that a
    difference in their place, size and shape is no flow. Beyond the outermost cells it is constant.
    """
    cells = coords.apply(
        coords.invert(alignment.a_to_px), coords.cell_grid(size).astype(np.float64)
    )
    return images.sample(np.asarray(alignment.forward.flow), cells) * alignment.a_to_px.scale


def dense_places(
    alignment: PhotographAlignment, size: Sequence[int]
) -> Float[np.ndarray, "height width 2"]:
    """For each pixel of b, of ``size`` (height, width), the place in a (its pixels) that corresponds to it."""
    cells = coords.apply(
        coords.invert(alignment.b_to_px), coords.cell_grid(size).astype(np.float64)
    )
    return coords.apply(
        alignment.a_to_px, cells + images.sample(np.asarray(alignment.backward.flow), cells)
    )


def warp_onto_b(
    a: UInt8[np.ndarray, "height_a width_a 3"], alignment: PhotographAlignment, size: Sequence[int]
) -> UInt8[np.ndarray, "height_b width_b 3"]:
    """Photograph a as it looks when it is laid onto b, whose ``size`` is (height, width).

    Each pixel of b takes the colour of its place in a (`dense_places`), by the cubic spline through a.
    """
    places = dense_places(alignment, size)
    return (
        images.sample(a.astype(np.float32), places, order=3).round().clip(0, 255).astype(np.uint8)
    )


def in_frames(
    alignment: PhotographAlignment, a_frame: coords.Transform, b_frame: coords.Transform
) -> PhotographAlignment:
    """The same alignment after the photographs were resized or cropped by these transforms."""
    return alignment._replace(
        a_to_px=coords.compose(a_frame, alignment.a_to_px),
        b_to_px=coords.compose(b_frame, alignment.b_to_px),
        shown_a=_moved(alignment.shown_a, a_frame),
        shown_b=_moved(alignment.shown_b, b_frame),
    )


def _moved(box: coords.Box, frame: coords.Transform) -> coords.Box:
    return coords.Box(*coords.apply(frame, np.reshape(box, (2, 2))).ravel().tolist())


def _shown(photograph: Image, box: coords.Box | None) -> coords.Box:
    size = photograph.shape[:2]
    if box is None:
        return coords.whole_image(size)
    images.check_meets(box, size)
    return coords.grow(box, BOX_MARGIN)


@jax.jit
def _align_both_ways(described: Float[Array, "2 h w d"], smoothness: float | Float[Array, ""]):
    # One pair at a time: its messages stay in the cache, and one program serves both.
    both = lax.map(lambda pair: align(*pair, smoothness=smoothness), (described, described[::-1]))
    forward = jax.tree.map(lambda part: part[0], both)
    backward = jax.tree.map(lambda part: part[1], both)
    height, width = forward.flow.shape[:2]
    there = forward.flow.reshape(-1, 2)
    cells = jnp.asarray(coords.cell_grid((height, width))).reshape(-1, 2)
    cycle = there + sample_flow(backward.flow, cells + there)
    cost = data_cost(*described).reshape(height * width, -1)
    matched = forward.labels[..., 1] * width + forward.labels[..., 0]
    chosen = jnp.take_along_axis(cost, matched.reshape(-1, 1), axis=1).reshape(height, width)
    return (
        forward,
        backward,
        jnp.linalg.norm(cycle, axis=-1).reshape(height, width),
        jnp.exp(-chosen / (2 * TEMPERATURE)),
    )
