"""Keypoint classification: which of a category's keypoints is it, given its place?

One linear SVM against the rest for every keypoint type of a category. A sample is one visible keypoint: its
feature, its type (label) and the photograph it comes from. Cross-validation never parts the keypoints of one
photograph, which resemble each other.

Source: Long, Zhang and Darrell 2014, section 4 and Table 3.

Differs from the paper: it takes C = 1e-6 for all features, by five-fold cross-validation, without saying how
long its features are. Here C is chosen for every feature and category. Neither does it say which loss; the
squared hinge is the default of liblinear, and here.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from convcorr_jax.errors import InputError
from convcorr_jax.linear import svm
from convcorr_jax.linear.folds import grouped_folds

FOLDS = 5
# For features of unit length. More than a hundred never was best, and takes the most Newton steps.
COSTS = (1e-3, 1e-2, 1e-1, 1e0, 1e1, 1e2)
# A gap of a thousandth of the objective moves a classifier by less than another fold does.
TOLERANCE = 1e-3
UNKNOWN = -1
"""The prediction for a sample that is never tested, or whose type is visible in no training photograph."""


class Samples(NamedTuple):
    """Visible keypoints of one category."""

    features: Float[np.ndarray, "n d"]
    labels: Int[np.ndarray, " n"]
    """The keypoint's type."""
    photographs: Int[np.ndarray, " n"]
    """The number of the photograph that shows it."""
    folds: Int[np.ndarray, " n"]
    """The fold, from 0, in which it is tested while all others train; below 0 it only trains."""


class Classified(NamedTuple):
    """Predictions for the tested samples, and the classifiers of every fold."""

    predicted: Int[np.ndarray, " n"]
    curve: Float[np.ndarray, " costs"]
    """Accuracy in cross-validation on the training samples at every cost; the mean over folds."""
    recognised: Float[np.ndarray, " types"]
    """The share of each type's training samples that was right there, at the best cost of the curve."""
    costs: Float[np.ndarray, " folds"]
    """The best for each fold's training samples; the least of equals."""
    weights: Float[np.ndarray, "folds types d"]
    bias: Float[np.ndarray, "folds types"]
    """Minus infinity for a type that the fold's training samples lack."""
    converged: Bool[np.ndarray, ""]
    """Of the final classifiers, whether all."""

    def decisions(
        self, features: Float[np.ndarray, "*shape d"], *, fold: int, label: int
    ) -> Float[np.ndarray, "*shape"]:
        """The responses of one type's classifier."""
        return features @ self.weights[fold, label] + self.bias[fold, label]


def classify(
    samples: Samples,
    *,
    types: int,
    costs: Sequence[float] = COSTS,
    folds: int = FOLDS,
    loss: svm.Loss = "squared_hinge",
) -> Classified:
    """Train for every test fold on all other samples, the cost chosen by cross-validation among these.

    So a sample that is tested has no part in choosing the cost either, also when each photograph is a test
    fold of its own. Samples of one photograph must be of one fold.

    Args:
        samples: of a category.
        types: how many types of keypoints there are.
        costs: among which to choose, in rising order.
        folds: of the cross-validation; as many as there are training photographs, if they are fewer.
        loss: of the SVM.

    Raises:
        InputError: a test fold trains on fewer than two photographs or two types, or as `svm.fit`.
    """
    numbers = np.unique(samples.folds[samples.folds >= 0])
    if not len(numbers):
        raise InputError("no sample is tested; folds from 0 are expected")
    predicted = np.full(len(samples.labels), UNKNOWN)
    curves, by_type, chosen, machines = [], [], [], []
    for number in numbers:
        tested = samples.folds == number
        training = Samples(*(part[~tested] for part in samples))
        _check_training(training)
        right = _cross_validated(training, types=types, costs=costs, folds=folds, loss=loss)
        curve = right.mean(axis=1)
        cost = costs[int(curve.argmax())]
        machine = _fit(training, types=types, cost=cost, loss=loss)
        known = tested & np.isfinite(machine.bias)[samples.labels]
        decisions = samples.features[known] @ machine.weights.T + machine.bias[None]
        predicted[known] = decisions.argmax(-1)
        curves.append(curve)
        kinds = training.labels[:, None] == np.arange(types)
        by_type.append(right.astype(float) @ kinds / np.maximum(kinds.sum(axis=0), 1))
        chosen.append(cost)
        machines.append(machine)
    curve = np.mean(curves, axis=0)
    return Classified(
        predicted,
        curve,
        np.mean(by_type, axis=0)[curve.argmax()],
        np.array(chosen),
        np.stack([one.weights for one in machines]),
        np.stack([one.bias for one in machines]),
        np.array(all(one.converged for one in machines)),
    )


def accuracy(labels: Int[np.ndarray, " n"], predicted: Int[np.ndarray, " n"]) -> float:
    """The share of predictions that are right, among samples that have one; NaN if none has."""
    counted = predicted != UNKNOWN
    return float((predicted == labels)[counted].mean()) if counted.any() else float("nan")


def confusion(
    labels: Int[np.ndarray, " n"], predicted: Int[np.ndarray, " n"], *, types: int
) -> Int[np.ndarray, "types types"]:
    """How many samples of each type (row) were taken for which (column)."""
    counted = predicted != UNKNOWN
    pairs = labels[counted] * types + predicted[counted]
    return np.bincount(pairs, minlength=types**2).reshape(types, types)


def _check_training(samples: Samples) -> None:
    photographs, kinds = (len(np.unique(one)) for one in (samples.photographs, samples.labels))
    if min(photographs, kinds) < 2:
        raise InputError(
            f"there are {photographs} photographs to train on, which show {kinds} types of keypoints; "
            "at least 2 of each are expected"
        )


class _Machine(NamedTuple):
    weights: Float[np.ndarray, "types d"]
    bias: Float[np.ndarray, " types"]
    converged: bool


def _cross_validated(
    samples: Samples, *, types: int, costs: Sequence[float], folds: int, loss: svm.Loss
) -> Bool[np.ndarray, "costs n"]:
    """Which samples are right at every cost, when their photograph is held out."""
    k = min(folds, len(np.unique(samples.photographs)))
    found = svm.cross_validate(
        jnp.asarray(samples.features),
        svm.one_vs_all(jnp.asarray(samples.labels), classes=types),
        costs=np.asarray(costs, np.float32),
        folds=grouped_folds(samples.photographs, k=k),
        k=k,
        loss=loss,
        tolerance=TOLERANCE,
    )
    return np.asarray(found.decisions).argmax(-1) == samples.labels


def _fit(samples: Samples, *, types: int, cost: float, loss: svm.Loss) -> _Machine:
    found = svm.fit(
        jnp.asarray(samples.features),
        svm.one_vs_all(jnp.asarray(samples.labels), classes=types),
        cost=cost,
        loss=loss,
        tolerance=TOLERANCE,
    )
    present = np.isin(np.arange(types), samples.labels)
    bias = np.where(present, found.bias, -np.inf)
    return _Machine(np.asarray(found.weights), bias, bool(found.converged.all()))
