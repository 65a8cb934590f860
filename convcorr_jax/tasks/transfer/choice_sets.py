"""Pairs on which settings of flows are chosen, and what settings score on pairs by who chooses them."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from convcorr_jax import synthetic
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets import PairSet, Record, Scoring, box_lengths, fingerprint, read_records
from convcorr_jax.descriptors import Recipe
from convcorr_jax.metrics import PF_WILLOW, Pck, pck
from convcorr_jax.runtime.runlog import plain
from convcorr_jax.runtime.stages import stage
from convcorr_jax.tasks.reading import Splits
from convcorr_jax.tasks.transfer.methods import Described, Method, align_pairs, describe
from convcorr_jax.tasks.transfer.protocols import carried, keypoints_of, neighborhoods, pairs_checksum
from convcorr_jax.tasks.transfer.scores import pck_with_intervals
from convcorr_jax.tasks.transfer.selection import SearchSpace, Selection, leave_category_out, select

ALPHAS = (0.05, 0.1, 0.2)
"""The thresholds of PCK, in units of the longer side of the box; settings are chosen by the mean over them."""
CHOICE_SEED = 1
"""The seed of the rendered pairs for the choice; results use seed 0."""
_NEAREST = 3
_TRAIN = 60


class ChoiceSet(NamedTuple):
    """Records, and the pairs of them to align."""

    records: Sequence[Record]
    pairs: Int[np.ndarray, "pairs 2"]
    """Indices (source, target) of records."""
    groups: tuple[str, ...]
    """The group of each pair, over which PCK averages first."""

    @property
    def categories(self) -> tuple[str, ...]:
        """The category of each pair's target."""
        return tuple(self.records[target].category for target in self.pairs[:, 1])

    def of_category(self, category: str) -> "ChoiceSet":
        """Return the pairs of one category, with their records only."""
        rows = np.array([name == category for name in self.categories])
        return _of_pairs(self.records, self.pairs[rows], [self.groups[row] for row in np.flatnonzero(rows)])

    def every(self, step: int) -> "ChoiceSet":
        """Return every ``step``-th pair, with their records only."""
        return _of_pairs(self.records, self.pairs[::step], self.groups[::step])


def rendered_set(weights: Weights, *, test: int) -> ChoiceSet:
    """Render objects, and pair some of every category with the nearest ones among the others."""
    records = synthetic.every_category(train=_TRAIN, test=test, seed=CHOICE_SEED)
    return _with_neighbors(records, weights)


def faces_set(weights: Weights, *, data_root: Path | None, count: int) -> ChoiceSet:
    """Pair photographs of even number of LFPW's training split with their nearest of odd number."""
    records = read_records("lfpw68", data_root=data_root)
    train = [record for record in records if record.split == "train"]
    even = [dataclasses.replace(record, split="test") for record in train[: 2 * count : 2]]
    return _with_neighbors((*train[1::2], *even), weights)


def fixed_set(fixed: PairSet) -> ChoiceSet:
    """Return the fixed pairs of a data set."""
    pairs = np.array([(pair.source, pair.target) for pair in fixed.pairs])
    return ChoiceSet(fixed.records, pairs, tuple(pair.subset for pair in fixed.pairs))


class FlowScores:
    """Predictions of the keypoints of pairs for any settings of a method, and their scores, cached on disk."""

    def __init__(self, chosen: ChoiceSet, weights: Weights, *, boxed: bool, folder: Path) -> None:
        self._chosen, self._weights, self._boxed = chosen, weights, boxed
        self._folder = folder
        # Descriptors of one recipe serve every cost and smoothness that is tried next.
        self._described = functools.lru_cache(maxsize=1)(self._describe)

    def predicted(self, method: Method) -> Float[np.ndarray, "pairs n 2"]:
        """Return the keypoints (x, y) of every source, carried to the target's photograph."""
        settings = {
            "records": fingerprint(self._chosen.records),
            "pairs": pairs_checksum(self._chosen.pairs),
            "weights": self._weights.fingerprint,
            "method": plain(method),
            "boxed": self._boxed,
        }
        framing = "box" if self._boxed else "image"
        layers, sizes = "-".join(method.recipe.layers), "-".join(map(str, method.recipe.sizes_px))
        name = (
            f"{method.name}_{framing}_{layers}_{sizes}_{method.margin:g}_{method.temperature:g}_"
            f"{method.smoothness:g}.npz"
        )
        return stage(self._folder / name, settings, lambda: self._predict(method))["predicted"]

    def pck(self, method: Method) -> Pck:
        """Score the predictions by the protocol of PF-WILLOW."""
        return score_pairs(self._chosen, self.predicted(method))

    def mean(self, method: Method) -> float:
        """Return the mean PCK over `ALPHAS`, by which settings are chosen."""
        return float(self.pck(method).mean.mean())

    def _predict(self, method: Method) -> Mapping[str, np.ndarray]:
        described = self._described(method.name, method.recipe, method.sift, method.margin)
        flows = align_pairs(described, self._chosen.pairs, method)
        points = keypoints_of(self._chosen.records).points
        return {"predicted": carried(points, self._chosen.pairs, described, flows.flow)}

    def _describe(self, name: str, recipe: Recipe, sift: bool, margin: float) -> Described:
        method = Method(name, recipe, sift, "distance", 1.0, margin)
        return describe(self._chosen.records, method, self._weights, boxed=self._boxed)


def score_pairs(chosen: ChoiceSet, predicted: Float[np.ndarray, "pairs n 2"]) -> Pck:
    """Compute the PCK of keypoints that both objects of a pair show, by the protocol of PF-WILLOW."""
    keypoints = keypoints_of(chosen.records)
    sources, targets = chosen.pairs.T
    scoring: Scoring = box_lengths(chosen.records, PF_WILLOW)
    return pck(
        predicted,
        keypoints.points[targets],
        keypoints.visible[targets] & keypoints.visible[sources],
        np.array(scoring.normalizers_px)[targets],
        chosen.groups,
        alphas=ALPHAS,
        protocol=scoring.protocol,
    )


def _with_neighbors(records: Sequence[Record], weights: Weights) -> ChoiceSet:
    nearest = neighborhoods(records, weights, splits=Splits(("train",), "test"))
    pairs = nearest._replace(neighbors=nearest.neighbors[:, :_NEAREST]).pairs
    return _of_pairs(records, pairs, [records[target].category for target in pairs[:, 1]])


def _of_pairs(records: Sequence[Record], pairs: Int[np.ndarray, "pairs 2"], groups: Sequence[str]) -> ChoiceSet:
    used, numbers = np.unique(pairs, return_inverse=True)
    return ChoiceSet([records[index] for index in used], numbers.reshape(pairs.shape), tuple(groups))


def choose_on(method: Method, space: SearchSpace, sets: Sequence[FlowScores]) -> Selection:
    """Choose settings by the mean of their scores on several sets of pairs."""
    return select(method, space, lambda one: float(np.mean([scores.mean(one) for scores in sets])))


def score_choices(
    method: Method,
    space: SearchSpace,
    elsewhere: Selection,
    pairs: ChoiceSet,
    *,
    every: int,
    scores: Callable[[ChoiceSet, str], FlowScores],
) -> dict[str, dict[str, Any]]:
    """Score pairs with the settings that other categories, other data, or the pairs themselves choose.

    Every ``every``-th pair chooses; ``scores`` returns the scores on pairs, cached in the subfolder of this
    name. The result has ``nested`` (each category with the choice of the others), ``elsewhere`` and ``tuned``:
    ``pck`` with its 95 % ``interval`` by threshold, and the ``settings``, those of ``nested`` by category.
    """
    few, names = pairs.every(every), tuple(dict.fromkeys(pairs.categories))
    means = {name: functools.cache(scores(few.of_category(name), f"choosing/{name}").mean) for name in names}
    scored = {name: scores(pairs.of_category(name), f"scored/{name}") for name in names}
    nested = {name: leave_category_out(method, space, means, held_out=name) for name in names}
    tuned = select(method, space, lambda one: float(np.mean([mean(one) for mean in means.values()])))

    def report(chosen: Mapping[str, Selection]) -> dict[str, Any]:
        predicted = {name: scored[name].predicted(chosen[name].method) for name in names}
        return pck_with_intervals(score_pairs(pairs, _in_order(pairs, predicted)))

    return {
        "nested": {"settings": {name: plain(nested[name].method) for name in names}, **report(nested)},
        "elsewhere": {"settings": plain(elsewhere.method), **report(dict.fromkeys(names, elsewhere))},
        "tuned": {"settings": plain(tuned.method), **report(dict.fromkeys(names, tuned))},
    }


def _in_order(
    pairs: ChoiceSet, predicted: Mapping[str, Float[np.ndarray, "_ n 2"]]
) -> Float[np.ndarray, "pairs n 2"]:
    """Join the predictions of categories in the order of the pairs."""
    categories = np.array(pairs.categories)
    points = np.empty((len(categories), *next(iter(predicted.values())).shape[1:]))
    for name, of_category in predicted.items():
        points[categories == name] = of_category
    return points
