"""Random problems of every kind end converged, by a gap that is computed again in double precision."""

from collections.abc import Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from convcorr_jax.linear import svm

SHAPES = ((30, 5), (12, 40))
KINDS = (
    *("overlapping", "one class", "separable", "one sample", "duplicates", "scales", "costs"),
    *("separable, costs", "columns", "weights of 0", "weights", "costs and scales"),
)
BIASES = (None, 1.0)
TOLERANCE = 1e-4


class Problem(NamedTuple):
    """Two classes of samples."""

    features: np.ndarray
    positive: np.ndarray
    cost: float
    weights: np.ndarray


def problem(kind: str, rng: np.random.Generator) -> Problem:
    """Draw a problem."""
    n, d = SHAPES[rng.integers(len(SHAPES))]
    positive = rng.random(n) < 0.5
    positive[:2] = False, True
    features = rng.normal(size=(2, d))[positive.astype(int)] + rng.normal(size=(n, d))
    features += 3 * rng.normal()
    cost, weights = 10 ** rng.uniform(-2, 1), np.ones(n)
    if "separable" in kind:
        features[:, 0] = np.where(positive, 1, -1) * (rng.uniform(0.2, 2) + abs(features[:, 0]))
    if "costs" in kind:
        cost = 10 ** rng.uniform(-6, 6)
    if "scales" in kind:
        features *= 10 ** rng.uniform(-4, 4)
    match kind:
        case "one class":
            positive[:] = rng.random() < 0.5
        case "one sample":
            weights[1:] = 0
        case "duplicates":
            rows = rng.integers(0, max(1, n // 4), n)
            features = features[rows]
            # Equal samples of different classes, too.
            positive = positive[rows] if rng.random() < 0.5 else positive
        case "columns":
            features *= 10 ** rng.uniform(-2, 2, d)
        case "weights of 0":
            weights = rng.choice([0.0, 1.0, 3.0], n)
            if rng.random() < 0.3:
                weights[positive] = 0
        case "weights":
            weights = 10 ** rng.uniform(-3, 3, n)
    return Problem(features, positive, cost, weights)


def true_gap(given: Problem, model: svm.LinearSVM, loss: svm.Loss, bias_scale: float | None):
    """Compute objective and gap of a stored model in double precision, by the formulas of `svm.fitting`."""
    rows = given.features.astype(np.float64)
    signs = np.where(given.positive, 1.0, -1.0)
    bounds = float(given.features.dtype.type(given.cost)) * given.weights.astype(np.float64)
    weights, bias = np.asarray(model.weights[0], np.float64), float(model.bias[0])
    positive = (1 - signs * (rows @ weights + bias)).clip(0)
    objective = weights @ weights / 2 + bounds @ (positive if loss == "hinge" else positive**2)
    dual = np.asarray(model.dual[0], np.float64).clip(0)
    if loss == "hinge":
        dual = np.minimum(dual, bounds)
    if bias_scale is None:
        # Rounding leaves the sums of both sides a little apart.
        sums = [dual[signs == sign].sum() for sign in (1, -1)]
        above, below = (min(sums) / one if one > 0 else 0 for one in sums)
        dual = dual * np.where(signs > 0, above, below)
        rows = rows - rows.mean(0)
    else:
        objective += (bias / bias_scale) ** 2 / 2
        rows = np.hstack([rows, np.full((len(rows), 1), bias_scale)])
    sums = (dual * signs) @ rows
    value = dual.sum() - sums @ sums / 2
    if loss != "hinge":
        value -= (dual[bounds > 0] ** 2 / (4 * bounds[bounds > 0])).sum()
    return objective, objective - value


def fitted(kind, loss, bias_scale, dtype, *, count) -> Iterator[tuple[svm.LinearSVM, float]]:
    """Fit random problems of a kind: yield the model, and its gap in double precision over its objective."""
    rng = np.random.default_rng([20150607, KINDS.index(kind)])
    for _ in range(count):
        given = problem(kind, rng)
        given = given._replace(features=given.features.astype(dtype), weights=given.weights.astype(dtype))
        model = fit(given, loss, bias_scale, dtype)
        objective, gap = true_gap(given, model, loss, bias_scale)
        if gap > TOLERANCE * objective:
            # A dual in single precision may prove less than the parameters deserve.
            least, remaining = true_gap(given, fit(given, loss, bias_scale, np.float64), loss, bias_scale)
            gap = objective - (least - remaining)
        yield model, gap / objective if objective > 0 else gap


def fit(given: Problem, loss: svm.Loss, bias_scale: float | None, dtype: type) -> svm.LinearSVM:
    with jax.enable_x64(dtype is np.float64):
        features, weights = (jnp.asarray(one, dtype) for one in (given.features, given.weights[:, None]))
        options = {"loss": loss, "bias_scale": bias_scale, "sample_weights": weights, "tolerance": TOLERANCE}
        cost = float(given.features.dtype.type(given.cost))
        return svm.fit(features, jnp.asarray(given.positive[:, None]), cost=cost, **options)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("loss", "dtype"), [("hinge", np.float32), ("squared_hinge", np.float32), ("hinge", np.float64)]
)
def test_every_problem_converges_in_truth(kind, loss, dtype):
    for bias_scale in BIASES:
        for model, gap in fitted(kind, loss, bias_scale, dtype, count=6):
            assert model.converged.all()
            assert gap <= TOLERANCE
            assert model.rounds.max() <= 150
