"""Keypoints by ridge regression: Table 2 and Figure 2b of Sharif Razavian et al. 2014.

    python -m eval.ridge_keypoints                       (rendered categories)
    python -m eval.ridge_keypoints --dataset faces
    python -m eval.ridge_keypoints --dataset lspet --layer conv4 --mirrored
    python -m eval.ridge_keypoints --dataset path/to/a/folder

A set of regressors a category reads the keypoints off the one vector that describes an object's box
(``convnet``). Beside it: the same from the box's colours at 32 x 32 pixels (``rgb``), and the mean position in
training boxes (``mean``). ``result.json`` has ``pck`` at 0.1 of the longer side of the box, the mean over
categories, and ``curve`` from 0 to 0.5. A keypoint counts where it is visible. What an earlier run finished
under the same settings is not done again.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from convcorr_jax import coords
from convcorr_jax.backbone.weights import Weights, load
from convcorr_jax.datasets.records import load_image
from convcorr_jax.descriptors.global_features import default_layer
from convcorr_jax.errors import InputError
from convcorr_jax.io import make_folder, write_image, write_json
from convcorr_jax.metrics.pck import LONG_2014, Pck
from convcorr_jax.probes.keypoints import fit_keypoints, mean_keypoints
from convcorr_jax.report.colors import name_colors
from convcorr_jax.report.figures import image_grid, pixels, points_overlay
from convcorr_jax.report.pck_curves import pck_curves
from convcorr_jax.runtime.runlog import plain, write_run
from convcorr_jax.runtime.script import run
from convcorr_jax.runtime.stages import stage
from convcorr_jax.shapes import Image
from convcorr_jax.tasks.box_features import RGB, BoxFeatures, box_features
from convcorr_jax.tasks.keypoints.categories import RENDERED, Category, read_categories
from convcorr_jax.tasks.keypoints.scores import pck_of

# PASCAL VOC 2011, mean over 20 categories at 0.1, of Table 2.
PUBLISHED = {"sift": 0.157, "sift_prior": 0.284, "convnet_ridge": 0.278, "conv5_sliding": 0.333}
ALPHA = 0.1
ALPHAS = tuple((np.arange(51) / 100).tolist())
METHODS = ("convnet", "rgb", "mean")
PANEL_PX = 220
# Objects of every category in the picture.
SHOWN = 2


@dataclass(frozen=True)
class Config:
    """What to predict on what."""

    dataset: str = RENDERED
    """``rendered``, ``faces``, or the name or path of a data set's folder."""
    network: str = "alexnet"
    weights: Path | None = None
    """File of weights; by default those that are installed or fetched."""
    layer: str | None = None
    """Whose activations are probed; by default fc6, or pool5 where the weights have no fc6."""
    mirrored: bool = False
    """Train with every object and its mirror image, left and right exchanged."""
    margin: float = 0.0
    """What is shown around a box, in fractions of its width and height. Held out by folds, training faces were
    predicted best with none, those of LSPET a little better with 0.15."""
    rendered_train: int = 100
    """Training instances of every rendered category."""
    rendered_test: int = 25
    out: Path = Path("runs/ridge_keypoints")
    data_root: Path | None = None
    """Folder of prepared data sets; by default the environment's CONVCORR_DATA."""


def main(config: Config) -> Path:
    """Fit, predict, score, and write ``result.json`` and pictures; returns its path."""
    started = time.perf_counter()
    out = make_folder(config.out)
    weights = load(config.network, config.weights)
    layer = config.layer or default_layer(weights)
    categories = read_categories(
        config.dataset,
        config.data_root,
        rendered_train=config.rendered_train,
        rendered_test=config.rendered_test,
    )
    predicted = {
        method: {one.name: _predicted(one, method, weights, layer, config) for one in categories}
        for method in METHODS
    }
    scores = {name: pck_of(categories, found, alphas=ALPHAS) for name, found in predicted.items()}
    write_image(out / "figure_2b.png", _curves(scores))
    write_image(out / "predictions.jpg", _predictions(categories, predicted))
    at = ALPHAS.index(ALPHA)
    result: dict[str, Any] = {
        "dataset": config.dataset,
        "network": weights.network.name,
        "weights": weights.source,
        "layer": layer,
        "mirrored": config.mirrored,
        "margin": config.margin,
        "protocol": plain(LONG_2014),
        "objects": {
            one.name: {
                "train": int((one.folds != one.tested_folds[0]).sum()),
                "test": int((one.folds >= 0).sum()),
            }
            for one in categories
        },
        "alpha": ALPHA,
        "pck": {name: float(score.mean[at]) for name, score in scores.items()},
        "per_category": {
            name: dict(zip(map(str, score.groups), score.per_group[:, at].tolist(), strict=True))
            for name, score in scores.items()
        },
        "curve": {
            "alphas": list(ALPHAS),
            **{name: score.mean.tolist() for name, score in scores.items()},
        },
        "published": PUBLISHED,
    }
    write_json(out / "result.json", result)
    write_run(out, config, seconds=time.perf_counter() - started)
    return out / "result.json"


def _predicted(
    category: Category, method: str, weights: Weights, layer: str, config: Config
) -> Float[np.ndarray, "tested n 2"]:
    """Keypoints of a category's tested objects, in pixels of their photographs."""
    seen = box_features(
        category,
        weights,
        layer=layer if method == "convnet" else RGB,
        margin=config.margin,
        folder=config.out / "features",
    )
    settings = {
        "weights": weights.fingerprint,
        "layer": layer,
        "mirrored": config.mirrored,
        "margin": config.margin,
        **category.fingerprint,
    }
    path = config.out / "predictions" / f"{category.name}_{method}.npz"

    def compute() -> dict[str, np.ndarray]:
        found = np.empty((len(seen.to_photograph_px), len(category.names), 2))
        for fold in category.tested_folds:
            tested = np.flatnonzero(category.folds == fold)
            found[tested] = _of_fold(category, seen, method, tested, config)
        return {"points": found[category.folds >= 0]}

    points = stage(path, settings, compute)["points"]
    tested = np.flatnonzero(category.folds >= 0)
    transforms = [seen.to_photograph_px[i] for i in tested]
    return np.stack([coords.apply(*pair) for pair in zip(transforms, points, strict=True)])


def _of_fold(
    category: Category,
    seen: BoxFeatures,
    method: str,
    tested: np.ndarray,
    config: Config,
) -> Float[np.ndarray, "tested n 2"]:
    rows = ~np.isin(seen.objects, tested) & (config.mirrored | ~seen.mirrored)
    try:
        if method == "mean":
            return np.tile(mean_keypoints(seen.points[rows]), (len(tested), 1, 1))
        probe = fit_keypoints(
            seen.features[rows], seen.points[rows], seen.objects[rows], names=category.names
        )
    except InputError as error:
        raise InputError(f"category {category.name!r}: {error}") from error
    return probe.predict(seen.features[np.isin(seen.objects, tested) & ~seen.mirrored])


def _curves(scores: Mapping[str, Pck]) -> Image:
    """Figure 2b: every category, and beside it every method."""
    convnet = scores["convnet"]
    panels = {
        "ConvNet + ridge": dict(
            zip(map(str, convnet.groups), convnet.per_group.tolist(), strict=True)
        ),
        "mean over categories": {name: score.mean.tolist() for name, score in scores.items()},
    }
    return pixels(pck_curves(panels, alphas=ALPHAS, x_label="alpha, of the box's longer side"))


def _predictions(
    categories: Sequence[Category], predicted: Mapping[str, Mapping[str, np.ndarray]]
) -> Image:
    """Tested objects of every category: the truth, and what every method predicts of its visible keypoints."""
    rows = []
    for category in categories:
        tested = np.flatnonzero(category.folds >= 0)
        for place in np.linspace(0, len(tested) - 1, min(SHOWN, len(tested))).astype(int):
            number = tested[place]
            told = [
                category.points[number],
                *(predicted[name][category.name][place] for name in METHODS),
            ]
            rows.append(
                [
                    points_overlay(
                        load_image(category.records[number]),
                        np.where(category.visible[number, :, None], points, np.nan),
                        colors=name_colors(len(category.names)),
                        boxes=[category.boxes[number]],
                        longest_px=PANEL_PX,
                    )
                    for points in told
                ]
            )
    return pixels(image_grid(rows, column_labels=("true", *METHODS), cell_px=PANEL_PX))


if __name__ == "__main__":
    run(Config, main, __doc__)
