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


def samples(
    rng: np.random.Generator, n: int = 120, d: int = 10, classes: int = 3
) -> tuple[np.ndarray, np.ndarray]:
    """Overlapping clouds far from the origin, whose columns differ a hundredfold in spread."""
    labels = rng.integers(0, classes, n)
    features = rng.normal(size=(classes, d))[labels] + rng.normal(size=(n, d)) + 3
    return (features * np.geomspace(0.1, 10, d)).astype(np.float32), labels


def fit(features: np.ndarray, labels: np.ndarray, classes: int = 3, **options: Any):
    positive = one_vs_all(jnp.asarray(labels), classes=classes)
    return svm.fit(jnp.asarray(features), positive, **options)


def objective(
    features: np.ndarray,
    signs: np.ndarray,
    weights: np.ndarray,
    bias: float,
    *,
    cost: float | np.ndarray,
    loss: Loss,
    bias_scale: float | None = None,
) -> float:
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


# Against scikit-learn.


@pytest.mark.parametrize("cost", [1e-5, 1e-2, 1.0])
@pytest.mark.parametrize(
    ("loss", "bias_scale"),
    [case for case in itertools.product(LOSSES, BIASES) if case != ("squared_hinge", None)],
)
def test_objective_and_predictions_equal_scikit_learns(
    rng: np.random.Generator, loss: Loss, bias_scale: float | None, cost: float
) -> None:
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


@pytest.mark.parametrize("loss", LOSSES)
def test_sample_weights_equal_scikit_learns(rng: np.random.Generator, loss: Loss) -> None:
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


# The certificate.


@pytest.mark.parametrize("bias_scale", [None, 2.0])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("max_rounds", [2, 200])
def test_gap_is_that_of_a_feasible_dual(
    rng: np.random.Generator, loss: Loss, bias_scale: float | None, max_rounds: int
) -> None:
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


# Invariants.


@pytest.mark.parametrize("loss", LOSSES)
def test_a_free_bias_takes_up_where_the_origin_is(rng: np.random.Generator, loss: Loss) -> None:
    features, labels = samples(rng)
    here, there = (fit(features + offset, labels, cost=0.1, loss=loss) for offset in (0, 50))
    np.testing.assert_allclose(there.objective, here.objective, rtol=2e-4)
    assert there.converged.all()


@pytest.mark.parametrize("scale", [1e-6, 1e6])
@pytest.mark.parametrize("loss", LOSSES)
def test_cost_belongs_to_the_features_scale(rng: np.random.Generator, loss: Loss, scale: float) -> None:
    features, labels = samples(rng)
    scale = np.float32(scale)
    here = fit(features, labels, cost=0.1, loss=loss)
    there = fit(features * scale, labels, cost=0.1 / float(scale) ** 2, loss=loss)
    assert there.converged.all()
    np.testing.assert_allclose(there.objective * scale**2, here.objective, rtol=1e-4)


@pytest.mark.parametrize("loss", LOSSES)
def test_weights_of_whole_numbers_are_copies(rng: np.random.Generator, loss: Loss) -> None:
    features, labels = samples(rng)
    copies = rng.integers(0, 3, len(labels))
    weighed = fit(features, labels, cost=0.1, loss=loss, sample_weights=jnp.asarray(copies[:, None], float))
    copied = fit(np.repeat(features, copies, axis=0), np.repeat(labels, copies), cost=0.1, loss=loss)
    np.testing.assert_allclose(weighed.objective, copied.objective, rtol=1e-4)
    assert (np.asarray(weighed.dual)[:, copies == 0] == 0).all()


@pytest.mark.parametrize("loss", LOSSES)
def test_more_features_than_samples(rng: np.random.Generator, loss: Loss) -> None:
    features, labels = samples(rng, n=20, d=50)
    found = fit(features, labels, cost=0.01, loss=loss)
    assert found.converged.all()
    padded = np.concatenate([features, np.zeros((20, 50), np.float32)])
    weights = jnp.asarray(np.arange(40)[:, None] < 20, jnp.float32)
    more = fit(padded, np.concatenate([labels, labels]), cost=0.01, loss=loss, sample_weights=weights)
    np.testing.assert_allclose(more.objective, found.objective, rtol=1e-4)


@pytest.mark.usefixtures("optimized")
@pytest.mark.parametrize("loss", LOSSES)
def test_a_warm_start_arrives_where_a_cold_one_does(rng: np.random.Generator, loss: Loss) -> None:
    positions = np.arange(120)[:, None]
    few, all_ = (jnp.asarray(positions < count, jnp.float32) for count in (110, 120))
    rounds = {"cold": 0, "warm": 0}
    # One problem alone may be as long either way.
    for bias_scale, _ in itertools.product((None, 2.0), range(4)):
        features, labels = samples(rng)
        options: dict[str, Any] = dict(cost=0.1, loss=loss, bias_scale=bias_scale)
        before = fit(features, labels, sample_weights=few, **options)
        again = fit(features, labels, sample_weights=few, start=before, **options)
        assert (again.rounds <= 1).all()
        cold, warm = (
            fit(features, labels, sample_weights=all_, start=start, **options) for start in (None, before)
        )
        np.testing.assert_allclose(warm.objective, cold.objective, rtol=1e-4)
        rounds["cold"] += int(cold.rounds.sum())
        rounds["warm"] += int(warm.rounds.sum())
    # The hinge's last digits take most of its rounds, wherever it starts.
    assert rounds["warm"] < (0.9 if loss == "squared_hinge" else 1.1) * rounds["cold"]


# Pathologies.


@pytest.mark.parametrize("bias_scale", [None, 1.0])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("label", [0, 1])
def test_one_class_alone(rng: np.random.Generator, loss: Loss, label: int, bias_scale: float | None) -> None:
    features, _ = samples(rng)
    found = fit(features, np.full(len(features), label), classes=1, cost=1.0, loss=loss, bias_scale=bias_scale)
    assert found.converged.all()
    decisions = np.asarray(found.decisions(jnp.asarray(features)))
    assert (decisions > 0).all() if label == 0 else (decisions < 0).all()
    if bias_scale is None:
        np.testing.assert_allclose(found.objective, 0, atol=1e-6)
        # With the hinge, whatever lies beyond 1 costs nothing.
        assert (np.abs(decisions) >= 1 - 1e-3).all()


@pytest.mark.parametrize("loss", LOSSES)
def test_duplicate_columns_share_the_weight(rng: np.random.Generator, loss: Loss) -> None:
    features, labels = samples(rng)
    double = fit(np.hstack([features, features]), labels, cost=0.1, loss=loss)
    single = fit(features * np.float32(2**0.5), labels, cost=0.1, loss=loss)
    assert double.converged.all()
    np.testing.assert_allclose(double.objective, single.objective, rtol=1e-4)
    halves = np.split(np.asarray(double.weights), 2, axis=1)
    np.testing.assert_allclose(halves[0], halves[1], atol=1e-4 * np.abs(halves[0]).max())


@pytest.mark.parametrize("loss", LOSSES)
def test_features_that_are_all_zero_leave_the_bias(loss: Loss) -> None:
    labels = np.array([0, 0, 0, 1])
    found = fit(np.zeros((4, 3), np.float32), labels, classes=2, cost=0.5, loss=loss)
    assert found.converged.all()
    np.testing.assert_array_equal(found.weights, 0)
    # The minimum over b of 3 loss(1 - b) + loss(1 + b) is at 1 with the hinge, at 1/2 with its square.
    expected = {"hinge": (1.0, 1.0), "squared_hinge": (0.5, 1.5)}[loss]
    np.testing.assert_allclose(found.bias, [expected[0], -expected[0]], atol=5e-3)
    np.testing.assert_allclose(found.objective, expected[1], rtol=1e-4)


@pytest.mark.parametrize("loss", LOSSES)
def test_weights_that_are_all_zero(rng: np.random.Generator, loss: Loss) -> None:
    features, labels = samples(rng)
    found = fit(features, labels, cost=1.0, loss=loss, sample_weights=jnp.zeros((120, 1)))
    for value in (found.weights, found.bias, found.objective, found.gap, found.dual):
        np.testing.assert_array_equal(value, 0)
    assert found.converged.all()


@pytest.mark.parametrize(("loss", "cost"), [("hinge", 10.0), ("squared_hinge", 10.0), ("squared_hinge", 1e3)])
def test_classes_that_can_be_parted_at_high_cost(rng: np.random.Generator, loss: Loss, cost: float) -> None:
    features = rng.normal(size=(60, 5)).astype(np.float32)
    labels = (features[:, 0] > 0).astype(int)
    features[:, 0] += np.where(labels, 1, -1)
    found = fit(features, labels, classes=2, cost=cost, loss=loss)
    assert found.converged.all()
    decisions = found.decisions(jnp.asarray(features))
    np.testing.assert_array_equal(decisions.argmax(1), labels)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_features_that_are_not_finite_are_refused(rng: np.random.Generator, value: float) -> None:
    features, labels = samples(rng)
    features[7, 3] = value
    with pytest.raises(InputError, match="features hold NaN, infinity or numbers too large"):
        fit(features, labels, cost=1.0)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (dict(cost=0.0), "cost is 0.0; a finite number above 0"),
        (dict(cost=np.nan), "cost is nan"),
        (dict(cost=1.0, bias_scale=-1.0), "bias_scale is -1.0"),
        (dict(cost=1.0, tolerance=0.0), "tolerance is 0.0"),
        (dict(cost=1.0, max_rounds=0), "max_rounds is 0"),
        (dict(cost=1.0, sample_weights=-jnp.ones((120, 1))), "sample_weights hold negative"),
        (dict(cost=1.0, sample_weights=jnp.full((120, 1), jnp.nan)), "sample_weights hold NaN"),
        (dict(cost=1.0, sample_weights=jnp.ones((120, 2))), r"sample_weights have shape \(120, 2\)"),
    ],
)
def test_bad_options_are_refused(rng: np.random.Generator, options: dict, sentence: str) -> None:
    features, labels = samples(rng)
    with pytest.raises(InputError, match=sentence):
        fit(features, labels, **options)


def test_nothing_to_learn_from_is_refused() -> None:
    with pytest.raises(InputError, match=r"shape \(0, 3\)"):
        fit(np.zeros((0, 3), np.float32), np.zeros(0, int), cost=1.0)


def test_a_start_of_another_shape_is_refused(rng: np.random.Generator) -> None:
    features, labels = samples(rng)
    before = fit(features[:50], labels[:50], cost=0.1)
    with pytest.raises(InputError, match=r"\(3, 50\); \(3, 10\) and \(3, 120\) are expected"):
        fit(features, labels, cost=0.1, start=before)


# Cross-validation.


@pytest.mark.parametrize("loss", LOSSES)
def test_cross_validation_equals_fits_without_each_fold(rng: np.random.Generator, loss: Loss) -> None:
    features, labels = samples(rng)
    folds = stratified_folds(labels, k=4)
    # At the last cost the rounding of residuals exceeds the tolerance.
    costs = np.array([1e-5, 1e-2, 1.0, 1e5])
    curve = svm.cross_validate(
        jnp.asarray(features),
        one_vs_all(jnp.asarray(labels), classes=3),
        costs=costs,
        folds=folds,
        k=4,
        loss=loss,
    )
    assert curve.converged.all()
    for (i, cost), j in itertools.product(enumerate(costs), range(4)):
        out = folds == j
        alone = fit(features[~out], labels[~out], cost=cost, loss=loss)
        np.testing.assert_allclose(curve.objective[i, j], alone.objective, rtol=1e-4)
        decisions = np.asarray(alone.decisions(jnp.asarray(features[out])))
        # The decisions of a high cost are large numbers.
        close = 0.05 * max(1, np.abs(decisions).max() if cost > 1 else 1)
        np.testing.assert_allclose(curve.decisions[i][out], decisions, atol=close)


def test_a_class_may_be_absent_from_what_a_fold_trains_on(rng: np.random.Generator) -> None:
    features, labels = samples(rng, classes=2)
    labels[5] = 2
    folds = stratified_folds(labels, k=3)
    for loss in LOSSES:
        curve = svm.cross_validate(
            jnp.asarray(features),
            one_vs_all(jnp.asarray(labels), classes=3),
            costs=np.array([0.1]),
            folds=folds,
            k=3,
            loss=loss,
        )
        assert curve.converged.all()
        held_out = folds == folds[5]
        # With the hinge, whatever lies below -1 costs nothing.
        assert (np.asarray(curve.decisions[0])[held_out, 2] <= -1 + 1e-3).all()


def test_folds_out_of_range_are_refused(rng: np.random.Generator) -> None:
    features, labels = samples(rng)
    positive = one_vs_all(jnp.asarray(labels), classes=3)
    for folds, costs, sentence in (
        (labels + 1, [1.0], "folds has numbers other than 0 to 2"),
        (labels, [1.0, -1.0], "cost is"),
        (labels, [], "there are 0 costs"),
    ):
        with pytest.raises(InputError, match=sentence):
            svm.cross_validate(jnp.asarray(features), positive, costs=np.array(costs, float), folds=folds, k=3)


# Under JAX's transformations.


def test_under_jit_and_vmap(rng: np.random.Generator) -> None:
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


def test_compiles_once(rng: np.random.Generator) -> None:
    compiled: Any = fitting._fit
    compiled.clear_cache()
    for cost in (0.1, 1, jnp.float32(2)):
        fit(*samples(rng), cost=cost, tolerance=1e-3 * float(cost))
    assert compiled._cache_size() == 1


@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_samples_of_other_labels_are_of_no_class(dtype: type) -> None:
    labels = np.array([1, 0, 255, 2, 2**32 if dtype is np.int64 else 3, 2**7], dtype)
    expected = [[int(label) == each for each in range(3)] for label in labels]
    assert np.asarray(one_vs_all(labels, classes=3)).tolist() == expected
    assert not jax.jit(partial(one_vs_all, classes=3))(jnp.array([-1, 3])).any()
    with pytest.raises(InputError, match="classes is 0"):
        one_vs_all(labels, classes=0)


@pytest.mark.parametrize("labels", [[0.0, 1.0], [np.nan], [[0], [1]], ["a"], [True, False]])
def test_labels_that_are_no_whole_numbers_are_refused(labels: list) -> None:
    with pytest.raises(InputError, match="labels"):
        svm.one_vs_all(np.array(labels), classes=2)
