"""Keypoints of objects by ridge regression: cached predictions of every tested object, and a figure."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from convcorr_jax.backbone.weights import Weights
from convcorr_jax.errors import InputError
from convcorr_jax.metrics import Pck
from convcorr_jax.probes import fit_keypoints, mean_keypoints
from convcorr_jax.report import pck_curves, pixels
from convcorr_jax.runtime.stages import stage
from convcorr_jax.shapes import Image
from convcorr_jax.tasks.keypoints.categories import RGB, BoxFeatures, Category, box_features

RIDGE_METHODS = ("convnet", "rgb", "mean")
"""``convnet``: ridge regression from a layer's features of the box; ``rgb``: from the box's colors; ``mean``:
the mean position in the training boxes, without regression."""


class RidgeOptions(NamedTuple):
    """Options of the regressions."""

    layer: str
    mirrored: bool
    margin: float
    """Added on each side of a box, in fractions of its width and height."""


def predict_by_ridge(
    category: Category, weights: Weights, options: RidgeOptions, *, method: str, folder: Path
) -> Float[np.ndarray, "tested n 2"]:
    """Predict the keypoints (x, y) of a category's tested objects by one of `RIDGE_METHODS`, in pixels."""
    features = box_features(
        category,
        weights,
        layer=options.layer if method == "convnet" else RGB,
        margin=options.margin,
        folder=folder / "features",
    )

    def compute() -> dict[str, np.ndarray]:
        points = np.empty((len(features.to_photograph_px), len(category.names), 2))
        for fold in category.tested_folds:
            tested = np.flatnonzero(category.folds == fold)
            points[tested] = _predict_fold(category, features, method, tested, options.mirrored)
        return {"points": points[category.tested]}

    key = {"records": category.fingerprint, "weights": weights.fingerprint, **options._asdict()}
    points = stage(folder / "predictions" / f"{category.name}_{method}.npz", key, compute)["points"]
    transforms = [features.to_photograph_px[i] for i in category.tested]
    return np.stack([transform(each) for transform, each in zip(transforms, points, strict=True)])


def _predict_fold(
    category: Category, features: BoxFeatures, method: str, tested: Int[np.ndarray, " tested"], mirrored: bool
) -> Float[np.ndarray, "tested n 2"]:
    rows = ~np.isin(features.objects, tested) & (mirrored | ~features.mirrored)
    try:
        if method == "mean":
            return np.tile(mean_keypoints(features.points[rows]), (len(tested), 1, 1))
        probe = fit_keypoints(
            features.features[rows], features.points[rows], features.objects[rows], names=category.names
        )
    except InputError as error:
        raise InputError(f"category {category.name!r}: {error}") from error
    return probe.predict(features.features[np.isin(features.objects, tested) & ~features.mirrored])


def ridge_curves_figure(scores: Mapping[str, Pck], *, alphas: Sequence[float]) -> Image:
    """Draw PCK of every category by ``convnet``, and beside it the mean PCK of every method.

    Figure 2b of Sharif Razavian et al. 2014.
    """
    convnet = scores["convnet"]
    panels = {
        "ConvNet + ridge": dict(zip(map(str, convnet.groups), convnet.per_group.tolist(), strict=True)),
        "mean over categories": {name: score.mean.tolist() for name, score in scores.items()},
    }
    return pixels(pck_curves(panels, alphas=alphas, x_label="alpha, of the box's longer side"))
