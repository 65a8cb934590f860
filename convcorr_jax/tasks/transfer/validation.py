"""The choice of the smoothness of flows on validation sets."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from convcorr_jax import synthetic
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets import Record, box_lengths, fingerprint, read_pairs, read_records
from convcorr_jax.metrics import PF_WILLOW, pck
from convcorr_jax.runtime.runlog import plain
from convcorr_jax.runtime.stages import stage
from convcorr_jax.tasks.transfer.methods import Method, align_pairs, describe
from convcorr_jax.tasks.transfer.protocols import (
    carried,
    keypoints_of,
    neighborhoods,
    pairs_checksum,
)

ALPHA = 0.05
"""The threshold of PCK, in units of the longer side of the box."""
VALIDATION_SEED = 1
"""The seed of the rendered validation set; results use seed 0."""
NEAREST = 3
"""Nearest training instances that are aligned with every validation instance."""
TRAIN = 60
"""Training instances of every rendered category."""


class ValidationSet(NamedTuple):
    """Records, and the pairs of them to align."""

    records: Sequence[Record]
    """All records."""
    pairs: Int[np.ndarray, "pairs 2"]
    """Indices (source, target) of records."""


class SmoothnessScores(NamedTuple):
    """PCK for every smoothness of a grid."""

    groups: list[str]
    """Names of the categories."""
    pck: Float[np.ndarray, "grid groups"]
    """PCK of every category for every smoothness."""


def rendered_set(weights: Weights, *, test: int) -> ValidationSet:
    """Render a validation set, and pair every test instance with its nearest training instances.

    Args:
        weights: a network's weights.
        test: the number of validation instances of every category.
    """
    records = synthetic.every_category(train=TRAIN, test=test, seed=VALIDATION_SEED)
    return _with_neighbors(records, weights)


def faces_set(weights: Weights, *, data_root: Path | None, count: int) -> ValidationSet:
    """Pair photographs of the training split of LFPW with their nearest ones.

    Args:
        weights: a network's weights.
        data_root: the folder of data sets.
        count: the number of photographs with even numbers that are validation instances; those with odd numbers
            are training instances.

    Raises:
        InputError: the data set does not exist or is damaged.
    """
    records = read_records("lfpw68", data_root=data_root)
    train = [record for record in records if record.split == "train"]
    even = [dataclasses.replace(record, split="test") for record in train[: 2 * count : 2]]
    return _with_neighbors((*train[1::2], *even), weights)


def willow_set(*, data_root: Path | None, count: int) -> ValidationSet:
    """Select evenly spaced pairs of PF-WILLOW.

    Args:
        data_root: the folder of data sets.
        count: the approximate number of pairs.

    Raises:
        InputError: the data set does not exist or is damaged.
    """
    fixed = read_pairs("pf_willow", data_root=data_root)
    step = max(1, len(fixed.pairs) // count)
    pairs = np.array([(pair.source, pair.target) for pair in fixed.pairs[::step]])
    return ValidationSet(fixed.records, pairs)


def validate(
    method: Method,
    weights: Weights,
    *,
    smoothness: Sequence[float],
    sets: Mapping[str, ValidationSet],
    held_out: ValidationSet | None,
    folder: Path,
) -> dict[str, Any]:
    """Score a method for every smoothness, by box and by whole image, and choose the best one.

    Args:
        method: the method; its own smoothness is not used.
        weights: a network's weights.
        smoothness: the grid of values.
        sets: validation sets by name, which choose the smoothness.
        held_out: a set of which each category is scored with the smoothness that its other categories choose;
            None for none.
        folder: the folder of the cache.

    Returns:
        For "box" and "image", mean PCK by validation set, the chosen smoothness, and the scores of the held-out
        categories, as JSON stores them.

    Raises:
        InputError: a cached file is damaged, or the folder cannot be written.
    """
    result: dict[str, dict[str, Any]] = {}
    for framing in ("box", "image"):

        def scores(name: str, chosen: ValidationSet, framing: str = framing) -> SmoothnessScores:
            path = folder / f"{method.name}_{framing}_{name.replace(' ', '_')}.npz"
            boxed = framing == "box"
            return _cached_scores(path, method, smoothness, chosen, weights, boxed=boxed)

        by_set = {name: scores(name, chosen) for name, chosen in sets.items()}
        means = {name: [float(np.mean(row)) for row in of.pck] for name, of in by_set.items()}
        best = int(np.argmax(np.mean(list(means.values()), axis=0)))
        result[framing] = {"validation": means, "chosen": smoothness[best]}
        if held_out is not None:
            result[framing]["leave_one_category_out"] = leave_one_out(
                scores("held_out", held_out), smoothness
            )
    return result


def leave_one_out(
    scores: SmoothnessScores, smoothness: Sequence[float]
) -> dict[str, dict[str, float]]:
    """Score each category with the smoothness that is best for the mean of the other categories.

    Args:
        scores: PCK of every category for every smoothness.
        smoothness: the grid of values.

    Returns:
        The chosen smoothness and its PCK by category.
    """
    result = {}
    for column, group in enumerate(scores.groups):
        others = [np.mean(row) for row in np.delete(scores.pck, column, axis=1)]
        best = int(np.argmax(others))
        result[group] = {"smoothness": smoothness[best], "pck": float(scores.pck[best, column])}
    return result


def _with_neighbors(records: Sequence[Record], weights: Weights) -> ValidationSet:
    nearest = neighborhoods(records, weights)
    return ValidationSet(records, nearest._replace(neighbors=nearest.neighbors[:, :NEAREST]).pairs)


def _cached_scores(
    path: Path,
    method: Method,
    smoothness: Sequence[float],
    chosen: ValidationSet,
    weights: Weights,
    *,
    boxed: bool,
) -> SmoothnessScores:
    settings = {
        "records": fingerprint(chosen.records),
        "pairs": pairs_checksum(chosen.pairs),
        "weights": weights.fingerprint,
        "method": plain(method),
        "smoothness": list(smoothness),
        "boxed": boxed,
    }

    def compute() -> dict[str, np.ndarray]:
        groups, scores = _scores(method, smoothness, chosen, weights, boxed=boxed)
        return {"groups": np.array(groups), "pck": scores}

    cached = stage(path, settings, compute)
    return SmoothnessScores(cached["groups"].tolist(), cached["pck"])


def _scores(
    method: Method,
    smoothness: Sequence[float],
    chosen: ValidationSet,
    weights: Weights,
    *,
    boxed: bool,
) -> SmoothnessScores:
    records, pairs = chosen
    described = describe(records, method, weights, boxed=boxed)
    keypoints = keypoints_of(records)
    targets = pairs[:, 1]
    lengths = box_lengths([records[target] for target in targets], PF_WILLOW).normalizers_px
    groups = [records[target].category for target in targets]
    rows = []
    for value in smoothness:
        flows = align_pairs(described, pairs, dataclasses.replace(method, smoothness=value))
        predicted = carried(keypoints.points, pairs, described, flows.flow)
        score = pck(
            predicted,
            keypoints.points[targets],
            keypoints.visible[targets] & ~np.isnan(predicted).any(axis=-1),
            np.array(lengths),
            groups,
            alphas=[ALPHA],
            protocol=PF_WILLOW,
        )
        rows.append(score.per_group[:, 0])
    return SmoothnessScores([str(group) for group in score.groups], np.array(rows))
