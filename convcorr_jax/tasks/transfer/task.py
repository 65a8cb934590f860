"""Keypoint transfer as a task: the pairs to align, the predictions of every method, and their cache."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets import Record, Scoring, box_lengths, fingerprint, read_pairs
from convcorr_jax.errors import InputError
from convcorr_jax.keypoints import VOTERS
from convcorr_jax.metrics import LONG_2014, Protocol
from convcorr_jax.runtime.runlog import plain
from convcorr_jax.runtime.stages import stage
from convcorr_jax.tasks.reading import CategoryData, choose_splits, read
from convcorr_jax.tasks.transfer.methods import Described, Flows, Method, align_pairs, describe
from convcorr_jax.tasks.transfer.protocols import (
    Keypoints,
    Neighborhoods,
    carried,
    copied,
    keypoints_of,
    neighborhoods,
    pairs_checksum,
    voted,
)

Transfer = Literal["neighbors", "box", "image"]
"""How keypoints are transferred: by "neighbors" that vote, or between fixed pairs by "box" or whole "image"."""


class Task(NamedTuple):
    """The pairs of records between which keypoints are carried, and how predictions are scored."""

    records: Sequence[Record]
    keypoints: Keypoints
    pairs: Int[np.ndarray, "pairs 2"]
    """Indices (source, target) of records."""
    targets: Int[np.ndarray, " targets"]
    """The index of the record of every prediction."""
    groups: tuple[str, ...]
    """The group of every prediction, over which the protocol averages first."""
    neighborhoods: Neighborhoods | None
    """The neighbours that vote; None for fixed pairs."""
    scorings: tuple[Scoring, ...]
    """How PCK is computed: the data set's own protocol, then others in use for it."""
    alphas: tuple[float, ...]
    """The thresholds of PCK, in units of a protocol's normalizer."""
    boxed: bool
    """Whether boxes are aligned, and not whole photographs."""
    split: str

    @property
    def categories(self) -> list[str]:
        """The category of every prediction."""
        return [self.records[target].category for target in self.targets]

    @property
    def protocol(self) -> Protocol:
        """The data set's own protocol."""
        return self.scorings[0].protocol


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


def open_task(data: CategoryData, weights: Weights, *, transfer: Transfer, targets: int | None = None) -> Task:
    """Read the records of a transfer task, and find neighbours if they vote.

    Where neighbours vote, ``targets`` tested records of each category are chosen, evenly spread; by default
    all.
    """
    if targets is not None and (targets < 1 or transfer != "neighbors"):
        raise InputError(
            f"targets is {targets} with the protocol {transfer}; a positive number is expected, with the "
            "protocol neighbors only"
        )
    if transfer != "neighbors":
        fixed = read_pairs(data.dataset, data_root=data.data_root, split=data.split)
        chosen = [
            pair
            for pair in fixed.pairs
            if not data.categories or fixed.records[pair.source].category in data.categories
        ]
        if not chosen:
            raise InputError(f"{data.dataset} has no pairs of {', '.join(data.categories)}")
        pairs = np.array([(pair.source, pair.target) for pair in chosen])
        return Task(
            fixed.records,
            keypoints_of(fixed.records),
            pairs,
            targets=pairs[:, 1],
            groups=tuple(pair.subset for pair in chosen),
            neighborhoods=None,
            scorings=fixed.scorings,
            alphas=(0.05, 0.1, 0.2),
            boxed=transfer == "box",
            split=data.split or "test",
        )
    records = read(
        data.dataset,
        data_root=data.data_root,
        categories=data.categories,
        train=data.rendered_train,
        test=data.rendered_test,
    )
    splits = choose_splits((record.split for record in records), tested=data.split, source=data.dataset)
    nearest = neighborhoods(records, weights, splits=splits, targets=targets)
    return Task(
        records,
        keypoints_of(records),
        nearest.pairs,
        targets=nearest.targets,
        groups=tuple(records[target].category for target in nearest.targets),
        neighborhoods=nearest,
        scorings=(box_lengths(records, LONG_2014),),
        alphas=(0.1, 0.05, 0.025),
        boxed=True,
        split=splits.tested,
    )


def run_methods(task: Task, methods: Sequence[Method], weights: Weights, *, folder: Path) -> dict[str, Outcome]:
    """Compute the predictions of every method, by name, or read those that an earlier run cached."""
    key = {
        "records": fingerprint(task.records),
        "pairs": pairs_checksum(task.pairs),
        "weights": weights.fingerprint,
        "boxed": task.boxed,
        "votes": task.neighborhoods is not None,
    }
    outcomes = {}
    for method in methods:
        settings = {**key, "method": plain(method)}
        arrays = stage(
            folder / f"{method.name}.npz", settings, lambda method=method: _run(task, method, weights)
        )
        outcomes[method.name] = Outcome(**arrays)
    return outcomes


def _run(task: Task, method: Method, weights: Weights) -> dict[str, np.ndarray | np.generic]:
    started = time.perf_counter()
    described = describe(task.records, method, weights, boxed=task.boxed)
    described_at = time.perf_counter()
    flows = align_pairs(described, task.pairs, method)
    aligned_at = time.perf_counter()
    timings: dict[str, np.ndarray | np.generic] = {
        "describe_seconds_per_image": np.float64((described_at - started) / len(task.records)),
        "seconds_per_pair": np.float64((aligned_at - described_at) / len(task.pairs)),
        "converged_share": np.float64(flows.converged),
    }
    return {**timings, **_predictions(task, described, flows)}


def _predictions(task: Task, described: Described, flows: Flows) -> dict[str, np.ndarray]:
    points = task.keypoints.points
    candidates = carried(points, task.pairs, described, flows.flow)
    unaligned = copied(points, task.pairs, described)
    if task.neighborhoods is None:
        return {"predicted": candidates, "copied": unaligned}
    votes = voted(task.neighborhoods, candidates, flows)
    ranked = candidates.reshape(*votes.order.shape, *candidates.shape[1:])
    best = votes.order[:, :VOTERS]
    return {
        "predicted": votes.predicted,
        "copied": voted(task.neighborhoods, unaligned, None).predicted,
        "voters": np.take_along_axis(task.neighborhoods.neighbors, best, axis=1),
        "voters_points": np.take_along_axis(ranked, best[:, :, None, None], axis=1),
    }
