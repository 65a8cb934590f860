import itertools
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.svm import SVC, LinearSVC

from convcorr_jax.errors import InputError
from convcorr_jax.linear import stratified_folds, svm
from convcorr_jax.linear.svm import Loss, fitting, one_vs_all

LOSSES: tuple[Loss, ...] = ("hinge", "squared_hinge")
BIASES = (None, 1.0, 3.0)


@pytest.fixture(params=LOSSES)
def loss(request):
    return request.param


def samples(rng, n=120, d=10, classes=3):
    """Overlapping clouds far from the origin, whose columns differ a hundredfold in spread."""
    labels = rng.integers(0, classes, n)
    features = rng.normal(size=(classes, d))[labels] + rng.normal(size=(n, d)) + 3
    return (features * np.geomspace(0.1, 10, d)).astype(np.float32), labels


def fit(features, labels, classes=3, **options: Any):
    return svm.fit(jnp.asarray(features), one_vs_all(jnp.asarray(labels), classes=classes), **options)


def cross_validate(features, labels, **options: Any):
    return svm.cross_validate(jnp.asarray(features), one_vs_all(jnp.asarray(labels), classes=3), **options)


def objective(features, signs, weights, bias, *, cost, loss: Loss, bias_scale=None) -> float:
    """The module's formula for one class, in double precision."""
    weights = np.asarray(weights, np.float64)
    margins = signs * (features.astype(np.float64) @ weights + float(bias))
    losses = np.maximum(0, 1 - margins) ** (2 if loss == "squared_hinge" else 1)
    of_bias = 0 if bias_scale is None else (float(bias) / bias_scale) ** 2
    return (weights @ weights + of_bias) / 2 + (cost * losses).sum()


def oracle(features, signs, *, cost, loss: Loss, bias_scale, sample_weights=None):
    """scikit-learn's classifier of one class: its weights and bias."""
    double = features.astype(np.float64)
    if bias_scale is None:
        assert loss == "hinge"
        machine = SVC(kernel="linear", C=cost, tol=1e-6)
    else:
        machine = LinearSVC(
            C=cost, loss=loss, intercept_scaling=bias_scale, tol=1e-8, max_iter=1_000_000, random_state=0
        )
    machine.fit(double, signs, sample_weight=sample_weights)
    return machine.coef_[0], float(machine.intercept_[0])


@pytest.mark.parametrize("cost", [1e-5, 1e-2, 1.0])
@pytest.mark.parametrize(
    ("loss", "bias_scale"),
    [case for case in itertools.product(LOSSES, BIASES) if case != ("squared_hinge", None)],
)
def test_objective_and_predictions_equal_scikit_learns(rng, loss, bias_scale, cost):
    features, labels = samples(rng)
    found = fit(features, labels, cost=cost, loss=loss, bias_scale=bias_scale)
    assert found.converged.all()
    decisions = np.asarray(found.decisions(jnp.asarray(features)))
    for j in range(3):
        signs = np.where(labels == j, 1, -1)
        options = dict(cost=cost, loss=loss, bias_scale=bias_scale)
        weights, bias = oracle(features, signs, **options)
        best = objective(features, signs, weights, bias, **options)
        ours = objective(features, signs, found.weights[j], found.bias[j], **options)
        assert abs(ours - best) <= 1e-4 * best
        np.testing.assert_allclose(found.objective[j], ours, rtol=1e-5)
        # What lies near the border may fall on either side, for the objective is flat there.
        theirs = features @ weights + bias
        clear = np.abs(theirs) > 0.05
        assert clear.mean() > 0.8
        np.testing.assert_array_equal(decisions[clear, j] > 0, theirs[clear] > 0)


def test_sample_weights_equal_scikit_learns(rng, loss):
    features, labels = samples(rng)
    weights = rng.choice([0.0, 0.5, 3.0], (len(labels), 3)).astype(np.float32)
    found = fit(features, labels, cost=0.1, loss=loss, bias_scale=1.0, sample_weights=jnp.asarray(weights))
    for j in range(3):
        signs = np.where(labels == j, 1, -1)
        options = dict(loss=loss, bias_scale=1.0)
        theirs = oracle(features, signs, cost=0.1, sample_weights=weights[:, j], **options)
        costs = 0.1 * weights[:, j]
        best = objective(features, signs, *theirs, cost=costs, **options)
        ours = objective(features, signs, found.weights[j], found.bias[j], cost=costs, **options)
        assert abs(ours - best) <= 1e-4 * best


@pytest.mark.parametrize("bias_scale", [None, 2.0])
@pytest.mark.parametrize("max_rounds", [2, 200])
def test_gap_is_that_of_a_feasible_dual(rng, loss, bias_scale, max_rounds):
    features, labels = samples(rng)
    cost = 0.05
    found = fit(features, labels, cost=cost, loss=loss, bias_scale=bias_scale, max_rounds=max_rounds)
    signs = np.where(labels == np.arange(3)[:, None], 1.0, -1.0)
    dual = np.asarray(found.dual, np.float64)
    assert (dual >= 0).all()
    values = dual.sum(1)
    if loss == "hinge":
        assert (dual <= cost * (1 + 1e-6)).all()
    else:
        values -= (dual**2).sum(1) / (4 * cost)
    rows = features.astype(np.float64)
    if bias_scale is None:
        np.testing.assert_allclose((signs * dual).sum(1), 0, atol=1e-6 * dual.sum())
        rows = rows - rows.mean(0)
    else:
        rows = np.hstack([rows, np.full((len(rows), 1), bias_scale)])
    values -= (((signs * dual) @ rows) ** 2).sum(1) / 2
    scale = np.asarray(found.objective)
    np.testing.assert_allclose(scale - values, found.gap, rtol=1e-3, atol=1e-5 * scale.max())
    np.testing.assert_array_equal(found.converged, np.asarray(found.gap) <= 1e-4 * scale)
    assert found.converged.all() == (max_rounds == 200)


@pytest.mark.parametrize(("scale", "offset"), [(1, 50), (1e-6, 0), (1e6, 0)])
def test_a_free_bias_takes_up_where_the_origin_is_and_cost_the_features_scale(rng, loss, scale, offset):
    features, labels = samples(rng)
    here = fit(features, labels, cost=0.1, loss=loss)
    there = fit(features * np.float32(scale) + offset, labels, cost=0.1 / scale**2, loss=loss)
    assert there.converged.all()
    np.testing.assert_allclose(there.objective * scale**2, here.objective, rtol=2e-4)


def test_weights_of_whole_numbers_are_copies(rng, loss):
    features, labels = samples(rng)
    copies = rng.integers(0, 3, len(labels))
    weighed = fit(features, labels, cost=0.1, loss=loss, sample_weights=jnp.asarray(copies[:, None], float))
    copied = fit(np.repeat(features, copies, axis=0), np.repeat(labels, copies), cost=0.1, loss=loss)
    np.testing.assert_allclose(weighed.objective, copied.objective, rtol=1e-4)
    assert (np.asarray(weighed.dual)[:, copies == 0] == 0).all()


@pytest.mark.usefixtures("optimized")
def test_a_warm_start_arrives_where_a_cold_one_does(rng, loss):
    positions = np.arange(120)[:, None]
    few, all_ = (jnp.asarray(positions < count, jnp.float32) for count in (110, 120))
    rounds = {"cold": 0, "warm": 0}
    # One problem alone may be as long either way.
    for bias_scale, _ in itertools.product((None, 2.0), range(4)):
        features, labels = samples(rng)
        options: dict[str, Any] = dict(cost=0.1, loss=loss, bias_scale=bias_scale)
        before = fit(features, labels, sample_weights=few, **options)
        assert (fit(features, labels, sample_weights=few, start=before, **options).rounds <= 1).all()
        cold, warm = (
            fit(features, labels, sample_weights=all_, start=start, **options) for start in (None, before)
        )
        np.testing.assert_allclose(warm.objective, cold.objective, rtol=1e-4)
        rounds["cold"] += int(cold.rounds.sum())
        rounds["warm"] += int(warm.rounds.sum())
    # The hinge's last digits take most of its rounds, wherever it starts.
    assert rounds["warm"] < (0.9 if loss == "squared_hinge" else 1.1) * rounds["cold"]


@pytest.mark.parametrize("bias_scale", [None, 1.0])
@pytest.mark.parametrize("label", [0, 1])
def test_one_class_alone(rng, loss, label, bias_scale):
    features, _ = samples(rng)
    found = fit(features, np.full(len(features), label), classes=1, cost=1.0, loss=loss, bias_scale=bias_scale)
    assert found.converged.all()
    decisions = np.asarray(found.decisions(jnp.asarray(features)))
    assert (decisions > 0).all() if label == 0 else (decisions < 0).all()
    if bias_scale is None:
        np.testing.assert_allclose(found.objective, 0, atol=1e-6)
        # With the hinge, whatever lies beyond 1 costs nothing.
        assert (np.abs(decisions) >= 1 - 1e-3).all()


def test_duplicate_columns_share_the_weight(rng, loss):
    features, labels = samples(rng)
    double = fit(np.hstack([features, features]), labels, cost=0.1, loss=loss)
    single = fit(features * np.float32(2**0.5), labels, cost=0.1, loss=loss)
    assert double.converged.all()
    np.testing.assert_allclose(double.objective, single.objective, rtol=1e-4)
    halves = np.split(np.asarray(double.weights), 2, axis=1)
    np.testing.assert_allclose(halves[0], halves[1], atol=1e-4 * np.abs(halves[0]).max())


def test_features_that_are_all_zero_leave_the_bias(loss):
    found = fit(np.zeros((4, 3), np.float32), np.array([0, 0, 0, 1]), classes=2, cost=0.5, loss=loss)
    assert found.converged.all()
    np.testing.assert_array_equal(found.weights, 0)
    # The minimum over b of 3 loss(1 - b) + loss(1 + b) is at 1 with the hinge, at 1/2 with its square.
    expected = {"hinge": (1.0, 1.0), "squared_hinge": (0.5, 1.5)}[loss]
    np.testing.assert_allclose(found.bias, [expected[0], -expected[0]], atol=5e-3)
    np.testing.assert_allclose(found.objective, expected[1], rtol=1e-4)


def test_weights_that_are_all_zero(rng, loss):
    features, labels = samples(rng)
    found = fit(features, labels, cost=1.0, loss=loss, sample_weights=jnp.zeros((120, 1)))
    for value in (found.weights, found.bias, found.objective, found.gap, found.dual):
        np.testing.assert_array_equal(value, 0)
    assert found.converged.all()


def test_a_start_of_another_shape_is_refused(rng):
    features, labels = samples(rng)
    before = fit(features[:50], labels[:50], cost=0.1)
    with pytest.raises(InputError, match=r"\(3, 50\); \(3, 10\) and \(3, 120\) are expected"):
        fit(features, labels, cost=0.1, start=before)


def test_cross_validation_equals_fits_without_each_fold(rng, loss):
    features, labels = samples(rng)
    folds = stratified_folds(labels, k=4)
    # At the last cost the rounding of residuals exceeds the tolerance.
    costs = np.array([1e-5, 1e-2, 1.0, 1e5])
    curve = cross_validate(features, labels, costs=costs, folds=folds, k=4, loss=loss)
    assert curve.converged.all()
    for (i, cost), j in itertools.product(enumerate(costs), range(4)):
        out = folds == j
        alone = fit(features[~out], labels[~out], cost=cost, loss=loss)
        np.testing.assert_allclose(curve.objective[i, j], alone.objective, rtol=1e-4)
        decisions = np.asarray(alone.decisions(jnp.asarray(features[out])))
        # The decisions of a high cost are large numbers.
        close = 0.05 * max(1, np.abs(decisions).max() if cost > 1 else 1)
        np.testing.assert_allclose(curve.decisions[i][out], decisions, atol=close)


def test_a_class_may_be_absent_from_what_a_fold_trains_on(rng, loss):
    features, labels = samples(rng, classes=2)
    labels[5] = 2
    folds = stratified_folds(labels, k=3)
    curve = cross_validate(features, labels, costs=np.array([0.1]), folds=folds, k=3, loss=loss)
    assert curve.converged.all()
    # With the hinge, whatever lies below -1 costs nothing.
    assert (np.asarray(curve.decisions[0])[folds == folds[5], 2] <= -1 + 1e-3).all()


def test_under_jit_and_vmap(rng):
    sets = [samples(rng) for _ in range(2)]
    alone = [fit(*one, cost=0.1, loss="hinge") for one in sets]
    features = jnp.stack([jnp.asarray(one) for one, _ in sets])
    positive = jnp.stack([one_vs_all(jnp.asarray(labels), classes=3) for _, labels in sets])
    together = jax.jit(jax.vmap(lambda x, p, c: svm.fit(x, p, cost=c, loss="hinge"), (0, 0, None)))(
        features, positive, jnp.float32(0.1)
    )
    for i in range(2):
        np.testing.assert_allclose(together.objective[i], alone[i].objective, rtol=1e-4)
        assert together.converged[i].all()


def test_compiles_once(rng):
    compiled: Any = fitting._fit
    compiled.clear_cache()
    for cost in (0.1, 1, jnp.float32(2)):
        fit(*samples(rng), cost=cost, tolerance=1e-3 * float(cost))
    assert compiled._cache_size() == 1


@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_samples_of_other_labels_are_of_no_class(dtype):
    labels = np.array([1, 0, 255, 2, 2**32 if dtype is np.int64 else 3, 2**7], dtype)
    expected = [[int(label) == each for each in range(3)] for label in labels]
    assert np.asarray(one_vs_all(labels, classes=3)).tolist() == expected
    assert not jax.jit(partial(one_vs_all, classes=3))(jnp.array([-1, 3])).any()


LEAST = svm.Least(rows=16, columns=8, classes=4)


def problem(n: int, d: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(n)
    return rng.normal(size=(n, d)).astype(np.float32), rng.random((n, classes)) < 0.4


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("loss", ["hinge", "squared_hinge"])
def test_padded_problems_have_the_same_classifiers(loss, weighted):
    features, positive = problem(20, 5, 3)
    weights = np.linspace(0, 2, 20, dtype=np.float32)[:, None] if weighted else None
    options = {"cost": 0.3, "loss": loss, "tolerance": 1e-5}
    each = None if weights is None else jnp.asarray(weights)
    plain = svm.fit(jnp.asarray(features), jnp.asarray(positive), sample_weights=each, **options)
    padded = svm.pad(features, positive, weights=weights, least=LEAST)
    assert [len(axis) for axis in (padded.features, padded.features.T, padded.positive.T)] == [32, 8, 4]
    features, positive, weights = map(jnp.asarray, (padded.features, padded.positive, padded.weights))
    fitted = svm.fit(features, positive, sample_weights=weights, **options)
    np.testing.assert_allclose(fitted.weights[:3, :5], plain.weights, atol=2e-3)
    np.testing.assert_allclose(fitted.bias[:3], plain.bias, atol=2e-3)
    np.testing.assert_allclose(fitted.objective[:3], plain.objective, rtol=1e-4)
    assert not np.asarray(fitted.weights[:3, 5:]).any()
    assert not np.asarray(fitted.weights[3]).any()


@pytest.mark.parametrize(
    ("n", "length"), [(1, 16), (16, 16), (17, 32), (128, 128), (129, 160), (1000, 1024), (1025, 1280)]
)
def test_rows_are_multiples_of_the_least_and_of_an_eighth_of_the_next_power_of_two(n, length):
    padded = svm.pad(*problem(n, 1, 1), least=LEAST)
    assert len(padded.features) == len(padded.positive) == len(padded.weights) == length
    assert padded.weights.sum() == n
