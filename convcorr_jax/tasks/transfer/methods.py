"""Methods of alignment (descriptors, cost and smoothness), and their application to many pairs."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from convcorr_jax import coords
from convcorr_jax.arrays import padded_batches
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets import Record, box_of, load_image
from convcorr_jax.descriptors import (
    BOX_MARGIN,
    Recipe,
    View,
    convolutional_descriptors,
    descriptor_grid,
    sift_at,
    unit_length,
    view,
)
from convcorr_jax.flow import SMOOTHNESS, TEMPERATURE, Cost, align_costs, data_cost
from convcorr_jax.runtime import progress

# The paper's radius of 20 at its input of 227 pixels; the radius grows with the input.
_SIFT_RADIUS = 20 / 227
# Images of a forward pass: enough to keep the cores busy, few enough to bound memory.
_BATCH = 10


@dataclass(frozen=True)
class Method:
    """A method of alignment: descriptors at the cells of a recipe's grid, and the terms of the energy.

    With ``sift``, SIFT at the same cells replaces convolutional descriptors. The smoothness is in units of the
    cost (see `convcorr_jax.flow.align`), the margin of boxes in fractions of their width and height; the
    temperature is that of the mutual cost.
    """

    name: str
    recipe: Recipe
    sift: bool
    cost: Cost
    smoothness: float
    margin: float = BOX_MARGIN
    temperature: float = TEMPERATURE


# Those of ``conv_flow`` and ``sift_flow`` were tuned on PF-WILLOW. Those of the paper's methods are the choice
# of other data, rendered objects and training faces of LFPW, by `eval.flow_selection`; for ours it costs .03 to
# .06 of PCK at 0.1 in boxes, and nothing in whole photographs. Boxes align the objects roughly, so that
# displacements are small; in whole photographs the objects also differ in scale.
_SMOOTHNESS = {
    "conv_flow": SMOOTHNESS,
    "paper_conv4": {"box": 0.05, "image": 0.1},
    "paper_sift": {"box": 0.2, "image": 0.14},
    "sift_flow": {"box": 0.4, "image": 0.28},
}


def methods_for(
    recipe: Recipe, paper_recipe: Recipe, *, boxed: bool, smoothness: float | None = None
) -> tuple[Method, ...]:
    """Return the methods that are compared, for boxes or whole photographs.

    ``conv_flow`` has ``recipe`` and the mutual cost; ``sift_flow`` has SIFT in its place, at the same cells.
    ``paper_conv4`` and ``paper_sift`` are the two of Table 2 of Long et al. 2014: the distance of descriptors
    of conv4, or of SIFT with a radius of 20 pixels at conv4's cells, neither centred, in boxes without margin.
    ``smoothness`` is that of ``conv_flow``; by default `eval.flow_selection` chose it.
    """
    chosen = {name: values["box" if boxed else "image"] for name, values in _SMOOTHNESS.items()}
    if smoothness is not None:
        chosen["conv_flow"] = smoothness
    return (
        Method("conv_flow", recipe, False, "mutual", chosen["conv_flow"]),
        # The paper warps the box itself to a square.
        Method("paper_conv4", paper_recipe, False, "distance", chosen["paper_conv4"], margin=0.0),
        Method("paper_sift", paper_recipe, True, "distance", chosen["paper_sift"], margin=0.0),
        Method("sift_flow", recipe, True, "mutual", chosen["sift_flow"]),
    )


class Described(NamedTuple):
    """Descriptors of many records on grids of one size."""

    descriptors: Float[np.ndarray, "records h w d"]
    """Unit-length descriptors in half precision, whose error (5e-4) is far below the differences of cells."""
    to_px: tuple[coords.Transform, ...]
    """Cells to pixels of each record's photograph."""


def describe(records: Sequence[Record], method: Method, weights: Weights, *, boxed: bool) -> Described:
    """Describe every record: its box, warped to a square, or its whole photograph."""
    network, recipe = weights.network, method.recipe
    margin = method.margin if boxed else None
    grid = descriptor_grid(network, recipe)
    blocks, transforms = [], []
    batches = list(padded_batches(len(records), size=_BATCH))
    for rows, count in progress(batches, description=f"{method.name}: describing"):
        views = [record_view(records[row], recipe, margin=margin) for row in rows[:count]]
        padded = views + views[-1:] * (len(rows) - count)
        pyramid = [np.stack(level) for level in zip(*(v.pyramid for v in padded), strict=True)]
        if method.sift:
            largest = pyramid[int(np.argmax(recipe.sizes_px))]
            descriptors = _sift(largest, grid.size, grid.to_input_px, center=recipe.center)
        else:
            descriptors = convolutional_descriptors(weights.params, pyramid, network=network, recipe=recipe)
        blocks.append(np.asarray(descriptors[:count], np.float16))
        transforms += [v.to_photograph_px @ grid.to_input_px for v in views]
    return Described(np.concatenate(blocks), tuple(transforms))


def record_view(record: Record, recipe: Recipe, *, margin: float | None) -> View:
    """Resample a record's box, with a margin, or its whole photograph (None) to the sizes of a recipe."""
    box = None if margin is None else box_of(record)
    return view(load_image(record), box, sizes_px=recipe.sizes_px, margin=margin or 0.0)


def _sift(photographs, size: coords.Size, to_input_px: coords.Transform, *, center: bool):
    centers = to_input_px(coords.cell_grid(size)).reshape(-1, 2)
    radius_px = _SIFT_RADIUS * photographs.shape[1]
    descriptors = jnp.stack([sift_at(photograph, centers, radius_px=radius_px) for photograph in photographs])
    maps = descriptors.reshape(len(photographs), *size, -1)
    if center:
        maps = maps - maps.mean(axis=(1, 2), keepdims=True)
    return unit_length(maps)


class Flows(NamedTuple):
    """Flows of many pairs, with diagnostics."""

    flow: Float[np.ndarray, "pairs h w 2"]
    """Displacement (x, y) of every source cell, in cells of the target grid."""
    deformation: Float[np.ndarray, " pairs"]
    """The smoothness term of the energy, by which neighbours of a target are ranked."""
    converged: Float[np.ndarray, ""]
    """The fraction of pairs whose messages converged."""


def align_pairs(described: Described, pairs: Int[np.ndarray, "pairs 2"], method: Method) -> Flows:
    """Align pairs (source, target) of described records."""
    flows, deformation, converged = [], [], []
    # One pair at a time: its messages stay in the cache, which is faster than a batch on a CPU.
    for source, target in progress(pairs, description=f"{method.name}: aligning"):
        alignment = align_costs(
            pair_cost(
                described.descriptors[source],
                described.descriptors[target],
                cost=method.cost,
                temperature=method.temperature,
            ),
            smoothness=np.float32(method.smoothness),
        )
        flows.append(np.asarray(alignment.flow))
        deformation.append(np.asarray(alignment.energy.smoothness))
        converged.append(np.asarray(alignment.converged))
    return Flows(np.stack(flows), np.stack(deformation), np.asarray(np.mean(converged)))


@functools.partial(jax.jit, static_argnames=("cost",))
def pair_cost(
    source: Float[Array, "h_s w_s d"] | Float[np.ndarray, "h_s w_s d"],
    target: Float[Array, "h_t w_t d"] | Float[np.ndarray, "h_t w_t d"],
    *,
    cost: Cost = "mutual",
    temperature: float | Float[Array, ""] = TEMPERATURE,
) -> Float[Array, "h_s w_s h_t w_t"]:
    """Compute the data cost (`convcorr_jax.flow.data_cost`) of two described records in single precision."""
    return data_cost(
        jnp.asarray(source, jnp.float32), jnp.asarray(target, jnp.float32), cost=cost, temperature=temperature
    )
