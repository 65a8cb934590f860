"""Keypoints by ridge regression: Table 2 and Figure 2b of Sharif Razavian et al. 2014.

    python -m eval.ridge_keypoints                       (rendered categories)
    python -m eval.ridge_keypoints --dataset faces
    python -m eval.ridge_keypoints --dataset lspet --layer conv4 --mirrored
    python -m eval.ridge_keypoints --dataset path/to/a/folder

One set of regressors a category predicts the keypoints from the feature vector of an object's box
(``convnet``). It is compared with the same from the box's colours at 32 x 32 pixels (``rgb``), and with the
mean position in training boxes (``mean``). ``result.json`` has ``pck`` at 0.1 of the longer side of the box,
the mean over categories, and ``curve`` from 0 to 0.5. Only visible keypoints are scored. A later run with the
same settings reads finished predictions from the cache.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from convcorr_jax.descriptors import default_layer
from convcorr_jax.io import make_folder, write_image
from convcorr_jax.metrics import LONG_2014
from convcorr_jax.runtime import plain, run, write_results
from convcorr_jax.tasks import Backbone, CategoryData, Output
from convcorr_jax.tasks.keypoints import (
    RIDGE_METHODS,
    RidgeOptions,
    check_scorable,
    intervals,
    pck_of,
    predict_by_ridge,
    prediction_figure,
    read_categories,
    ridge_curves_figure,
)

# PASCAL VOC 2011, mean over 20 categories at 0.1, of Table 2.
PUBLISHED = {"sift": 0.157, "sift_prior": 0.284, "convnet_ridge": 0.278, "conv5_sliding": 0.333}
ALPHA = 0.1
ALPHAS = tuple((np.arange(51) / 100).tolist())


@dataclass(frozen=True)
class Config:
    """Which keypoints to predict from which features."""

    data: CategoryData = CategoryData()
    backbone: Backbone = Backbone()
    layer: str | None = None
    """Layer whose activations are features; by default fc6, or pool5 where the weights have no fc6."""
    mirrored: bool = False
    """Train with every object and its mirror image, left and right exchanged."""
    margin: float = 0.0
    """Added on each side of a box, in fractions of its width and height. On held-out folds of training objects
    no margin was best for faces, and 0.15 slightly better for LSPET."""
    output: Output = Output(Path("runs/ridge_keypoints"))


def main(config: Config) -> Path:
    """Fit, predict, score, and write ``result.json`` and figures; return its path."""
    started = time.perf_counter()
    out = make_folder(config.output.out)
    weights = config.backbone.load()
    options = RidgeOptions(config.layer or default_layer(weights), config.mirrored, config.margin)
    categories = read_categories(config.data)
    check_scorable(categories)
    predicted = {
        method: {
            category.name: predict_by_ridge(category, weights, options, method=method, folder=out)
            for category in categories
        }
        for method in RIDGE_METHODS
    }
    scores = {name: pck_of(categories, points, alphas=ALPHAS) for name, points in predicted.items()}
    write_image(out / "figure_2b.png", ridge_curves_figure(scores, alphas=ALPHAS))
    write_image(out / "predictions.jpg", prediction_figure(categories, predicted, only_visible=True))
    at = ALPHAS.index(ALPHA)
    result: dict[str, Any] = {
        "dataset": config.data.dataset,
        "split": categories[0].tested_split,
        "network": weights.network.name,
        "weights": weights.source,
        "layer": options.layer,
        "mirrored": config.mirrored,
        "margin": config.margin,
        "protocol": plain(LONG_2014),
        "objects": {
            category.name: {
                "train": int((category.folds != category.tested_folds[0]).sum()),
                "test": len(category.tested),
            }
            for category in categories
        },
        "alpha": ALPHA,
        "pck": {name: float(score.mean[at]) for name, score in scores.items()},
        "interval": {name: intervals(score)[str(ALPHA)] for name, score in scores.items()},
        "per_category": {
            name: dict(zip(map(str, score.groups), score.per_group[:, at].tolist(), strict=True))
            for name, score in scores.items()
        },
        "curve": {"alphas": list(ALPHAS), **{name: score.mean.tolist() for name, score in scores.items()}},
        "published": PUBLISHED,
    }
    return write_results(out, result, config, started=started)


if __name__ == "__main__":
    run(Config, main, __doc__)
