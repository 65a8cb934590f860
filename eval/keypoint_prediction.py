"""Keypoint prediction: Table 4 and Figure 6 of Long et al. 2014.

    python -m eval.keypoint_prediction                       (rendered categories)
    python -m eval.keypoint_prediction --dataset faces
    python -m eval.keypoint_prediction --dataset lspet
    python -m eval.keypoint_prediction --dataset path/to/a/folder

Four methods are compared: detectors of ``conv5`` columns, detectors of dense ``sift``, and both with the
``_prior`` of the most similar training object. Detectors learn from 300 objects of a category at most and the
prior searches all, which favours it; with ``--equal-objects`` it searches the same ones. ``result.json`` has
the ``pck`` of each method at 0.05, 0.1 and 0.2 of the longer side of the box, as means over categories.
Detectors are trained as by `train.keypoint_detectors`; what an earlier run with the same settings finished is
loaded.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convcorr_jax.io import make_folder, write_image
from convcorr_jax.keypoints import POSITIVES
from convcorr_jax.metrics import LONG_2014, Pck
from convcorr_jax.runtime import plain, run, write_results
from convcorr_jax.tasks import Backbone, CategoryData, Output
from convcorr_jax.tasks.keypoints import (
    DetectorOptions,
    by_alpha,
    by_method,
    by_positive,
    check_scorable,
    check_trainable,
    intervals,
    pck_of,
    predict_category,
    prediction_figure,
    read_categories,
)

ALPHAS = (0.05, 0.1, 0.2)


@dataclass(frozen=True)
class Config:
    """The data set, the descriptors, and the training of the detectors."""

    data: CategoryData = CategoryData()
    backbone: Backbone = Backbone()
    training: DetectorOptions = DetectorOptions()
    refine: bool = False
    """Move predictions to the vertex of the parabola through the best cell and its neighbors."""
    output: Output = Output(Path("runs/keypoint_prediction"))


def main(config: Config) -> Path:
    """Train, predict, score, and write ``result.json`` and a figure; return the path of ``result.json``."""
    started = time.perf_counter()
    config.training.check()
    out = make_folder(config.output.out)
    weights = config.backbone.load()
    categories = read_categories(config.data)
    check_trainable(categories)
    check_scorable(categories)
    predictions = {
        cells.name: {
            category.name: predict_category(
                category, cells, weights, config.training, refine=config.refine, folder=out / "cached"
            )
            for category in categories
        }
        for cells in (config.training.conv_cells(weights), config.training.sift_cells())
    }
    methods = by_method(predictions)
    with_prior = {name: points for name, points in methods.items() if name.endswith("_prior")}
    write_image(out / "figure_6.jpg", prediction_figure(categories, with_prior))
    scores = {name: pck_of(categories, points, alphas=ALPHAS) for name, points in methods.items()}
    positive_scores = {
        f"{name}_prior": {
            positive: _mean_pck(pck_of(categories, by_positive(of_cells, positive), alphas=ALPHAS))
            for positive in POSITIVES
        }
        for name, of_cells in predictions.items()
    }
    result = {
        "dataset": config.data.dataset,
        "split": categories[0].tested_split,
        "network": weights.network.name,
        "weights": weights.source,
        "protocol": plain(LONG_2014),
        "objects": {category.name: len(category.tested) for category in categories},
        "pck": {name: _mean_pck(score) for name, score in scores.items()},
        "interval": {name: intervals(score) for name, score in scores.items()},
        "per_category": {name: _pck_per_category(score) for name, score in scores.items()},
        "positive_scores": positive_scores,
        "training": {
            name: {category: predicted.facts for category, predicted in of_cells.items()}
            for name, of_cells in predictions.items()
        },
    }
    return write_results(out, result, config, started=started)


def _mean_pck(score: Pck) -> dict[str, float]:
    return by_alpha(score, score.mean)


def _pck_per_category(score: Pck) -> Mapping[str, Any]:
    return {
        str(group): by_alpha(score, values) for group, values in zip(score.groups, score.per_group, strict=True)
    }


if __name__ == "__main__":
    run(Config, main, __doc__)
