"""Figures of keypoint transfer (Figure 3 of Long et al. 2014), and matches of pairs for interactive pages."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from convcorr_jax import images
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets import Record, load_image, read_pairs, selection
from convcorr_jax.descriptors import descriptor_grid
from convcorr_jax.flow import align_costs, upsample_flow, warp
from convcorr_jax.io import write_image
from convcorr_jax.keypoints import VOTERS
from convcorr_jax.metrics import UnitSums, bootstrap, interval
from convcorr_jax.report import (
    MatchedPair,
    MethodMatches,
    copy_matches,
    image_grid,
    name_colors,
    pixels,
    points_overlay,
)
from convcorr_jax.runtime import progress
from convcorr_jax.shapes import Image
from convcorr_jax.synthetic import warped_pair
from convcorr_jax.tasks.reading import PHOTOGRAPHS, evenly_spread
from convcorr_jax.tasks.transfer.methods import (
    Described,
    Method,
    Outcome,
    align_pairs,
    describe,
    pair_cost,
    record_view,
)
from convcorr_jax.tasks.transfer.pairs import Pairs, fixed_pairs, warped_pairs

_PANEL_PX = 170
# The methods of the paper's figure.
_WARPED_METHODS = ("paper_conv4", "paper_sift")


def write_figures(
    folder: Path,
    pairs: Pairs,
    methods: Sequence[Method],
    outcomes: Mapping[str, Outcome],
    predictions: Mapping[str, Float[np.ndarray, "targets n 2"]],
    weights: Weights,
) -> None:
    """Draw every category's first target: ``examples.jpg`` of fixed pairs, ``figure_3.jpg`` of voters."""
    categories = pairs.categories
    rows = [categories.index(name) for name in dict.fromkeys(categories)]
    if pairs.neighborhoods is None:
        write_image(folder / "examples.jpg", draw_examples(pairs, predictions, rows))
        return
    shown = {method: outcomes[method.name] for method in methods if method.name in _WARPED_METHODS}
    write_image(folder / "figure_3.jpg", draw_neighbors(pairs, shown, rows, weights))


def draw_examples(
    pairs: Pairs, predictions: Mapping[str, Float[np.ndarray, "pairs n 2"]], rows: Sequence[int]
) -> Image:
    """Draw pairs in rows: the source, the target's true keypoints, and every method's prediction."""
    drawn = []
    for row in rows:
        source, target = (pairs.records[index] for index in pairs.indices[row])
        count = len(target.names)
        panels = [(source, source.points), (target, target.points)]
        panels += [(target, predicted[row][:count]) for predicted in predictions.values()]
        drawn.append([_draw_points(record, points) for record, points in panels])
    labels = ("source", "target, true", *predictions)
    return pixels(image_grid(drawn, column_labels=labels, cell_px=_PANEL_PX))


def _draw_points(record: Record, points) -> Image:
    colors = name_colors(len(points))
    return points_overlay(load_image(record), points, colors=colors, longest_px=_PANEL_PX)


def draw_neighbors(
    pairs: Pairs, outcomes: Mapping[Method, Outcome], rows: Sequence[int], weights: Weights
) -> Image:
    """Draw Figure 3: targets at the left; beside each, by every method, its voters warped onto it."""
    drawn, labels = [], []
    for row in rows:
        target = pairs.records[pairs.targets[row]]
        for number, (method, outcome) in enumerate(outcomes.items()):
            if outcome.voters is None or outcome.voters_points is None:
                continue
            first = _draw_square(target, method, target.points) if number == 0 else None
            voters = [pairs.records[index] for index in outcome.voters[row]]
            warped = _draw_warped(target, voters, outcome.voters_points[row], method, weights)
            drawn.append([first, *warped])
            labels.append(method.name)
    columns = ("target", *(f"neighbour {k + 1}" for k in range(VOTERS)))
    return pixels(image_grid(drawn, row_labels=labels, column_labels=columns, cell_px=_PANEL_PX))


def _draw_square(record: Record, method: Method, points) -> Image:
    resampled = record_view(record, method.recipe, margin=method.margin)
    square = resampled.pyramid[int(np.argmax(method.recipe.sizes_px))]
    inside = resampled.to_photograph_px.inverse(points)
    return points_overlay(square, inside, colors=name_colors(len(points)), longest_px=_PANEL_PX)


def _draw_warped(
    target: Record,
    neighbors: Sequence[Record],
    voted: Float[np.ndarray, "voters n 2"],
    method: Method,
    weights: Weights,
) -> list[Image]:
    """Pull the neighbours' squares back onto the target's, and draw the points that they vote for."""
    described = describe([target, *neighbors], method, weights, boxed=True)
    indices = np.array([(0, 1 + k) for k in range(len(neighbors))])
    flows = align_pairs(described, indices, method)
    to_input = descriptor_grid(weights.network, method.recipe).to_input_px
    largest = int(np.argmax(method.recipe.sizes_px))
    to_target = record_view(target, method.recipe, margin=method.margin).to_photograph_px.inverse
    drawn = []
    for flow, neighbor, points in zip(flows.flow, neighbors, voted, strict=True):
        square = record_view(neighbor, method.recipe, margin=method.margin).pyramid[largest]
        dense = upsample_flow(jnp.asarray(flow), to_input, to_input, square.shape[:2])
        pulled = warp(jnp.asarray(square, jnp.float32), dense)
        shown = np.asarray(jnp.clip(jnp.round(pulled), 0, 255), np.uint8)
        inside = to_target(points)[: len(neighbor.names)]
        drawn.append(points_overlay(shown, inside, colors=name_colors(len(inside)), longest_px=_PANEL_PX))
    return drawn


LONGEST_PX = 480
"""The longer side of warped photographs in pixels."""


def pairs_to_explore(dataset: str, *, data_root: Path | None, count: int, seed: int = 0) -> Pairs:
    """Return pairs of photographs whose keypoints are known in both; the group of each names it.

    They are "photographs" with warps of themselves, or the first pair of evenly spread subsets of a data set.
    """
    if dataset == PHOTOGRAPHS:
        names = tuple(photograph.name for photograph in selection.photographs()[:count])
        warped = [warped_pair(index, seed=seed, longest_px=LONGEST_PX) for index in range(len(names))]
        return dataclasses.replace(warped_pairs(warped), groups=names)
    fixed = fixed_pairs(read_pairs(dataset, data_root=data_root))
    first = {group: row for row, group in reversed(list(enumerate(fixed.groups)))}
    # Neighbouring subsets show the same category; evenly spread ones show different categories.
    names = sorted(first)
    return fixed.subset([first[names[place]] for place in evenly_spread(len(names), count)])


def explore(
    pairs: Pairs, methods: Sequence[Method], weights: Weights, *, factors: Sequence[float]
) -> list[MatchedPair]:
    """Align every pair by every method, for several values of the smoothness.

    The methods have the mutual cost, and copying is added; factors of their smoothness rise. The result has the
    keypoints that are visible in both photographs.
    """
    described = [describe(pairs.records, method, weights, boxed=pairs.boxed) for method in methods]
    explored = []
    for name, pair in progress(
        zip(pairs.groups, pairs.indices, strict=True), description="aligning", total=len(pairs.indices)
    ):
        matches = [
            _align_pair(method, of_method, pair, factors=factors)
            for method, of_method in zip(methods, described, strict=True)
        ]
        source, target = (pairs.records[index] for index in pair)
        explored.append(_with_points(name, source, target, (*matches, copy_matches(matches[0]))))
    return explored


def _align_pair(
    method: Method, described: Described, pair: Int[np.ndarray, "2"], *, factors: Sequence[float]
) -> MethodMatches:
    """Align one pair (source, target) of described records by one method."""
    source, target = described.descriptors[pair]
    costs = pair_cost(source, target, cost=method.cost, temperature=method.temperature)
    smoothness = tuple(round(method.smoothness * factor, 6) for factor in factors)
    aligned = [align_costs(costs, smoothness=np.float32(value)) for value in smoothness]
    source_to_px, target_to_px = (described.to_px[index] for index in pair)
    return MethodMatches(
        "SIFT" if method.sift else " + ".join(method.recipe.layers),
        source_to_px,
        target_to_px,
        smoothness,
        np.stack([method.flow(alignment) for alignment in aligned]),
        np.stack([np.asarray(alignment.confidence) for alignment in aligned]),
        np.asarray(costs),
    )


def _with_points(name: str, source: Record, target: Record, methods: tuple[MethodMatches, ...]) -> MatchedPair:
    """Return a pair of photographs with the keypoints that both show."""
    known = source.visible & target.visible & np.isfinite(source.points + target.points).all(axis=1)
    # The page begins with the first point, which is most instructive in the middle of the photograph.
    middle = (np.array(source.size[::-1]) - 1) / 2
    shown = np.flatnonzero(known).tolist()
    shown.sort(key=lambda row: float(np.linalg.norm(source.points[row] - middle)))
    return MatchedPair(
        name,
        load_image(source),
        load_image(target),
        methods,
        source.points[shown],
        target.points[shown],
        tuple(source.names[row] for row in shown),
    )


def keypoint_errors(pair: MatchedPair) -> dict[str, Float[np.ndarray, "smoothness n"]]:
    """Compute errors of known points by method and smoothness, in longer sides of the second photograph."""
    return {
        method.name: np.stack([_errors(pair, method, flow) for flow in method.flow]) for method in pair.methods
    }


def _errors(
    pair: MatchedPair, method: MethodMatches, flow: Float[np.ndarray, "h w 2"]
) -> Float[np.ndarray, " n"]:
    cells = method.a_to_px.inverse(pair.points_a)
    carried = method.b_to_px(cells + images.sample(flow, cells))
    return np.linalg.norm(carried - pair.points_b, axis=-1) / max(pair.b.shape[:2])


def exploration_report(pairs: Sequence[MatchedPair], *, alphas: Sequence[float]) -> dict[str, Any]:
    """Return the errors of known points by method and smoothness, as ``result.json`` holds them.

    They are the mean error and PCK, each over the points of a pair and then over pairs. PCK has its 95 %
    bootstrap interval over pairs, None of a single one.
    """
    errors = [keypoint_errors(pair) for pair in pairs]
    return {
        method.name: {
            "smoothness": list(method.smoothness),
            **_report([of_pair[method.name] for of_pair in errors], alphas),
        }
        for method in pairs[0].methods
    }


def _report(errors: Sequence[Float[np.ndarray, "smoothness _"]], alphas: Sequence[float]) -> dict[str, Any]:
    shares = np.stack([(of_pair[..., None] <= np.asarray(alphas)).mean(axis=1) for of_pair in errors])
    pairs, levels, _ = shares.shape
    samples = bootstrap(UnitSums(shares.reshape(pairs, 1, -1), np.ones((pairs, 1)), np.zeros(pairs, np.int64)))
    samples = samples.reshape(-1, *shares.shape[1:])
    return {
        "mean_error": np.mean([of_pair.mean(axis=1) for of_pair in errors], axis=0).tolist(),
        "pck": {
            f"{alpha:g}": [
                {
                    "mean": float(shares[:, level, column].mean()),
                    "interval": list(interval(samples[:, level, column])) if pairs > 1 else None,
                }
                for level in range(levels)
            ]
            for column, alpha in enumerate(alphas)
        },
    }
