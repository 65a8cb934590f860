"""Classification of a category's keypoints by every feature: cached features, classifiers, scores and figures.

Long et al. 2014 take photographs from PASCAL VOC, whose longer side has 500 pixels. Every photograph is
therefore resized to that side, so that radii and receptive fields in pixels have the paper's meaning. (The
compact data sets have crops of 200 to 300 pixels.) Resized photographs are padded to squares of one size.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from convcorr_jax import coords
from convcorr_jax.arrays import padded_batches
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets import load_image
from convcorr_jax.descriptors import columns_at, pad_to_square, sift_at_points
from convcorr_jax.errors import InputError
from convcorr_jax.images import Resampled
from convcorr_jax.keypoints import UNKNOWN, Classification, Samples, accuracy, classify, confusion
from convcorr_jax.linear.ridge import argmin_error
from convcorr_jax.linear.svm import Loss
from convcorr_jax.metrics import UnitSums, bootstrap, named_intervals
from convcorr_jax.report import pixels, plots
from convcorr_jax.runtime import cached_in_parts, plain, progress, stage
from convcorr_jax.shapes import Image
from convcorr_jax.tasks.keypoints.categories import Category

VOC_SIDE_PX = 500
"""The longer side of the photographs of PASCAL VOC."""
# Photographs of one compiled call.
_BATCH = 8
# Photographs of one cached part: about a minute's work.
_PART = 400


@dataclass(frozen=True)
class FeatureOptions:
    """Which features of a keypoint are compared."""

    layers: tuple[str, ...] = ("conv1", "conv2", "conv3", "conv4", "conv5")
    """Layers whose columns are features."""
    radii_px: tuple[int, ...] = (10, 20, 40, 80, 160)
    """Radii of SIFT, in pixels of the resized photographs."""
    side_px: int = VOC_SIDE_PX
    """Longer side to which photographs are resized."""
    interpolate: bool = False
    """Beyond the paper: interpolate between the nearest columns of a layer."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features, SIFT first, as in Table 3 of the paper."""
        return (*self.sift_names, *self.layers)

    @property
    def sift_names(self) -> tuple[str, ...]:
        """Names of the SIFT features, one for every radius."""
        return tuple(map(sift_name, self.radii_px))

    def check(self) -> None:
        """Refuse options out of their range."""
        for name, values in {"layers": self.layers, "radii_px": self.radii_px}.items():
            if not values or len(set(values)) < len(values):
                raise InputError(f"{name} is {values}; at least one is expected, none of them twice")
        if self.side_px < 1:
            raise InputError(f"side_px is {self.side_px}; at least 1 is expected")


def sift_name(radius_px: int) -> str:
    """Return the name of the SIFT feature of a radius in pixels of the resized photographs."""
    return f"sift_{radius_px}"


class KeypointSamples(NamedTuple):
    """The visible keypoints of a category that are inside their photographs, photograph by photograph."""

    labels: Int[np.ndarray, " n"]
    """The keypoint type of every sample, from 0."""
    photographs: Int[np.ndarray, " n"]
    """The index of the sample's record."""
    folds: Int[np.ndarray, " n"]
    """The fold in which the sample is tested; -1 if it only trains."""
    outside: int
    """The number of visible keypoints that are outside their photographs, and therefore no samples."""


def keypoint_samples(category: Category) -> KeypointSamples:
    """Return the samples of a category."""
    pairs = zip(category.points, category.records, strict=True)
    inside = np.stack([coords.inside(points, coords.whole_image(record.size)) for points, record in pairs])
    photographs, labels = np.nonzero(category.visible & inside)
    outside = int((category.visible & ~inside).sum())
    return KeypointSamples(labels, photographs, category.folds[photographs], outside)


def resized_photograph(category: Category, number: int, *, side_px: int) -> Resampled:
    """Return a record's photograph, its longer side resized, padded to a square, with the points' transform."""
    return pad_to_square(load_image(category.records[number]), side_px=side_px)


def keypoint_features(
    category: Category, samples: KeypointSamples, weights: Weights, options: FeatureOptions, *, folder: Path
) -> dict[str, Float[np.ndarray, "n _"]]:
    """Compute every feature of every sample, or load it from the parts that an earlier run cached.

    Features are cached in half precision, whose error is far below the differences between keypoints.
    """
    return cached_in_parts(
        folder,
        category.name,
        {"features": plain(options), "weights": weights.fingerprint, "records": category.fingerprint},
        lambda numbers: _part(category, samples, numbers, weights, options),
        count=len(category.records),
        part=_PART,
    )


def _part(
    category: Category, samples: KeypointSamples, numbers: range, weights: Weights, options: FeatureOptions
) -> dict[str, np.ndarray]:
    """Compute the features of the samples of some photographs."""
    blocks: dict[str, list[np.ndarray]] = {name: [] for name in options.names}
    for rows, own in progress(list(padded_batches(len(numbers), size=_BATCH)), description=category.name):
        batch = [numbers[row] for row in rows[:own]]
        views = [resized_photograph(category, number, side_px=options.side_px) for number in batch]
        photographs = np.stack([view.image for view in views])[rows - rows[0]]
        points = np.zeros((_BATCH, len(category.names), 2), np.float32)
        for place, number in enumerate(batch):
            points[place] = views[place].transform(category.points[number])
        sift = sift_at_points(photographs, points, radii_px=options.radii_px)
        columns = columns_at(
            weights.params,
            photographs,
            points,
            network=weights.network,
            layers=options.layers,
            interpolate=options.interpolate,
        )
        features = {sift_name(radius): block for radius, block in sift.items()} | columns
        in_batch = np.isin(samples.photographs, batch)
        place, label = samples.photographs[in_batch] - batch[0], samples.labels[in_batch]
        for name, block in features.items():
            blocks[name].append(np.asarray(block)[place, label].astype(np.float16))
    return {name: np.concatenate(parts) for name, parts in blocks.items()}


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
        return names[argmin_error(-np.array([curves[name].max() for name in names]))]

    return BestFeatures(best(features.layers), best(features.sift_names))


def cost_curves_figure(
    costs: Sequence[float], curves: Mapping[str, Float[np.ndarray, " costs"]], *, dashed: Sequence[str]
) -> Image:
    """Draw the accuracy in cross-validation of every feature over the costs (Figure 5 of Long et al. 2014)."""
    lines = {name: values.tolist() for name, values in curves.items()}
    y_label = "accuracy in cross-validation"
    return pixels(plots.curves(costs, lines, x_label="C", y_label=y_label, dashed=dashed))


def confusion_figure(classified: CategoryClassification, features: BestFeatures) -> Image:
    """Draw the confusion tables of the best layer and the best SIFT feature, side by side."""
    tables = {
        f"{name}: {100 * classified.accuracy(name):.1f} %": classified.confusion(name) for name in features
    }
    return pixels(plots.confusions(tables, names=classified.category.names))
