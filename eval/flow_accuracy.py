"""Flow where the truth is known exactly: warped photographs.

    python -m eval.flow_accuracy --seeds 4

Every photograph is paired with a thin-plate warp of itself under other light, before another background.
``endpoint_error_px`` is the mean distance between the flow and the truth over visible pixels, of images
256 pixels long; ``pck`` that of corners, over the longer side of the image. ``copy`` is the zero flow.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from convcorr_jax.backbone.weights import load
from convcorr_jax.datasets.photographs import photographs
from convcorr_jax.descriptors.convolutional import PAPER_RECIPES, RECIPES
from convcorr_jax.flow.warping import upsample_flow
from convcorr_jax.io import make_folder, write_json
from convcorr_jax.metrics.pck import Protocol, pck
from convcorr_jax.runtime.progress import progress
from convcorr_jax.runtime.runlog import plain, write_run
from convcorr_jax.runtime.script import run
from convcorr_jax.synthetic.warped_photographs import warped_pair
from convcorr_jax.tasks.transfer import protocols
from convcorr_jax.tasks.transfer.methods import align_pairs, describe, methods_for

ALPHAS = (0.025, 0.05, 0.1)
CORNERS = Protocol(
    name="corners of warped photographs",
    normalizer="the longer side of the image",
    frame="pixels of the target image",
    strict=False,
    average="image",
    counted="corners that both images show",
)


@dataclass(frozen=True)
class Config:
    """How many pairs, and what aligns them."""

    seeds: int = 4
    """Warps of every photograph."""
    network: str = "alexnet"
    weights: Path | None = None
    out: Path = Path("runs/flow_accuracy")
    data_root: Path | None = None
    """Not needed here; accepted as by every script."""


def main(config: Config) -> Path:
    """Align every pair by every method and write ``result.json``; returns its path."""
    started = time.perf_counter()
    out = make_folder(config.out)
    weights = load(config.network, config.weights)
    network = weights.network
    chosen = [(index, seed) for seed in range(config.seeds) for index in range(len(photographs()))]
    warped = [
        warped_pair(index, seed=seed)
        for index, seed in progress(chosen, description="warping photographs", total=len(chosen))
    ]
    records = [record for pair in warped for record in (pair.source, pair.target)]
    pairs = np.arange(len(records)).reshape(-1, 2)
    keypoints = protocols.keypoints_of(records)
    predictions, errors = {}, {}
    recipes = RECIPES[network.name], PAPER_RECIPES[network.name]
    for method in methods_for(*recipes, boxed=False):
        described = describe(records, method, weights, boxed=False)
        flows = align_pairs(described, pairs, method)
        predictions[method.name] = protocols.carried(keypoints.points, pairs, described, flows.flow)
        errors[method.name] = _endpoint_error(warped, described.to_px, flows.flow)
        # The same for every method, whatever its grid.
        predictions["copy"] = protocols.copied(keypoints.points, pairs, described)
        errors["copy"] = _endpoint_error(warped, described.to_px, np.zeros_like(flows.flow))

    truth = keypoints.points[pairs[:, 1]]
    longest = np.array([float(max(pair.target.size)) for pair in warped])
    groups = [pair.target.source_id for pair in warped]
    counted = keypoints.visible[pairs[:, 1]]
    result = {
        "pairs": len(pairs),
        "network": network.name,
        "weights": str(weights.source),
        "protocol": plain(CORNERS),
        "methods": {
            name: {
                "endpoint_error_px": errors[name],
                "pck": dict(
                    zip(
                        map(str, ALPHAS),
                        pck(
                            predicted,
                            truth,
                            counted,
                            longest,
                            groups,
                            alphas=ALPHAS,
                            protocol=CORNERS,
                        ).mean.tolist(),
                        strict=True,
                    )
                ),
            }
            for name, predicted in predictions.items()
        },
    }
    write_json(out / "result.json", result)
    write_run(out, config, seconds=time.perf_counter() - started)
    return out / "result.json"


def _endpoint_error(warped, to_px, flow) -> float:
    """The mean over pairs of the mean distance to the true flow, over visible pixels."""
    means = []
    for number, pair in enumerate(warped):
        dense = upsample_flow(
            jnp.asarray(flow[number]), to_px[2 * number], to_px[2 * number + 1], pair.source.size
        )
        distance = np.linalg.norm(np.asarray(dense) - pair.flow_px, axis=-1)
        means.append(distance[pair.visible].mean())
    return float(np.mean(means))


if __name__ == "__main__":
    run(Config, main, __doc__)
