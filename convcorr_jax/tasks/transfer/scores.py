"""PCK of transferred keypoints with intervals, and the accuracy of flows on warped photographs."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from convcorr_jax import coords
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets import Scoring, selection
from convcorr_jax.flow import upsample_flow
from convcorr_jax.metrics import Pck, bootstrap, interval, named_intervals, pck, unit_means
from convcorr_jax.runtime import plain, progress
from convcorr_jax.synthetic import WarpedPair, warped_pair
from convcorr_jax.tasks.transfer.methods import Method, align_pairs, carry, copy, describe
from convcorr_jax.tasks.transfer.pairs import Pairs, warped_pairs


def score(
    pairs: Pairs,
    predicted: Float[np.ndarray, "predictions n 2"],
    *,
    scoring: Scoring | None = None,
    leave_out_unpredicted: bool = True,
) -> Pck:
    """Compute the PCK of predictions, by default by the data set's own protocol.

    A keypoint counts if the target shows it and, between fixed pairs, the source as well. Where neighbours
    vote, those that none of them shows do not count, or else are wrong.
    """
    protocol, lengths = scoring or pairs.scorings[0]
    points, visible = pairs.keypoints
    counted = visible[pairs.targets]
    if pairs.neighborhoods is None:
        counted = counted & visible[pairs.indices[:, 0]]
    elif leave_out_unpredicted:
        counted = counted & ~np.isnan(predicted).any(axis=-1)
    return pck(
        predicted,
        points[pairs.targets],
        counted,
        np.array(lengths)[pairs.targets],
        pairs.groups,
        alphas=pairs.alphas,
        protocol=protocol,
        clusters=pairs.photographs,
    )


def pck_with_intervals(scores: Pck) -> dict[str, Any]:
    """Return the overall ``pck`` and its 95 % ``interval`` by threshold, as JSON stores them."""
    return _by_threshold(scores.alphas, scores.mean, bootstrap(scores.sums))


def score_table(pairs: Pairs, scores: Mapping[str, Pck]) -> dict[str, dict[str, Any]]:
    """Return ``pck``, ``interval`` and ``per_category`` of every method, as JSON stores them."""
    return {
        name: {**pck_with_intervals(method), "per_category": _per_category(method, pairs)}
        for name, method in scores.items()
    }


def differences(scores: Mapping[str, Pck]) -> dict[str, dict[str, Any]]:
    """Compute how far the first method is ahead of each other one, with paired 95 % intervals."""
    first, *others = scores
    samples = bootstrap(scores[first].sums)
    return {
        name: _by_threshold(
            scores[name].alphas, scores[first].mean - scores[name].mean, samples - bootstrap(scores[name].sums)
        )
        for name in others
    }


def other_protocols(
    pairs: Pairs, predictions: Mapping[str, Float[np.ndarray, "targets n 2"]]
) -> list[dict[str, Any]]:
    """Score predictions by the further protocols in use for the data set, with their rules.

    Where neighbours vote, the paper's protocol with keypoints that no voter shows counted as wrong is one.
    """

    def score_by(rules: dict[str, Any], **options: Any) -> dict[str, Any]:
        scores = {name: score(pairs, points, **options) for name, points in predictions.items()}
        return {"protocol": rules, "methods": {name: pck_with_intervals(each) for name, each in scores.items()}}

    others = [score_by(plain(scoring.protocol), scoring=scoring) for scoring in pairs.scorings[1:]]
    if pairs.neighborhoods is not None:
        rules = {**plain(pairs.protocol), "counted": "all keypoints visible in the target"}
        others.append(score_by(rules, leave_out_unpredicted=False))
    return others


def _by_threshold(
    alphas: tuple[float, ...], values: Float[np.ndarray, " alphas"], samples: Float[np.ndarray, "draws alphas"]
) -> dict[str, Any]:
    names = [str(alpha) for alpha in alphas]
    return {"pck": dict(zip(names, values.tolist(), strict=True)), "interval": named_intervals(names, samples)}


def _per_category(scores: Pck, pairs: Pairs) -> dict[str, dict[str, float]]:
    """Average PCK over the groups of each category, for every alpha."""
    category = dict(zip(pairs.groups, pairs.categories, strict=True))
    of_group = np.array([category[str(group)] for group in scores.groups])
    return {
        name: dict(
            zip(map(str, scores.alphas), scores.per_group[of_group == name].mean(axis=0).tolist(), strict=True)
        )
        for name in dict.fromkeys(of_group.tolist())
    }


def warp_photographs(*, seeds: int) -> list[WarpedPair]:
    """Warp every photograph that installed packages contain."""
    chosen = [(index, seed) for seed in range(seeds) for index in range(len(selection.photographs()))]
    return [
        warped_pair(index, seed=seed) for index, seed in progress(chosen, description="warping photographs")
    ]


def measure_accuracy(
    warped: Sequence[WarpedPair], methods: Sequence[Method], weights: Weights
) -> dict[str, dict[str, Any]]:
    """Align every pair by every method, and compare with the true flow and the true corners.

    The endpoint error is in pixels. ``copy`` is the flow that is zero everywhere.
    """
    pairs = warped_pairs(warped)
    predictions, errors = {}, {}
    for method in methods:
        described = describe(pairs.records, method, weights, boxed=pairs.boxed)
        flow = align_pairs(described, pairs.indices, method).flow
        predictions[method.name] = carry(pairs, described, flow)
        errors[method.name] = endpoint_errors(warped, described.to_px, flow)
        # The zero flow gives the same result on the grid of every method.
        predictions["copy"] = copy(pairs, described)
        errors["copy"] = endpoint_errors(warped, described.to_px, np.zeros_like(flow))
    return {
        name: {
            "endpoint_error_px": float(errors[name].mean()),
            "endpoint_error_interval": list(interval(_samples(errors[name], pairs)[:, 0])),
            **pck_with_intervals(score(pairs, predicted)),
        }
        for name, predicted in predictions.items()
    }


def _samples(errors: Float[np.ndarray, " pairs"], pairs: Pairs) -> Float[np.ndarray, "draws 1"]:
    return bootstrap(unit_means(errors)._replace(clusters=pairs.photographs))


def endpoint_errors(
    warped: Sequence[WarpedPair], to_px: Sequence[coords.Transform], flow: Float[np.ndarray, "pairs h w 2"]
) -> Float[np.ndarray, " pairs"]:
    """Compute the mean distance in pixels of each pair's flow (in cells) to the true one over visible pixels.

    ``to_px`` maps cells to pixels of the first pair's source, its target, the second pair's source, ...
    """
    means = []
    for number, pair in enumerate(warped):
        source_to_px, target_to_px = to_px[2 * number : 2 * number + 2]
        dense = upsample_flow(jnp.asarray(flow[number]), source_to_px, target_to_px, pair.source.size)
        distance = np.linalg.norm(np.asarray(dense) - pair.flow_px, axis=-1)
        means.append(distance[pair.visible].mean())
    return np.array(means)
