"""The choice of a method's settings: recipe, margin, temperature and smoothness, one after the other.

`select` sees nothing but a function from settings to a score. Its caller decides which labels the score reads,
so that a test split cannot leak into settings that are fixed before it is read. `FlowScores` are such scores,
and `score_choices` compares who chooses: other categories, other data, or the scored pairs themselves.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from convcorr_jax.descriptors import Recipe
from convcorr_jax.errors import InputError
from convcorr_jax.flow import Subcell
from convcorr_jax.runtime import plain, stage
from convcorr_jax.tasks.transfer.joined import Features
from convcorr_jax.tasks.transfer.methods import Described, Method, align_pairs, carry, describe, nearest_cells
from convcorr_jax.tasks.transfer.pairs import Pairs
from convcorr_jax.tasks.transfer.scores import pck_with_intervals, score

# Neighbouring values of the smoothness differ by this factor: PCK changes by less than .01 between them.
_STEP = math.sqrt(2)
# The search for the smoothness ends after this many steps to either side of where it began, a factor of 64.
_FARTHEST = 12
# Rounds over all settings; on PF-WILLOW the second or third changes nothing.
_ROUNDS = 4


@dataclass(frozen=True)
class SearchSpace:
    """The settings to compare; a setting with no value is kept as it is.

    The last of a group of layers defines the grid; margins of boxes are in fractions of their width and height.
    """

    layers: tuple[tuple[str, ...], ...] = ()
    sizes_px: tuple[tuple[int, ...], ...] = ()
    margins: tuple[float, ...] = ()
    temperatures: tuple[float, ...] = ()
    subcells: tuple[Subcell, ...] = ()
    shares: tuple[tuple[float, ...], ...] = ()


# Combinations around conv4 of AlexNet, whose cells are 16 pixels apart, and the like of VGG16.
_ALEXNET_LAYERS = (("conv4",), ("conv4", "conv5"), ("conv3", "conv4", "conv5"))
_LAYERS = {
    **dict.fromkeys(("alexnet", "bvlc_alexnet", "caffenet"), _ALEXNET_LAYERS),
    "vgg16": (("conv5_1",), ("conv5_1", "conv5_3"), ("conv4_3", "conv5_1", "conv5_3")),
}


def space_of(method: Method, network: str, *, boxed: bool) -> SearchSpace:
    """Return the settings that are compared for a method of `methods_for`.

    The paper's methods have only their smoothness to choose. Ours have layers, input sizes, margin (of boxes)
    and temperature as well, and SIFT all of these but layers.
    """
    if method.cost == "distance":
        return SearchSpace()
    small, large = min(method.recipe.sizes_px), max(method.recipe.sizes_px)
    return SearchSpace(
        layers=() if method.sift else _LAYERS.get(network, ()),
        sizes_px=((small,), (large,), *(((small, large),) if not method.sift else ())),
        margins=(0.0, 0.1, 0.15, 0.25) if boxed else (),
        temperatures=(0.025, 0.05, 0.1),
    )


class Selection(NamedTuple):
    """The chosen settings."""

    method: Method
    score: float
    tried: int


def select(method: Method, space: SearchSpace, score: Callable[[Method], float]) -> Selection:
    """Choose settings by coordinate ascent: the best value of one setting at a time, the first of several.

    It ends when none changes, or after a few rounds. The smoothness has no fixed grid: it moves from its start
    in steps of a factor of the root of 2, as long as the score rises, to 64 times or a 64th of it at most.
    ``score`` is called once for each settings; the higher the better, NaN the worst.
    """
    scores: dict[Method, float] = {}

    def evaluate(candidate: Method) -> float:
        if candidate not in scores:
            value = score(candidate)
            # Nothing is greater than NaN, which would stay the best.
            scores[candidate] = -math.inf if math.isnan(value) else value
        return scores[candidate]

    start = method.smoothness
    best = _best_smoothness(method, evaluate, start=start)
    for _ in range(_ROUNDS):
        before = best
        for setting, values in (
            ("layers", space.layers),
            ("sizes_px", space.sizes_px),
            ("margin", space.margins),
            ("temperature", space.temperatures),
            ("subcell", space.subcells),
            ("shares", space.shares),
        ):
            best = max((best, *(_with(best, setting, value) for value in values)), key=evaluate)
        best = _best_smoothness(best, evaluate, start=start)
        if best == before:
            break
    if evaluate(best) == -math.inf:
        raise InputError("the scores of all settings are NaN; none can be chosen")
    return Selection(best, evaluate(best), len(scores))


def leave_category_out(
    method: Method, space: SearchSpace, scores: Mapping[str, Callable[[Method], float]], *, held_out: str
) -> Selection:
    """Choose settings for one category by the mean score of the others, whose scores alone are computed.

    What the category then scores is an estimate for categories beyond the data set, which a score with settings
    chosen on all categories is not.
    """
    if held_out not in scores or len(scores) < 2:
        raise InputError(f"categories are {', '.join(scores)}; {held_out} and another are expected")
    others = [score for name, score in scores.items() if name != held_out]
    return select(method, space, lambda one: sum(score(one) for score in others) / len(others))


def _best_smoothness(method: Method, score: Callable[[Method], float], *, start: float) -> Method:
    """Return the method with the smoothness from which the score falls to both sides."""

    def at(step: int) -> Method:
        # Rounded, so that a value reached from two sides is one value.
        value = float(f"{start * _STEP**step:.4g}")
        return dataclasses.replace(method, smoothness=value)

    best = round(math.log(method.smoothness / start, _STEP))
    for direction in (1, -1):
        # One lower value does not end the search: scores of few pairs are not smooth.
        step = best
        while abs(step) < _FARTHEST and abs(step - best) < 2:
            step += direction
            if score(at(step)) > score(at(best)):
                best = step
    return at(best)


def _with(method: Method, setting: str, value: Any) -> Method:
    if setting not in ("layers", "sizes_px"):
        return dataclasses.replace(method, **{setting: value})
    recipe: Recipe = dataclasses.replace(method.recipe, **{setting: value})
    return dataclasses.replace(method, recipe=recipe)


class FlowScores:
    """Predictions of the keypoints of pairs for any settings of a method, and their scores, cached on disk."""

    def __init__(self, pairs: Pairs, weights: Features, *, folder: Path | None) -> None:
        """Take the pairs, what describes them, and the folder of cached predictions, None for no cache."""
        self._pairs, self._weights, self._folder = pairs, weights, folder
        # Descriptors of one recipe serve every cost and smoothness that is tried next.
        self._described = functools.lru_cache(maxsize=1)(self._describe)

    def predicted(self, method: Method) -> Float[np.ndarray, "pairs n 2"]:
        """Return the keypoints (x, y) of every source, carried to the target's photograph."""
        if self._folder is None:
            return self._predict(method)["predicted"]
        settings = {**self._pairs.key, "weights": self._weights.fingerprint, "method": plain(method)}
        framing = "box" if self._pairs.boxed else "image"
        layers, sizes = "-".join(method.recipe.layers), "-".join(map(str, method.recipe.sizes_px))
        shares = "".join(f"_{share:.3g}" for share in method.shares)
        name = (
            f"{method.name}_{framing}_{layers}_{sizes}_{method.margin:g}_{method.temperature:g}_"
            f"{method.smoothness:g}_{method.subcell}{shares}.npz"
        )
        return stage(self._folder / name, settings, lambda: self._predict(method))["predicted"]

    def mean(self, method: Method) -> float:
        """Return the mean PCK over the thresholds, by which settings are chosen."""
        return float(score(self._pairs, self.predicted(method)).mean.mean())

    def _predict(self, method: Method) -> Mapping[str, np.ndarray]:
        described = self._described(method.name, method.recipe, method.sift, method.margin, method.shares)
        flows = align_pairs(described, self._pairs.indices, method)
        return {"predicted": carry(self._pairs, described, flows.flow)}

    def _describe(
        self, name: str, recipe: Recipe, sift: bool, margin: float, shares: tuple[float, ...]
    ) -> Described:
        method = Method(name, recipe, sift, "distance", 1.0, margin, shares=shares)
        return describe(self._pairs.records, method, self._weights, boxed=self._pairs.boxed)


class NearestScores(FlowScores):
    """The same for the nearest neighbour of every keypoint, which has no temperature and no smoothness."""

    def predicted(self, method: Method) -> Float[np.ndarray, "pairs n 2"]:
        """Return the keypoints (x, y) of every source, at the most similar cell of the target's photograph."""
        return super().predicted(dataclasses.replace(method, temperature=1.0, smoothness=1.0))

    def _predict(self, method: Method) -> Mapping[str, np.ndarray]:
        described = self._described(method.name, method.recipe, method.sift, method.margin, method.shares)
        return {"predicted": nearest_cells(self._pairs, described)}


def choose_on(method: Method, space: SearchSpace, sets: Sequence[FlowScores]) -> Selection:
    """Choose settings by the mean of their scores on several sets of pairs."""
    return select(method, space, lambda one: float(np.mean([scores.mean(one) for scores in sets])))


def score_choices(
    method: Method,
    space: SearchSpace,
    elsewhere: Selection,
    pairs: Pairs,
    *,
    every: int,
    scores: Callable[[Pairs, str], FlowScores],
) -> dict[str, dict[str, Any]]:
    """Score pairs with the settings that other categories, other data, or the pairs themselves choose.

    Every ``every``-th pair chooses; ``scores`` returns the scores on pairs, cached in the subfolder of this
    name. The result has ``nested`` (each category with the choice of the others), ``elsewhere`` and ``tuned``:
    ``pck`` with its 95 % ``interval`` by threshold, and the ``settings``, those of ``nested`` by category.
    """
    means, scored = _by_category(pairs, every, scores)
    names = tuple(means)
    nested = {name: leave_category_out(method, space, means, held_out=name) for name in names}
    tuned = select(method, space, lambda one: float(np.mean([mean(one) for mean in means.values()])))

    def report(chosen: Mapping[str, Selection]) -> dict[str, Any]:
        return pck_with_intervals(score(pairs, _predicted(pairs, scored, chosen)))

    return {
        "nested": {"settings": {name: plain(nested[name].method) for name in names}, **report(nested)},
        "elsewhere": {"settings": plain(elsewhere.method), **report(dict.fromkeys(names, elsewhere))},
        "tuned": {"settings": plain(tuned.method), **report(dict.fromkeys(names, tuned))},
    }


def predict_nested(
    method: Method, space: SearchSpace, pairs: Pairs, *, every: int, scores: Callable[[Pairs, str], FlowScores]
) -> tuple[Float[np.ndarray, "pairs n 2"], dict[str, Selection]]:
    """Predict the keypoints of each category with the settings that the others choose (`leave_category_out`).

    Every ``every``-th pair chooses; ``scores`` are those of `score_choices`. Returns the choices by category,
    too.

    Raises:
        InputError: there is one category only, or a category has none of the pairs that choose.
    """
    means, scored = _by_category(pairs, every, scores)
    chosen = {name: leave_category_out(method, space, means, held_out=name) for name in means}
    return _predicted(pairs, scored, chosen), chosen


def _by_category(
    pairs: Pairs, every: int, scores: Callable[[Pairs, str], FlowScores]
) -> tuple[dict[str, Callable[[Method], float]], dict[str, FlowScores]]:
    """Return the mean score of each category's pairs that choose, and the scores of all its pairs."""
    few, names = pairs.subset(range(0, len(pairs.indices), every)), tuple(dict.fromkeys(pairs.categories))
    if without := set(names) - set(few.categories):
        raise InputError(
            f"none of every {every} pairs is of {', '.join(sorted(without))}; a smaller number is expected"
        )
    means: dict[str, Callable[[Method], float]] = {
        name: functools.cache(scores(few.of_category(name), f"choosing/{name}").mean) for name in names
    }
    return means, {name: scores(pairs.of_category(name), f"scored/{name}") for name in names}


def _predicted(
    pairs: Pairs, scored: Mapping[str, FlowScores], chosen: Mapping[str, Selection]
) -> Float[np.ndarray, "pairs n 2"]:
    """Join the predictions of categories, each with its settings, in the order of the pairs."""
    categories = np.array(pairs.categories)
    # Categories differ in their number of keypoints.
    points = np.full((len(categories), *pairs.keypoints.points.shape[1:]), np.nan)
    for name, one in scored.items():
        of_category = one.predicted(chosen[name].method)
        points[categories == name, : of_category.shape[1]] = of_category
    return points
