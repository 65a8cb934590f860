"""Classification of a category's keypoints by every feature."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from convcorr_jax.backbone.weights import Weights
from convcorr_jax.errors import InputError
from convcorr_jax.keypoints import UNKNOWN, Classification, Samples, accuracy, classify, confusion
from convcorr_jax.linear.ridge import least_error
from convcorr_jax.linear.svm import Loss
from convcorr_jax.metrics import UnitSums, bootstrap, named_intervals
from convcorr_jax.runtime import progress
from convcorr_jax.runtime.stages import stage
from convcorr_jax.tasks.keypoints.categories import Category
from convcorr_jax.tasks.keypoints.features import (
    FeatureOptions,
    KeypointSamples,
    keypoint_features,
    keypoint_samples,
)


class CategoryClassification(NamedTuple):
    """A category, its samples, and their classification by every feature."""

    category: Category
    samples: KeypointSamples
    by_feature: Mapping[str, Classification]

    def accuracy(self, feature: str) -> float:
        """Return the fraction of correct predictions among the tested samples that could be scored."""
        return accuracy(self.samples.labels, self.by_feature[feature].predicted)

    def confusion(self, feature: str) -> Int[np.ndarray, "types types"]:
        """Count the tested samples of each true type (row) by the type that a feature predicts (column)."""
        predicted = self.by_feature[feature].predicted
        return confusion(self.samples.labels, predicted, types=len(self.category.names))

    @property
    def left_out(self) -> list[str]:
        """Names of the types with tested samples that could not be scored."""
        predicted = next(iter(self.by_feature.values())).predicted
        unscored = (self.samples.folds >= 0) & (predicted == UNKNOWN)
        return [self.category.names[k] for k in np.unique(self.samples.labels[unscored])]

    def summary(self, *, confusions: Sequence[str]) -> dict[str, Any]:
        """Return counts, accuracies, costs and some confusion tables of features, as JSON holds them."""
        tested = self.samples.folds >= 0
        names = tuple(self.by_feature)
        return {
            "keypoints": list(self.category.names),
            "train_samples": int((~tested).sum()),
            "test_samples": int(tested.sum()),
            "outside": self.samples.outside,
            "accuracy": {name: self.accuracy(name) for name in names},
            # Without a split every fold chooses its own cost; this is their median.
            "cost": {name: float(np.median(self.by_feature[name].costs)) for name in names},
            "converged": {name: bool(self.by_feature[name].converged) for name in names},
            "confusion": {name: self.confusion(name).tolist() for name in confusions},
        }


def accuracy_intervals(classified: Sequence[CategoryClassification]) -> dict[str, list[float]]:
    """Compute the 95 % bootstrap interval of each feature's accuracy, the mean over categories.

    The photographs of each category are drawn again, with all their keypoints.
    """
    numerators, denominators, groups = [], [], []
    for group, outcome in enumerate(classified):
        samples = outcome.samples
        predicted = np.stack([each.predicted for each in outcome.by_feature.values()], axis=1)
        scored = (samples.folds >= 0) & (predicted[:, 0] != UNKNOWN)
        right = predicted[scored] == samples.labels[scored][:, None]
        photographs, rows = np.unique(samples.photographs[scored], return_inverse=True)
        of_photographs = np.zeros((len(photographs), right.shape[1]))
        np.add.at(of_photographs, rows, right)
        numerators.append(of_photographs)
        denominators.append(np.bincount(rows).astype(np.float64))
        groups += [group] * len(photographs)
    sums = UnitSums(
        np.concatenate(numerators)[:, None], np.concatenate(denominators)[:, None], np.array(groups)
    )
    return named_intervals(classified[0].by_feature, bootstrap(sums))


class BestFeatures(NamedTuple):
    """The layer and the SIFT radius with the highest accuracy in cross-validation."""

    convnet: str
    sift: str


def check_costs(costs: Sequence[float]) -> None:
    """Refuse costs that are not positive numbers in rising order."""
    values = np.asarray(costs, float)
    positive = (np.isfinite(values) & (values > 0)).all()
    if not len(values) or not positive or (np.diff(values) <= 0).any():
        raise InputError(f"costs is {costs}; positive numbers in rising order are expected")


def classify_category(
    category: Category,
    weights: Weights,
    features: FeatureOptions,
    *,
    costs: Sequence[float],
    loss: Loss,
    folder: Path,
) -> CategoryClassification:
    """Classify a category's keypoints by every feature; load what an earlier run cached."""
    samples = keypoint_samples(category)
    described = keypoint_features(category, samples, weights, features, folder=folder / "features")
    key = {
        "features": [features.side_px, features.interpolate],
        "weights": weights.fingerprint,
        "costs": list(costs),
        "loss": loss,
        "records": category.fingerprint,
    }
    by_feature = {}
    for name in progress(features.names, description=f"{category.name}: classifying"):
        of_feature = Samples(described[name].astype(np.float32), *samples[:3])

        def compute(of_feature: Samples = of_feature) -> dict[str, np.ndarray]:
            try:
                result = classify(of_feature, types=len(category.names), costs=costs, loss=loss)
            except InputError as error:
                raise InputError(f"category {category.name!r}: {error}") from error
            return result._asdict()

        path = folder / "classifiers" / f"{category.name}_{name}.npz"
        by_feature[name] = Classification(**stage(path, key, compute))
    return CategoryClassification(category, samples, by_feature)


def mean_curves(classified: Sequence[CategoryClassification]) -> dict[str, Float[np.ndarray, " costs"]]:
    """Average the accuracy in cross-validation at every cost over categories, by feature."""
    return {
        name: np.mean([outcome.by_feature[name].curve for outcome in classified], axis=0)
        for name in classified[0].by_feature
    }


def best_features(curves: Mapping[str, Float[np.ndarray, " costs"]], features: FeatureOptions) -> BestFeatures:
    """Choose the layer and the SIFT radius with the highest accuracy in cross-validation."""

    def best(names: Sequence[str]) -> str:
        return names[least_error(-np.array([curves[name].max() for name in names]))]

    return BestFeatures(best(features.layers), best(features.sift_names))
