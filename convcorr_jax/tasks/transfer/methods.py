"""The methods that are compared: descriptors, cost and smoothness; and how to run them on many pairs."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Float, Int

from convcorr_jax import coords
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets.records import Record, load_image
from convcorr_jax.descriptors.convolutional import (
    Recipe,
    convolutional_descriptors,
    descriptor_grid,
    unit_length,
)
from convcorr_jax.descriptors.sift import sift_at
from convcorr_jax.descriptors.views import BOX_MARGIN, View, view
from convcorr_jax.flow.alignment import Cost, align
from convcorr_jax.runtime.progress import progress

# Radius 20 of the paper, at its input of 227 pixels; it grows with the input.
_SIFT_RADIUS = 20 / 227
# Images a forward pass, and pairs a compiled call: enough to keep the cores busy, few enough to bound memory.
_BATCH = 10
_PAIRS_AT_ONCE = 25


@dataclass(frozen=True)
class Method:
    """A way of aligning: descriptors at the cells of a recipe's grid, and the energy's terms.

    Attributes:
        name: its key in results.
        recipe: convolutional descriptors, and the grid.
        sift: whether SIFT takes the place of the convolutional descriptors, at the same cells.
        cost: the data cost.
        smoothness: in units of the cost, see `convcorr_jax.flow.alignment`.
    """

    name: str
    recipe: Recipe
    sift: bool
    cost: Cost
    smoothness: float


# What most of PF-WILLOW's categories choose for the one that is left out (`eval.flow_validation`). Boxes have
# brought the objects roughly into place, so that little displacement is left to explain; in whole photographs
# the objects also differ in scale.
_SMOOTHNESS = {
    "conv4_flow": {"box": 0.14, "image": 0.05},
    "paper_energy": {"box": 0.07, "image": 0.07},
    "sift_flow": {"box": 0.4, "image": 0.28},
}


def methods_for(
    recipe: Recipe, paper_recipe: Recipe, *, boxed: bool, smoothness: float | None = None
) -> tuple[Method, ...]:
    """The flows that are compared; ``smoothness`` replaces that of ``conv4_flow``."""
    chosen = {name: values["box" if boxed else "image"] for name, values in _SMOOTHNESS.items()}
    if smoothness is not None:
        chosen["conv4_flow"] = smoothness
    return (
        Method("conv4_flow", recipe, False, "mutual", chosen["conv4_flow"]),
        Method("paper_energy", paper_recipe, False, "distance", chosen["paper_energy"]),
        Method("sift_flow", recipe, True, "mutual", chosen["sift_flow"]),
    )


class Described(NamedTuple):
    """Descriptors of many records on grids of one size."""

    descriptors: Float[np.ndarray, "records h w d"]
    """In half precision, whose error (5e-4) is far below what tells two cells apart."""
    to_px: tuple[coords.Transform, ...]
    """Cells to pixels of each record's photograph."""


def describe(
    records: Sequence[Record], method: Method, weights: Weights, *, boxed: bool
) -> Described:
    """Describe every record: its box, warped to a square, or its whole photograph.

    A box is given a margin, so that cells at its edge see what surrounds them.
    """
    network = weights.network
    grid = descriptor_grid(network, method.recipe)
    recipe = method.recipe
    blocks, transforms = [], []
    starts = range(0, len(records), _BATCH)
    for start in progress(starts, description=f"{method.name}: describing", total=len(starts)):
        views = [record_view(record, recipe, boxed) for record in records[start : start + _BATCH]]
        # The last batch is filled up, so that one compiled program serves all.
        filled = views + views[-1:] * (_BATCH - len(views))
        pyramid = [np.stack(level) for level in zip(*(one.pyramid for one in filled), strict=True)]
        if method.sift:
            found = _sift(pyramid[int(np.argmax(recipe.sizes_px))], grid.size, grid.to_input_px)
        else:
            found = convolutional_descriptors(
                weights.params, pyramid, network=network, recipe=recipe
            )
        blocks.append(np.asarray(found[: len(views)], np.float16))
        transforms += [coords.compose(one.to_photograph_px, grid.to_input_px) for one in views]
    return Described(np.concatenate(blocks), tuple(transforms))


def record_view(record: Record, recipe: Recipe, boxed: bool) -> View:
    """What a method sees of a record."""
    box = record.box if boxed else None
    return view(
        load_image(record), box, sizes_px=recipe.sizes_px, margin=BOX_MARGIN if boxed else 0.0
    )


def _sift(photographs, size: coords.Size, to_input_px: coords.Transform):
    centers = coords.apply(to_input_px, coords.cell_grid(size)).reshape(-1, 2)
    radius_px = _SIFT_RADIUS * photographs.shape[1]
    found = jnp.stack(
        [sift_at(photograph, centers, radius_px=radius_px) for photograph in photographs]
    )
    maps = found.reshape(len(photographs), *size, -1)
    return unit_length(maps - maps.mean(axis=(1, 2), keepdims=True))


class Flows(NamedTuple):
    """Flows of many pairs, and what orders the neighbours of a target."""

    flow: Float[np.ndarray, "pairs h w 2"]
    deformation: Float[np.ndarray, " pairs"]
    converged: Float[np.ndarray, ""]
    """The share of pairs whose messages came to rest."""


def align_pairs(described: Described, pairs: Int[np.ndarray, "pairs 2"], method: Method) -> Flows:
    """Align each pair (source, target) of described records."""
    found = []
    starts = range(0, len(pairs), _PAIRS_AT_ONCE)
    for start in progress(starts, description=f"{method.name}: aligning", total=len(starts)):
        chunk = pairs[start : start + _PAIRS_AT_ONCE]
        filled = np.concatenate([chunk, np.repeat(chunk[-1:], _PAIRS_AT_ONCE - len(chunk), axis=0)])
        block = _align_chunk(
            described.descriptors[filled[:, 0]],
            described.descriptors[filled[:, 1]],
            method.smoothness,
            cost=method.cost,
        )
        found.append([np.asarray(part[: len(chunk)]) for part in block])
    flow, deformation, converged = (np.concatenate(part) for part in zip(*found, strict=True))
    return Flows(flow, deformation, converged.mean())


@functools.partial(jax.jit, static_argnames=("cost",))
def _align_chunk(sources, targets, smoothness, *, cost: Cost):
    # One pair at a time: its messages stay in cache, which on a CPU is faster than a batch.
    def one(pair):
        source, target = (side.astype(jnp.float32) for side in pair)
        alignment = align(source, target, cost=cost, smoothness=smoothness)
        return alignment.flow, alignment.energy.smoothness, alignment.converged

    return lax.map(one, (sources, targets))
