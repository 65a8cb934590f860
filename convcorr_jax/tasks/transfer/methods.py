"""Methods of alignment (descriptors, cost and smoothness), and the keypoints that they predict for pairs."""

import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from convcorr_jax import coords, keypoints
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
from convcorr_jax.errors import InputError
from convcorr_jax.flow import SMOOTHNESS, TEMPERATURE, Alignment, Cost, Subcell, align_costs, data_cost
from convcorr_jax.runtime import plain, progress, stage
from convcorr_jax.tasks.transfer.functions import FeatureFunction
from convcorr_jax.tasks.transfer.joined import Features, JoinedNetworks
from convcorr_jax.tasks.transfer.pairs import Neighborhoods, Pairs

# The paper's radius of 20 at its input of 227 pixels; the radius grows with the input.
_SIFT_RADIUS = 20 / 227
# Images of a forward pass: enough to keep the cores busy, few enough to bound memory.
_BATCH = 10


@dataclass(frozen=True)
class Method:
    """A method of alignment: descriptors at the cells of a recipe's grid, and the terms of the energy.

    With ``sift``, SIFT at the same cells replaces convolutional descriptors. The smoothness is in units of the
    cost (see `convcorr_jax.flow.align`), the margin of boxes in fractions of their width and height; the
    temperature is that of the mutual cost. Without ``subcell``, flows are whole cells, as the paper's.
    ``both_ways`` adds the flow from target to source. Joined networks have ``shares`` (`JoinedNetworks`).
    """

    name: str
    recipe: Recipe
    sift: bool
    cost: Cost
    smoothness: float
    margin: float = BOX_MARGIN
    temperature: float = TEMPERATURE
    subcell: Subcell | None = "parabola"
    both_ways: bool = False
    shares: tuple[float, ...] = ()

    def flow(self, alignment: Alignment) -> Float[np.ndarray, "h w 2"]:
        """Return the flow of an alignment in cells, refined below one cell or not."""
        if self.subcell:
            return np.asarray(alignment.flow)
        return np.asarray(alignment.labels, np.float32) - coords.cell_grid(alignment.labels.shape[:2])


# The smoothness of ``conv_flow`` and ``sift_flow`` was tuned on PF-WILLOW, that of the paper's methods
# on rendered objects and training faces of LFPW (`eval.flow_selection`). Tuned on the latter, ``conv_flow`` and
# ``sift_flow`` have .03 to .06 less PCK at 0.1 in boxes, and as much in whole photographs. Boxes align the
# objects roughly, so that displacements are small; in whole photographs the objects also differ in scale.
_SMOOTHNESS = {
    "conv_flow": SMOOTHNESS,
    "paper_conv4": {"box": 0.05, "image": 0.05},
    "paper_sift": {"box": 0.2, "image": 0.14},
    "sift_flow": {"box": 0.4, "image": 0.28},
}


def methods_for(
    recipe: Recipe, paper_recipe: Recipe, *, boxed: bool, smoothness: float | None = None
) -> tuple[Method, ...]:
    """Return the methods that are compared, for boxes or whole photographs.

    ``conv_flow`` has ``recipe`` and the mutual cost; ``sift_flow`` has SIFT in its place, at the same cells.
    ``paper_conv4`` and ``paper_sift`` are the two of Table 2 of Long et al. 2014: the distance of descriptors
    of conv4, or of SIFT with a radius of 20 pixels at conv4's cells, neither centred, in boxes without margin,
    and flows of whole cells. Differs from the paper: `conv_flow` and `sift_flow` refine flows below a cell.
    ``smoothness`` is that of ``conv_flow``, by default the one tuned on PF-WILLOW.
    """
    chosen = {name: values["box" if boxed else "image"] for name, values in _SMOOTHNESS.items()}
    if smoothness is not None:
        chosen["conv_flow"] = smoothness
    return (
        Method("conv_flow", recipe, False, "mutual", chosen["conv_flow"]),
        # The paper warps the box itself to a square.
        Method("paper_conv4", paper_recipe, False, "distance", chosen["paper_conv4"], margin=0.0, subcell=None),
        Method("paper_sift", paper_recipe, True, "distance", chosen["paper_sift"], margin=0.0, subcell=None),
        Method("sift_flow", recipe, True, "mutual", chosen["sift_flow"]),
    )


class Described(NamedTuple):
    """Descriptors of many records on grids of one size."""

    descriptors: Float[np.ndarray, "records h w d"]
    """Unit-length descriptors in half precision, whose error (5e-4) is far below the differences of cells."""
    to_px: tuple[coords.Transform, ...]
    """Cells to pixels of each record's photograph."""


def describe(records: Sequence[Record], method: Method, features: Features, *, boxed: bool) -> Described:
    """Describe every record: its box, warped to a square, or its whole photograph.

    Raises:
        InputError: a record has no box, or the features have not the method's layers or sizes (`description`).
    """
    recipe, margin = method.recipe, method.margin if boxed else None
    to_input_px, compute = description(features, recipe, sift=method.sift, shares=method.shares)
    blocks, transforms = [], []
    batches = list(padded_batches(len(records), size=_BATCH))
    for rows, count in progress(batches, description=f"{method.name}: describing"):
        views = [record_view(records[row], recipe, margin=margin) for row in rows[:count]]
        # A function is called for each image; a program is compiled for one size of batches.
        alone = isinstance(features, FeatureFunction)
        padded = views if alone else views + views[-1:] * (len(rows) - count)
        pyramid = [np.stack(level) for level in zip(*(v.pyramid for v in padded), strict=True)]
        blocks.append(np.asarray(compute(pyramid)[:count], np.float16))
        transforms += [v.to_photograph_px @ to_input_px for v in views]
    return Described(np.concatenate(blocks), tuple(transforms))


def description(
    features: Features, recipe: Recipe, *, sift: bool = False, shares: Sequence[float] = ()
) -> tuple[coords.Transform, Callable[[Sequence[np.ndarray]], np.ndarray | jax.Array]]:
    """Return the transform of cells to pixels of the largest input, and the function that describes a pyramid.

    With ``sift``, SIFT at the cells of the recipe's grid replaces the features.

    Raises:
        InputError: the features have not the recipe's layers or sizes, or SIFT is asked for at the cells of a
            function or of joined networks.
    """
    if isinstance(features, JoinedNetworks):
        if sift or recipe != features.recipe:
            raise InputError(
                f"descriptors are of {recipe}{', by SIFT' * sift}; the joined networks have {features.recipe}"
            )
        return features.to_largest_px, functools.partial(features.describe, shares=shares)
    if isinstance(features, FeatureFunction):
        if sift or recipe.sizes_px != (features.side_px,):
            raise InputError(
                f"descriptors are of the sizes {recipe.sizes_px}{', by SIFT' * sift}; the function describes "
                f"squares of {features.side_px} pixels"
            )
        return features.to_square_px, lambda pyramid: features.describe(pyramid[0], center=recipe.center)
    params, network, grid = features.params, features.network, descriptor_grid(features.network, recipe)
    if sift:
        largest = int(np.argmax(recipe.sizes_px))
        return grid.to_input_px, lambda pyramid: _sift(
            pyramid[largest], grid.size, grid.to_input_px, center=recipe.center
        )
    return grid.to_input_px, lambda pyramid: convolutional_descriptors(
        params, pyramid, network=network, recipe=recipe
    )


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
            both_ways=method.both_ways,
            subcell=method.subcell or "parabola",
        )
        flows.append(method.flow(alignment))
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


def carry(
    pairs: Pairs, described: Described, flow: Float[np.ndarray, "pairs h w 2"]
) -> Float[np.ndarray, "pairs n 2"]:
    """Carry the source's keypoints of every pair to the target along the flow, in cells of the target grid.

    The result is in pixels of the target's photograph, NaN for absent keypoints.
    """
    points = pairs.keypoints.points
    return np.stack(
        [
            keypoints.carry_points(
                points[source],
                pair_flow,
                source_to_px=described.to_px[source],
                target_to_px=described.to_px[target],
            )
            for (source, target), pair_flow in zip(pairs.indices, flow, strict=True)
        ]
    )


def nearest_cells(pairs: Pairs, described: Described) -> Float[np.ndarray, "pairs n 2"]:
    """Carry the source's keypoints of every pair to the centre of the most similar cell of the target.

    The descriptor of a keypoint is read bilinearly between the source's cells, outside them from the outermost
    ones; similarity is the cosine. The result is like that of `carry`, without any smoothness.
    """
    predicted = np.full((len(pairs.indices), *pairs.keypoints.points.shape[1:]), np.nan)
    for row, (source, target) in enumerate(pairs.indices):
        points = pairs.keypoints.points[source]
        present = ~np.isnan(points).any(axis=-1)
        read = _read(described.descriptors[source], described.to_px[source].inverse(points[present]))
        height, width, count = described.descriptors[target].shape
        columns = described.descriptors[target].reshape(height * width, count).astype(np.float32)
        best = (read @ columns.T).argmax(axis=1)
        cells = np.stack([best % width, best // width], axis=-1).astype(np.float64)
        predicted[row, present] = described.to_px[target](cells)
    return predicted


def _read(descriptors: Float[np.ndarray, "h w d"], cells: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n d"]:
    """Read descriptors bilinearly at cells (x, y), outside the grid its outermost ones."""
    height, width, count = descriptors.shape
    columns, rows = coords.linear_weights(cells[:, 0], width), coords.linear_weights(cells[:, 1], height)
    # The weight of a cell is its row's times its column's.
    weights = (rows[:, :, None] * columns[:, None, :]).reshape(len(cells), height * width)
    return weights.astype(np.float32) @ descriptors.reshape(height * width, count).astype(np.float32)


def copy(pairs: Pairs, described: Described) -> Float[np.ndarray, "pairs n 2"]:
    """Copy keypoints like `carry`, but to the same position of the target's square, without alignment."""
    to_px, points = described.to_px, pairs.keypoints.points
    return np.stack(
        [(to_px[target] @ to_px[source].inverse)(points[source]) for source, target in pairs.indices]
    )


class Votes(NamedTuple):
    """The predictions for all targets, and the ranking of their neighbours."""

    predicted: Float[np.ndarray, "targets n 2"]
    """Keypoints (x, y) in pixels of the target's photograph; NaN where no neighbour has the keypoint."""
    order: Int[np.ndarray, "targets neighbors"]
    """Columns of `Neighborhoods.neighbors`, the best voter first."""


def vote(nearest: Neighborhoods, candidates: Float[np.ndarray, "pairs n 2"], flows: Flows | None) -> Votes:
    """Predict the keypoints of every target by the median of five neighbours' points.

    The five with the least deformation of their flows vote; without flows, the five nearest.
    """
    shape = nearest.neighbors.shape
    by_target = candidates.reshape(*shape, *candidates.shape[1:])
    if flows is None:
        order = np.tile(np.arange(shape[1]), (shape[0], 1))
    else:
        order = np.argsort(flows.deformation.reshape(shape), axis=1, kind="stable")
    predicted = [keypoints.vote(points, ranks) for points, ranks in zip(by_target, order, strict=True)]
    return Votes(np.stack(predicted), order)


class Outcome(NamedTuple):
    """The predictions of one method, with diagnostics."""

    predicted: Float[np.ndarray, "targets n 2"]
    """Keypoints (x, y) in pixels of the target's photograph; NaN where there is none."""
    copied: Float[np.ndarray, "targets n 2"]
    """The same without alignment."""
    describe_seconds_per_image: Float[np.ndarray, ""]
    seconds_per_pair: Float[np.ndarray, ""]
    converged_share: Float[np.ndarray, ""]
    voters: Int[np.ndarray, "targets voters"] | None = None
    """Indices of the records that voted; None for fixed pairs."""
    voters_points: Float[np.ndarray, "targets voters n 2"] | None = None
    """The voters' keypoints, carried to the target's photograph; None for fixed pairs."""

    @property
    def timings(self) -> dict[str, float]:
        """The diagnostics of a method in a script's result."""
        names = ("seconds_per_pair", "describe_seconds_per_image", "converged_share")
        return {name: float(getattr(self, name)) for name in names}


def run_methods(
    pairs: Pairs, methods: Sequence[Method], weights: Weights, *, folder: Path
) -> dict[str, Outcome]:
    """Compute the predictions of every method, by name, or read those that an earlier run cached."""
    key = {**pairs.key, "weights": weights.fingerprint, "votes": pairs.neighborhoods is not None}
    outcomes = {}
    for method in methods:
        settings = {**key, "method": plain(method)}
        arrays = stage(
            folder / f"{method.name}.npz", settings, lambda method=method: _run(pairs, method, weights)
        )
        outcomes[method.name] = Outcome(**arrays)
    return outcomes


def _run(pairs: Pairs, method: Method, weights: Weights) -> dict[str, np.ndarray | np.generic]:
    started = time.perf_counter()
    described = describe(pairs.records, method, weights, boxed=pairs.boxed)
    described_at = time.perf_counter()
    flows = align_pairs(described, pairs.indices, method)
    aligned_at = time.perf_counter()
    timings: dict[str, np.ndarray | np.generic] = {
        "describe_seconds_per_image": np.float64((described_at - started) / len(pairs.records)),
        "seconds_per_pair": np.float64((aligned_at - described_at) / len(pairs.indices)),
        "converged_share": np.float64(flows.converged),
    }
    return {**timings, **_predictions(pairs, described, flows)}


def _predictions(pairs: Pairs, described: Described, flows: Flows) -> dict[str, np.ndarray]:
    candidates, unaligned = carry(pairs, described, flows.flow), copy(pairs, described)
    nearest = pairs.neighborhoods
    if nearest is None:
        return {"predicted": candidates, "copied": unaligned}
    votes = vote(nearest, candidates, flows)
    ranked = candidates.reshape(*votes.order.shape, *candidates.shape[1:])
    best = votes.order[:, : keypoints.VOTERS]
    return {
        "predicted": votes.predicted,
        "copied": vote(nearest, unaligned, None).predicted,
        "voters": np.take_along_axis(nearest.neighbors, best, axis=1),
        "voters_points": np.take_along_axis(ranked, best[:, :, None, None], axis=1),
    }
