"""Accuracy of flows on warped photographs, whose true flow is known."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from convcorr_jax import coords
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets import photographs
from convcorr_jax.flow import upsample_flow
from convcorr_jax.metrics import Pck, Protocol, mean_interval, pck
from convcorr_jax.runtime.progress import progress
from convcorr_jax.synthetic import WarpedPair, warped_pair
from convcorr_jax.tasks.transfer.methods import Method, align_pairs, describe
from convcorr_jax.tasks.transfer.protocols import carried, copied, keypoints_of
from convcorr_jax.tasks.transfer.scores import pck_with_intervals

ALPHAS = (0.025, 0.05, 0.1)
"""Thresholds of PCK, in units of the longer side of the image."""
CORNERS = Protocol(
    name="corners of warped photographs",
    normalizer="the longer side of the image",
    frame="pixels of the target image",
    strict=False,
    average="image",
    counted="corners that both images show",
    overall="all",
)
"""How the corners of warped photographs are scored."""


def warp_photographs(*, seeds: int) -> list[WarpedPair]:
    """Warp every photograph that installed packages contain.

    Args:
        seeds: the number of warps of every photograph.
    """
    chosen = [
        (index, seed) for seed in range(seeds) for index in range(len(photographs.photographs()))
    ]
    return [
        warped_pair(index, seed=seed)
        for index, seed in progress(chosen, description="warping photographs")
    ]


def measure_accuracy(
    warped: Sequence[WarpedPair], methods: Sequence[Method], weights: Weights
) -> dict[str, dict[str, Any]]:
    """Align every pair by every method, and compare with the true flow and the true corners.

    Args:
        warped: pairs of images with their true flow.
        methods: the methods to compare.
        weights: a network's weights.

    Returns:
        The endpoint error in pixels and PCK with their 95 % bootstrap intervals over pairs, by the name of the
        method, as JSON stores them; ``copy`` is the flow that is zero everywhere.
    """
    records = [record for pair in warped for record in (pair.source, pair.target)]
    pairs = np.arange(len(records)).reshape(-1, 2)
    points = keypoints_of(records).points
    predictions, errors = {}, {}
    for method in methods:
        described = describe(records, method, weights, boxed=False)
        flows = align_pairs(described, pairs, method)
        predictions[method.name] = carried(points, pairs, described, flows.flow)
        errors[method.name] = endpoint_errors(warped, described.to_px, flows.flow)
        # The zero flow gives the same result on the grid of every method.
        predictions["copy"] = copied(points, pairs, described)
        errors["copy"] = endpoint_errors(warped, described.to_px, np.zeros_like(flows.flow))
    scores = {name: _corner_score(warped, predicted) for name, predicted in predictions.items()}
    return {
        name: {
            "endpoint_error_px": float(errors[name].mean()),
            "endpoint_error_interval": list(mean_interval(errors[name])),
            **pck_with_intervals(method),
        }
        for name, method in scores.items()
    }


def endpoint_errors(
    warped: Sequence[WarpedPair],
    to_px: Sequence[coords.Transform],
    flow: Float[np.ndarray, "pairs h w 2"],
) -> Float[np.ndarray, " pairs"]:
    """Compute the mean distance of each pair's flow to the true one over visible pixels.

    Args:
        warped: pairs of images with their true flow.
        to_px: cells to pixels of each image: the first pair's source, its target, the second pair's source, ...
        flow: displacements in cells.

    Returns:
        The error of each pair in pixels.
    """
    means = []
    for number, pair in enumerate(warped):
        source_to_px, target_to_px = to_px[2 * number : 2 * number + 2]
        dense = upsample_flow(
            jnp.asarray(flow[number]), source_to_px, target_to_px, pair.source.size
        )
        distance = np.linalg.norm(np.asarray(dense) - pair.flow_px, axis=-1)
        means.append(distance[pair.visible].mean())
    return np.array(means)


def _corner_score(warped: Sequence[WarpedPair], predicted: np.ndarray) -> Pck:
    corners = keypoints_of([pair.target for pair in warped])
    return pck(
        predicted,
        corners.points,
        corners.visible,
        np.array([float(max(pair.target.size)) for pair in warped]),
        [pair.target.source_id for pair in warped],
        alphas=ALPHAS,
        protocol=CORNERS,
    )
