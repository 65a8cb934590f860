"""Keypoints by ridge regression from single layers of a network, by one rule for all networks."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from convcorr_jax.backbone.weights import Weights
from convcorr_jax.errors import InputError
from convcorr_jax.linear import grouped_folds
from convcorr_jax.metrics import Pck
from convcorr_jax.tasks.keypoints.categories import Category, read_categories
from convcorr_jax.tasks.keypoints.prediction import by_alpha, check_scorable, intervals, pck_of
from convcorr_jax.tasks.keypoints.ridge import RidgeOptions, predict_by_ridge
from convcorr_jax.tasks.reading import CategoryData

# The side of the coarsest map of many networks. Maps of 512 channels and 1,000 objects take 100 MB.
_CELLS = 7
# Thresholds of the PCK, and the one at which it chooses a layer.
_ALPHAS, _CHOOSING = (0.05, 0.1, 0.2), 0.1
# Of training objects, to choose a layer; the others of a fold suffice for `convcorr_jax.probes.fit_keypoints`.
_FOLDS, _LEAST_TRAINING = 3, 6


def read_tested(dataset: str | Path, *, data_root: Path | None) -> tuple[Category, ...]:
    """Read the categories of a data set with an official split into objects that train and that are tested.

    Raises:
        InputError: a category has no test split or fewer than six training objects, or an object has no box.
    """
    categories = read_categories(CategoryData(str(dataset), data_root))
    for category in categories:
        if (count := int((category.folds < 0).sum())) < _LEAST_TRAINING:
            raise InputError(
                f"category {category.name!r} of {dataset} has {count} training objects beside a test split; "
                f"at least {_LEAST_TRAINING} are expected"
            )
    check_scorable([*categories, *map(_of_training, categories)])
    return categories


def probe_layers(
    categories: Sequence[Category], weights: Weights, *, layers: Sequence[str], folder: Path
) -> dict[str, Any]:
    """Choose a layer by folds of the training objects, and score its regressions on the tested ones.

    So that networks can be compared, all have one rule: boxes without a margin are squares of the network's own
    side; a map of more than 7 x 7 cells is averaged to that many; the regressions of `predict_by_ridge` learn
    from objects and their mirror images; and three folds of the training objects choose, the first of several
    best layers. Tested objects choose nothing.

    Returns:
        As JSON stores them: the ``layer``; its ``pck`` on tested objects with the 95 % ``interval`` by
        threshold, relative to the longer side of the box; and ``held_out``, the PCK at 0.1 of every layer on
        the training objects of each fold.
    """

    def score(parts: Sequence[Category], layer: str, name: str) -> Pck:
        options = RidgeOptions(layer, mirrored=True, margin=0.0, cells=_CELLS)
        predicted = {
            part.name: predict_by_ridge(part, weights, options, method="convnet", folder=folder / name / layer)
            for part in parts
        }
        return pck_of(parts, predicted, alphas=_ALPHAS)

    training = [_of_training(category) for category in categories]
    held_out = {
        layer: float(score(training, layer, "choosing").mean[_ALPHAS.index(_CHOOSING)]) for layer in layers
    }
    best = max(held_out, key=held_out.__getitem__)
    tested = score(categories, best, "tested")
    return {
        "layer": best,
        "pck": by_alpha(tested, tested.mean),
        "interval": intervals(tested),
        "held_out": held_out,
    }


def _of_training(category: Category) -> Category:
    """Return the training objects alone, each of which is tested in one of a few folds."""
    rows = np.flatnonzero(category.folds < 0)
    return Category(
        category.name,
        category.names,
        tuple(category.records[row] for row in rows),
        category.points[rows],
        category.visible[rows],
        grouped_folds(np.arange(len(rows)), k=_FOLDS),
    )
