"""What settings score on pairs without a training split, by who chooses them."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from convcorr_jax.runtime.runlog import plain
from convcorr_jax.tasks.transfer.choice_sets import ChoiceSet, FlowScores, score_pairs
from convcorr_jax.tasks.transfer.methods import Method
from convcorr_jax.tasks.transfer.scores import pck_with_intervals
from convcorr_jax.tasks.transfer.selection import (
    SearchSpace,
    Selection,
    leave_category_out,
    select,
)


def choose_on(method: Method, space: SearchSpace, sets: Sequence[FlowScores]) -> Selection:
    """Choose settings by the mean of their scores on several sets of pairs.

    Args:
        method: the method, with the settings to begin with.
        space: the values to compare.
        sets: the scores on each set.

    Raises:
        InputError: an image cannot be read, or a cached file is damaged.
    """
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

    Args:
        method: the method, with the settings to begin with.
        space: the values to compare.
        elsewhere: the choice of other pairs.
        pairs: the pairs to score, all of them.
        every: every how many of them choose.
        scores: returns the scores on pairs, cached in the subfolder of this name.

    Returns:
        For ``nested`` (each category with the choice of the others), ``elsewhere`` and ``tuned``: ``pck`` with
        its 95 % ``interval`` by threshold, and the ``settings``, those of ``nested`` by category.

    Raises:
        InputError: an image cannot be read, or a cached file is damaged.
    """
    few, names = pairs.every(every), tuple(dict.fromkeys(pairs.categories))
    means = {
        name: functools.cache(scores(few.of_category(name), f"choosing/{name}").mean)
        for name in names
    }
    scored = {name: scores(pairs.of_category(name), f"scored/{name}") for name in names}
    nested = {name: leave_category_out(method, space, means, held_out=name) for name in names}
    tuned = select(
        method, space, lambda one: float(np.mean([mean(one) for mean in means.values()]))
    )

    def report(chosen: Mapping[str, Selection]) -> dict[str, Any]:
        predicted = {name: scored[name].predicted(chosen[name].method) for name in names}
        return pck_with_intervals(score_pairs(pairs, _in_order(pairs, predicted)))

    return {
        "nested": {
            "settings": {name: plain(nested[name].method) for name in names},
            **report(nested),
        },
        "elsewhere": {
            "settings": plain(elsewhere.method),
            **report(dict.fromkeys(names, elsewhere)),
        },
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
