"""Keypoint transfer: Table 2 of Long et al. 2014, and the pairs of PF-WILLOW.

    python -m eval.keypoint_transfer --dataset rendered                       (25 neighbours vote)
    python -m eval.keypoint_transfer --dataset lfpw68
    python -m eval.keypoint_transfer --dataset pf_willow --protocol box       (900 fixed pairs)
    python -m eval.keypoint_transfer --dataset pf_willow --protocol image --network vgg16

``--protocol box`` warps the objects' boxes to squares, ``image`` squashes whole photographs;
``neighbors`` is the paper's own: boxes, the 25 nearest training objects, the five that deform least.

Methods: ``conv4_flow``, our descriptors around conv4 and the mutual cost; ``paper_energy``, the paper's
single layer and distance cost; ``sift_flow``, SIFT of radius 20 at the cells of ``conv4_flow``; ``copy``,
no alignment. A method whose predictions lie in ``--out`` already, under the same settings, is not run again.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from convcorr_jax import coords, synthetic
from convcorr_jax.backbone.weights import Weights, load
from convcorr_jax.datasets import opening
from convcorr_jax.datasets.records import Record
from convcorr_jax.descriptors.convolutional import PAPER_RECIPES, RECIPES, Recipe
from convcorr_jax.io import make_folder, write_image, write_json
from convcorr_jax.keypoints.transfer import VOTERS
from convcorr_jax.metrics.pck import LONG_2014, PF_WILLOW, Pck, Protocol, pck
from convcorr_jax.runtime.runlog import plain, write_run
from convcorr_jax.runtime.script import run
from convcorr_jax.runtime.stages import stage
from convcorr_jax.tasks.transfer import protocols
from convcorr_jax.tasks.transfer.figures import Voters, examples, warped_neighbors
from convcorr_jax.tasks.transfer.methods import Method, align_pairs, describe, methods_for

Transfer = Literal["neighbors", "box", "image"]
RENDERED = "rendered"
TIMINGS = ("seconds_per_pair", "describe_seconds_per_image", "converged_share")


@dataclass(frozen=True)
class Config:
    """What to run on what."""

    dataset: str = RENDERED
    """``rendered``, or the name or path of a data set's folder."""
    protocol: Transfer = "neighbors"
    """Neighbours that vote, or the fixed pairs of PF-WILLOW by box or by whole image."""
    network: str = "alexnet"
    weights: Path | None = None
    """File of weights; by default those that are installed or fetched."""
    layers: tuple[str, ...] | None = None
    """Layers of ``conv4_flow``; the last names the grid. By default the network's recipe."""
    sizes_px: tuple[int, ...] | None = None
    """Sides of the square inputs of ``conv4_flow``. By default the network's recipe."""
    smoothness: float | None = None
    """Of ``conv4_flow``; by default the library's."""
    rendered_train: int = 100
    """Training instances of every rendered category."""
    rendered_test: int = 25
    out: Path = Path("runs/keypoint_transfer")
    data_root: Path | None = None
    """Folder of prepared data sets; by default the environment's CONVCORR_DATA."""


def main(config: Config) -> Path:
    """Run every method, score it, and write ``result.json`` and pictures; returns its path."""
    started = time.perf_counter()
    out = make_folder(config.out)
    weights = load(config.network, config.weights)
    network = weights.network
    recipe = RECIPES[network.name]
    recipe = Recipe(
        config.layers or recipe.layers, config.sizes_px or recipe.sizes_px, recipe.center
    )
    boxed = config.protocol != "image"
    methods = methods_for(
        recipe, PAPER_RECIPES[network.name], boxed=boxed, smoothness=config.smoothness
    )
    task = _task(config, weights)
    outcomes = {
        method.name: _outcome(task, method, config, weights, boxed=boxed) for method in methods
    }
    # Every method's grid copies alike; the last one's is at hand.
    predictions = {name: outcome["predicted"] for name, outcome in outcomes.items()}
    predictions["copy"] = outcomes[methods[-1].name]["copied"]
    scores = {name: _score(predicted, task) for name, predicted in predictions.items()}

    result: dict[str, Any] = {
        "dataset": config.dataset,
        "protocol": {"transfer": config.protocol, **plain(task.protocol)},
        "network": network.name,
        "weights": weights.source,
        "retrieval_layer": None if task.near is None else task.near.layer,
        "pairs": len(task.pairs),
        "targets": len(task.targets),
        "methods": {
            name: {
                "pck": dict(zip(map(str, score.alphas), score.mean.tolist(), strict=True)),
                "per_category": _per_category(score, task),
            }
            for name, score in scores.items()
        },
    }
    for method in methods:
        timing = {key: float(outcomes[method.name][key]) for key in TIMINGS}
        result["methods"][method.name] |= {**timing, "settings": plain(method)}
    result["seconds_per_pair"] = result["methods"]["conv4_flow"]["seconds_per_pair"]
    _draw(task, methods, outcomes, predictions, weights, out)
    write_json(out / "result.json", result)
    write_run(out, config, seconds=time.perf_counter() - started)
    return out / "result.json"


class Task(NamedTuple):
    """What is to be carried where, and how it is scored."""

    records: Sequence[Record]
    keypoints: protocols.Keypoints
    pairs: np.ndarray
    """Indices (source, target) of records."""
    targets: np.ndarray
    """Index of the record of every prediction."""
    groups: tuple[str, ...]
    """Of every prediction, as the protocol averages them."""
    near: protocols.Neighborhoods | None
    """Neighbours that vote; None where the pairs are fixed."""
    protocol: Protocol
    alphas: tuple[float, ...]


def _task(config: Config, weights: Weights) -> Task:
    if config.protocol != "neighbors":
        fixed = opening.read_pairs(config.dataset, data_root=config.data_root)
        pairs = np.array([(pair.source, pair.target) for pair in fixed.pairs])
        groups = tuple(pair.subset for pair in fixed.pairs)
        keypoints = protocols.keypoints_of(fixed.records)
        return Task(
            fixed.records, keypoints, pairs, pairs[:, 1], groups, None, PF_WILLOW, (0.05, 0.1, 0.2)
        )
    if config.dataset == RENDERED:
        records = synthetic.every_category(train=config.rendered_train, test=config.rendered_test)
    else:
        records = opening.read_records(config.dataset, data_root=config.data_root)
    near = protocols.neighborhoods(records, weights)
    groups = tuple(records[target].category for target in near.targets)
    keypoints = protocols.keypoints_of(records)
    alphas = (0.1, 0.05, 0.025)
    return Task(records, keypoints, near.pairs, near.targets, groups, near, LONG_2014, alphas)


def _outcome(
    task: Task, method: Method, config: Config, weights: Weights, *, boxed: bool
) -> dict[str, Any]:
    """Predictions and timings of one method: an earlier run's where its settings were the same."""
    path = config.out / f"{method.name}.npz"
    settings = {"config": plain(config), "method": plain(method), "weights": weights.source}
    return stage(path, settings, lambda: _run(task, method, weights, boxed=boxed))


def _run(task: Task, method: Method, weights: Weights, *, boxed: bool) -> dict[str, Any]:
    began = time.perf_counter()
    described = describe(task.records, method, weights, boxed=boxed)
    described_at = time.perf_counter()
    flows = align_pairs(described, task.pairs, method)
    aligned_at = time.perf_counter()
    points = task.keypoints.points
    candidates = protocols.carried(points, task.pairs, described, flows.flow)
    copied = protocols.copied(points, task.pairs, described)
    outcome: dict[str, Any] = {
        "describe_seconds_per_image": np.float64((described_at - began) / len(task.records)),
        "seconds_per_pair": np.float64((aligned_at - described_at) / len(task.pairs)),
        "converged_share": np.float64(flows.converged),
        "predicted": candidates,
        "copied": copied,
    }
    if task.near is not None:
        votes = protocols.voted(task.near, candidates, flows)
        ranked = candidates.reshape(*votes.order.shape, *candidates.shape[1:])
        best = votes.order[:, :VOTERS]
        outcome |= {
            "predicted": votes.predicted,
            "copied": protocols.voted(task.near, copied, None).predicted,
            "voters": np.take_along_axis(task.near.neighbors, best, axis=1),
            "voters_points": np.take_along_axis(ranked, best[:, :, None, None], axis=1),
        }
    return outcome


def _score(predicted: np.ndarray, task: Task) -> Pck:
    counted = task.keypoints.visible[task.targets]
    if task.near is not None:
        # Of a keypoint type that no neighbour shows there is no prediction to judge.
        counted = counted & ~np.isnan(predicted).any(axis=-1)
    return pck(
        predicted,
        task.keypoints.points[task.targets],
        counted,
        longer_sides([task.records[target] for target in task.targets]),
        task.groups,
        alphas=task.alphas,
        protocol=task.protocol,
    )


def longer_sides(records: Sequence[Record]) -> np.ndarray:
    """The longer side of every record's box; of the whole image where it has none."""
    boxes = [record.box or coords.whole_image(record.size) for record in records]
    return np.array([box.longer_side for box in boxes])


def _per_category(score: Pck, task: Task) -> dict[str, dict[str, float]]:
    """The mean over a category's groups at every alpha."""
    category = {
        group: task.records[target].category
        for group, target in zip(task.groups, task.targets, strict=True)
    }
    of_group = np.array([category[str(group)] for group in score.groups])
    return {
        name: dict(
            zip(
                map(str, score.alphas),
                score.per_group[of_group == name].mean(axis=0).tolist(),
                strict=True,
            )
        )
        for name in dict.fromkeys(of_group.tolist())
    }


def _draw(task: Task, methods, outcomes, predictions, weights: Weights, out: Path) -> None:
    """One example of every category, and Figure 3 where neighbours vote."""
    category = [task.records[target].category for target in task.targets]
    chosen = [category.index(name) for name in dict.fromkeys(category)]
    if task.near is None:
        picture = examples(task.records, task.pairs, predictions, chosen)
        write_image(out / "examples.jpg", picture)
        return
    voters = {
        method: [
            Voters(
                int(task.targets[row]),
                outcomes[method.name]["voters"][row],
                outcomes[method.name]["voters_points"][row],
            )
            for row in chosen
        ]
        for method in methods
        if method.name in ("conv4_flow", "sift_flow")
    }
    picture = warped_neighbors(task.records, voters, weights)
    write_image(out / "figure_3.jpg", picture)


if __name__ == "__main__":
    run(Config, main, __doc__)
