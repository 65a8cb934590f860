"""Keypoint classification: Table 3, Figures 4 and 5 of Long et al. 2014.

    python -m eval.keypoint_classification                          (the rendered categories)
    python -m eval.keypoint_classification --dataset faces          (fifteen points of LFPW and Helen)
    python -m eval.keypoint_classification --dataset lspet
    python -m eval.keypoint_classification --dataset pf_willow      (no split: each object in turn is tested)

``result.json`` has ``accuracy`` by feature, the mean over categories; ``curve``, the accuracy in
cross-validation on the training split at every cost (Figure 5); and ``figure_4``, how close to a keypoint
the response of its classifier is highest. ``responses.json`` has responses over whole photographs, on every
layer, for the page of `eval.reproduce`. The layer and the radius that the figures show are chosen by
cross-validation, like the cost; the test split is only scored. Features and classifiers that are in
``--out`` already, under the same settings, are loaded.

A keypoint type that no training photograph shows is not scored, and is named in ``left_out``. A visible
keypoint outside its photograph is ignored, and is counted in ``outside``.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from convcorr_jax.errors import InputError
from convcorr_jax.io import make_folder, write_image, write_json
from convcorr_jax.keypoints import COSTS
from convcorr_jax.linear.svm import Loss
from convcorr_jax.runtime import run, write_results
from convcorr_jax.tasks import Backbone, CategoryData, Output
from convcorr_jax.tasks.keypoints import (
    Category,
    FeatureOptions,
    accuracy_intervals,
    best_features,
    check_costs,
    classify_category,
    confusion_figure,
    cost_curves_figure,
    mean_curves,
    read_categories,
    response_figure,
    response_maps,
)


@dataclass(frozen=True)
class Config:
    """The data set, the features, and the classifiers."""

    data: CategoryData = CategoryData()
    backbone: Backbone = Backbone()
    features: FeatureOptions = FeatureOptions()
    costs: tuple[float, ...] = COSTS
    """C of the SVM, in rising order."""
    loss: Loss = "squared_hinge"
    """Loss of the SVM."""
    keypoints: tuple[str, ...] = ()
    """Keypoints of the first category, for Figure 4; by default the two best in cross-validation."""
    windows: int = 200
    """Test keypoints of each of these, at most; 0 for no Figure 4."""
    output: Output = Output(Path("runs/keypoint_classification"))


def main(config: Config) -> Path:
    """Classify by every feature; write figures and ``result.json``, and return its path."""
    started = time.perf_counter()
    config.features.check()
    check_costs(config.costs)
    if config.windows < 0:
        raise InputError(f"windows is {config.windows}; at least 0 is expected")
    out = make_folder(config.output.out)
    weights = config.backbone.load()
    categories = read_categories(config.data)
    _check_keypoints(config.keypoints, categories[0])
    classified = [
        classify_category(category, weights, config.features, costs=config.costs, loss=config.loss, folder=out)
        for category in categories
    ]
    curves = mean_curves(classified)
    best = best_features(curves, config.features)
    result: dict[str, Any] = {
        "dataset": config.data.dataset,
        "split": categories[0].tested_split,
        "network": weights.network.name,
        "weights": weights.source,
        "accuracy": {
            name: float(np.mean([outcome.accuracy(name) for outcome in classified]))
            for name in config.features.names
        },
        "interval": accuracy_intervals(classified),
        "best_in_cross_validation": best._asdict(),
        "per_category": {outcome.category.name: outcome.summary(confusions=best) for outcome in classified},
        "curve": {
            "costs": list(config.costs),
            "accuracy": {name: values.tolist() for name, values in curves.items()},
        },
        "left_out": {outcome.category.name: outcome.left_out for outcome in classified if outcome.left_out},
    }
    figure_5 = cost_curves_figure(config.costs, curves, dashed=config.features.sift_names)
    write_image(out / "figure_5.png", figure_5)
    for outcome in classified:
        write_image(out / f"confusion_{outcome.category.name}.png", confusion_figure(outcome, best))
    write_json(out / "responses.json", response_maps(classified, best, config.features, weights))
    if config.windows:
        figure_4 = response_figure(
            classified[0], best, config.features, weights, types=config.keypoints, windows=config.windows
        )
        write_image(out / "figure_4.png", figure_4.image)
        result["figure_4"] = figure_4.facts
    return write_results(out, result, config, started=started)


def _check_keypoints(chosen: Sequence[str], category: Category) -> None:
    unknown = sorted(set(chosen) - set(category.names))
    if unknown:
        raise InputError(
            f"category {category.name!r} has no keypoints {unknown}; it has {', '.join(category.names)}"
        )


if __name__ == "__main__":
    run(Config, main, __doc__)
