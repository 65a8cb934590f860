"""Keypoint classification: decide which of a category's keypoints is at a known position.

Every keypoint type of a category has one linear SVM, which separates it from all other types. A sample is
one visible keypoint: the feature at its position, its type (the label) and the number of its photograph.
Keypoints of one photograph resemble each other, so cross-validation keeps them in one fold.

Source: Long, Zhang and Darrell 2014, section 4 and Table 3.

Differs from the paper: it uses C = 1e-6 for all features, chosen by five-fold cross-validation, and does not
say how long its features are. Here C is chosen for every feature and category. The paper leaves open which
loss it uses; the squared hinge is the default of liblinear and of this module.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from convcorr_jax.errors import InputError
from convcorr_jax.linear import grouped_folds, svm, warn_of_absent_labels
from convcorr_jax.metrics import LabelArray, label_pairs, validate_labels

# The paper's.
FOLDS = 5
# For features of unit length. No cost above a hundred was ever best, and such costs take the most Newton steps.
COSTS = (1e-3, 1e-2, 1e-1, 1e0, 1e1, 1e2)
# Features of up to 512 numbers, such as SIFT and the columns of each layer, share a compiled program.
_LEAST = svm.Least(rows=512, columns=512, classes=8)
# A duality gap of a thousandth of the objective moves a classifier by less than another choice of folds does.
TOLERANCE = 1e-3
# Accuracy needs no number of types; keypoints have fewer.
_MOST_TYPES = 2**31
UNKNOWN = -1
"""The prediction for a sample that is never tested, or whose type no training photograph shows."""


class Samples(NamedTuple):
    """Visible keypoints of one category."""

    features: Float[np.ndarray, "n d"]
    labels: Int[np.ndarray, " n"]
    """Keypoint types, from 0."""
    photographs: Int[np.ndarray, " n"]
    folds: Int[np.ndarray, " n"]
    """The fold, from 0, in which the sample is tested while all others train; below 0, it only trains."""


class Classification(NamedTuple):
    """Predictions for the tested samples, and the classifiers of every fold."""

    predicted: Int[np.ndarray, " n"]
    """Types, or `UNKNOWN`."""
    curve: Float[np.ndarray, " costs"]
    """Accuracy at every cost in cross-validation on the training samples; the mean over folds."""
    type_accuracy: Float[np.ndarray, " types"]
    """Accuracy of every type in that cross-validation, at the cost that maximizes the curve."""
    costs: Float[np.ndarray, " folds"]
    """The cost with the highest accuracy on each fold's training samples; of equals, the lowest."""
    weights: Float[np.ndarray, "folds types d"]
    bias: Float[np.ndarray, "folds types"]
    """Minus infinity for a type that the fold's training samples lack."""
    converged: Bool[np.ndarray, ""]
    """Whether all final classifiers did."""

    def decisions(
        self, features: Float[np.ndarray, "*shape d"], *, fold: int, label: int
    ) -> Float[np.ndarray, "*shape"]:
        """Compute the decision values ``w . x + b`` of one type's classifier, trained without a fold."""
        return features @ self.weights[fold, label] + self.bias[fold, label]


def classify(
    samples: Samples,
    *,
    types: int,
    costs: Sequence[float] = COSTS,
    folds: int = FOLDS,
    loss: svm.Loss = "squared_hinge",
) -> Classification:
    """Classify the samples of every test fold by SVMs that train on all other samples.

    The cost is chosen by cross-validation among the training samples. A tested sample therefore has no part
    in the choice of its cost, even if each photograph is a test fold of its own.

    Args:
        costs: the values of C to choose from, in rising order.
        folds: the number of folds of the cross-validation; with fewer training photographs, as many as there
            are.

    Raises:
        InputError: no sample is tested; a test fold trains on fewer than two photographs or two types; a
            feature is not finite; a label is not a whole number below ``types``; or a cost is not positive.

    Warns:
        UserWarning: a fold of the cross-validation trains on no sample of a type.
    """
    validate_labels(samples.labels, classes=types, what="samples'")
    numbers = np.unique(samples.folds[samples.folds >= 0])
    if not len(numbers):
        raise InputError("no sample is tested; folds from 0 are expected")
    predicted = np.full(len(samples.labels), UNKNOWN)
    curves, type_accuracies, chosen_costs, machines = [], [], [], []
    for number in numbers:
        tested = samples.folds == number
        training = Samples(*(part[~tested] for part in samples))
        _check_training(training)
        correct = _cross_validate(training, types=types, costs=costs, folds=folds, loss=loss)
        curve = correct.mean(axis=1)
        cost = costs[int(curve.argmax())]
        machine = _fit(training, types=types, cost=cost, loss=loss)
        known = tested & np.isfinite(machine.bias)[samples.labels]
        decisions = samples.features[known] @ machine.weights.T + machine.bias[None]
        predicted[known] = decisions.argmax(-1)
        curves.append(curve)
        is_type = training.labels[:, None] == np.arange(types)
        counts = np.maximum(is_type.sum(axis=0), 1)
        type_accuracies.append(correct.astype(float) @ is_type / counts)
        chosen_costs.append(cost)
        machines.append(machine)
    curve = np.mean(curves, axis=0)
    return Classification(
        predicted,
        curve,
        np.mean(type_accuracies, axis=0)[curve.argmax()],
        np.array(chosen_costs),
        np.stack([machine.weights for machine in machines]),
        np.stack([machine.bias for machine in machines]),
        np.array(all(machine.converged for machine in machines)),
    )


def accuracy(labels: LabelArray, predicted: LabelArray) -> float:
    """Compute the fraction of correct types among samples with a prediction; NaN without any.

    Raises:
        InputError: the shapes differ, or labels are not whole numbers from 0.
    """
    true, taken = label_pairs(labels, predicted, classes=_MOST_TYPES, unknown=UNKNOWN)
    return float((true == taken).mean()) if len(true) else float("nan")


def confusion(labels: LabelArray, predicted: LabelArray, *, types: int) -> Int[np.ndarray, "types types"]:
    """Count the samples of each true type (row) by their predicted type (column).

    Samples with `UNKNOWN` are not counted.

    Raises:
        InputError: the shapes differ, or labels are not whole numbers from 0 to ``types - 1``.
    """
    true, taken = label_pairs(labels, predicted, classes=types, unknown=UNKNOWN)
    return np.bincount(types * true + taken, minlength=types**2).reshape(types, types)


def _check_training(samples: Samples) -> None:
    photographs, types = (len(np.unique(part)) for part in (samples.photographs, samples.labels))
    if min(photographs, types) < 2:
        raise InputError(
            f"there are {photographs} photographs to train on, which show {types} types of keypoints; "
            "at least 2 of each are expected"
        )


class _Machine(NamedTuple):
    weights: Float[np.ndarray, "types d"]
    bias: Float[np.ndarray, " types"]
    converged: bool


def _cross_validate(
    samples: Samples, *, types: int, costs: Sequence[float], folds: int, loss: svm.Loss
) -> Bool[np.ndarray, "costs n"]:
    """Return which samples are classified correctly at every cost while their photograph is held out."""
    k = min(folds, len(np.unique(samples.photographs)))
    padded = _padded(samples, types)
    held_out = grouped_folds(samples.photographs, k=k)
    warn_of_absent_labels(samples.labels, held_out, k=k)
    result = svm.cross_validate(
        jnp.asarray(padded.features),
        jnp.asarray(padded.positive),
        costs=np.asarray(costs, np.float32),
        folds=np.pad(held_out, (0, len(padded.features) - len(held_out))),
        k=k,
        loss=loss,
        sample_weights=jnp.asarray(padded.weights),
        tolerance=TOLERANCE,
    )
    decisions = np.asarray(result.decisions)[:, : len(samples.labels), :types]
    return decisions.argmax(-1) == samples.labels


def _fit(samples: Samples, *, types: int, cost: float, loss: svm.Loss) -> _Machine:
    padded = _padded(samples, types)
    result = svm.fit(
        jnp.asarray(padded.features),
        jnp.asarray(padded.positive),
        cost=cost,
        loss=loss,
        sample_weights=jnp.asarray(padded.weights),
        tolerance=TOLERANCE,
    )
    present = np.isin(np.arange(types), samples.labels)
    return _Machine(
        np.asarray(result.weights)[:types, : samples.features.shape[1]],
        np.where(present, np.asarray(result.bias)[:types], -np.inf),
        bool(result.converged.all()),
    )


def _padded(samples: Samples, types: int) -> svm.Padded:
    return svm.pad(samples.features, samples.labels[:, None] == np.arange(types), least=_LEAST)
