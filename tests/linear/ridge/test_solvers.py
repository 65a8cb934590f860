"""Ridge regression against NumPy's solution in double precision and scikit-learn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.linear_model import Ridge as ScikitRidge

from convcorr_jax.errors import InputError
from convcorr_jax.linear import ridge
from convcorr_jax.linear.ridge import solvers, statistics
from tests.builders.regression import draw


def solution(features, targets, penalty):
    """By the normal equations with a column of ones, which is not penalised, in double precision."""
    ones = np.ones((len(features), 1))
    x = np.concatenate([features.astype(np.float64), ones], axis=1)
    weights = [
        np.linalg.solve(x.T @ x + np.diag([one] * features.shape[1] + [0]), x.T @ column)
        for one, column in zip(
            np.broadcast_to(penalty, targets.shape[1]), targets.T.astype(np.float64), strict=True
        )
    ]
    return np.array(weights).T


SHAPES = [(60, 7), (12, 40), (30, 30)]


@pytest.mark.parametrize(("n", "d"), SHAPES)
@pytest.mark.parametrize("penalty", [0.3, np.array([0.1, 1.0, 30.0])], ids=["shared", "each"])
def test_weights_are_those_of_the_normal_equations(rng, n, d, penalty):
    features, targets = draw(rng, n, d)
    found = ridge.fit(features, targets, penalty=penalty)
    expected = solution(features, targets, penalty)
    # Single precision at a condition of about a thousand.
    np.testing.assert_allclose(found.weights, expected[:-1], atol=2e-4, rtol=2e-4)
    np.testing.assert_allclose(found.bias, expected[-1], atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(("n", "d"), SHAPES)
def test_predictions_and_residuals_are_those_of_scikit_learn(rng, n, d):
    features, targets = draw(rng, n, d)
    found = ridge.fit(features, targets, penalty=2.0)
    peer = ScikitRidge(alpha=2.0).fit(features.astype(np.float64), targets.astype(np.float64))
    fresh, _ = draw(rng, 5, d)
    np.testing.assert_allclose(found.predict(fresh), peer.predict(fresh), atol=1e-3, rtol=1e-3)
    expected = ((peer.predict(features) - targets) ** 2).mean(0)
    np.testing.assert_allclose(found.residual, expected, rtol=2e-3, atol=1e-4)


@pytest.mark.parametrize(("n", "d"), [(40, 39), (39, 40)])
def test_double_precision_where_it_is_enabled(rng, n, d):
    with jax.enable_x64(True):
        features, targets = (array.astype(np.float64) for array in draw(rng, n, d))
        found = ridge.fit(features, targets, penalty=1e-6)
        expected = solution(features, targets, 1e-6)
        assert found.weights.dtype == jnp.float64
        np.testing.assert_allclose(found.weights, expected[:-1], rtol=1e-5, atol=1e-7)


def test_the_dual_is_the_primal(rng):
    features, targets = draw(rng, 12, 40)
    dual = ridge.fit(features, targets, penalty=0.5)
    primal = ridge.solve(statistics(jnp.asarray(features), jnp.asarray(targets)), penalty=0.5)
    for one, other in zip(dual[:2], primal[:2], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4, rtol=1e-4)
    np.testing.assert_allclose(dual.residual, primal.residual, atol=1e-4)


@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_features_of_any_scale_predict_the_same(rng, scale):
    features, targets = draw(rng, 50, 6)
    plain = ridge.fit(features, targets, penalty=1.0).predict(features)
    scaled = (features * scale).astype(np.float32)
    found = ridge.fit(scaled, targets, penalty=scale**2)
    np.testing.assert_allclose(found.predict(scaled), plain, rtol=1e-4, atol=1e-3)


def test_a_large_mean_costs_no_digits(rng):
    features, targets = draw(rng, 200, 5)
    centred = features - features.mean(0)
    far = centred + np.float32(4096)
    expected = ridge.fit(centred, targets, penalty=1.0)
    found = ridge.fit(far, targets, penalty=1.0)
    # The rows themselves are rounded to 2^-11 there.
    np.testing.assert_allclose(found.weights, expected.weights, atol=2e-3)


def test_the_condition_bounds_that_of_the_system(rng):
    for n, d in SHAPES:
        features, targets = draw(rng, n, d)
        centred = features - features.mean(0)
        matrix = centred.T @ centred if n >= d else centred @ centred.T
        values = np.linalg.eigvalsh(matrix.astype(np.float64))
        found = ridge.fit(features, targets, penalty=0.2)
        exact = (values[-1] + 0.2) / (values[0] + 0.2)
        assert exact <= float(found.condition) * 1.0001
        assert float(found.condition) <= (len(values) ** 0.5 * values[-1] + 0.2) / 0.2 * 1.0001
        assert float(found.digits) == pytest.approx(
            -np.log10(np.finfo(np.float32).eps * float(found.condition)), abs=1e-3
        )


def test_a_system_beyond_the_precision_is_refused(rng):
    column = rng.standard_normal((50, 1)).astype(np.float32)
    features = np.repeat(column, 20, axis=1)
    with pytest.raises(InputError, match="a larger penalty or double precision is needed"):
        ridge.fit(features, column, penalty=1e-12)


def test_it_compiles_once_and_maps_over_penalties(rng):
    features, targets = draw(rng, 20, 4)
    penalties = jnp.array([0.1, 1.0, 10.0])
    mapped = jax.jit(jax.vmap(lambda penalty: ridge.fit(features, targets, penalty=penalty).weights))(penalties)
    for weights, penalty in zip(mapped, penalties, strict=True):
        alone = ridge.fit(features, targets, penalty=float(penalty)).weights
        np.testing.assert_allclose(weights, alone, rtol=1e-4, atol=1e-5)
    compiled = solvers._fit_primal._cache_size()
    ridge.fit(features + 1, targets, penalty=3.0)
    assert solvers._fit_primal._cache_size() == compiled


def test_the_gradient_is_that_of_finite_differences(rng):
    with jax.enable_x64(True):
        features, targets = (jnp.asarray(a.astype(np.float64)) for a in draw(rng, 15, 4))

        def loss(features, penalty):
            return (ridge.fit(features, targets, penalty=penalty).weights ** 2).sum()

        slope = jax.grad(loss, argnums=(0, 1))(features, 0.7)
        step = 1e-6
        moved = features.at[3, 2].add(step)
        assert float(slope[0][3, 2]) == pytest.approx(
            float((loss(moved, 0.7) - loss(features, 0.7)) / step), rel=1e-3
        )
        assert float(slope[1]) == pytest.approx(
            float((loss(features, 0.7 + step) - loss(features, 0.7)) / step), rel=1e-3
        )


GOOD = np.arange(12, dtype=np.float32).reshape(6, 2) ** 2


@pytest.mark.parametrize(
    ("features", "targets", "penalty", "sentence"),
    [
        (GOOD, GOOD[:5], 1.0, "6 rows of features and 5 of targets"),
        (GOOD[:1], GOOD[:1], 1.0, "at least 2 rows"),
        (GOOD[:, :0], GOOD, 1.0, "at least 2 rows and one column"),
        (np.where(GOOD > 50, np.nan, GOOD), GOOD, 1.0, "features hold NaN"),
        (GOOD, np.where(GOOD > 50, np.inf, GOOD), 1.0, "targets hold NaN, infinity"),
        (np.ones((6, 2), np.float32), GOOD, 1.0, "all rows of the features are equal"),
        (GOOD, GOOD, 0.0, "penalty is 0.0; a finite number above 0"),
        (GOOD, GOOD, np.array([1.0, np.nan]), "a finite number above 0"),
        (GOOD, GOOD, np.ones(3), "one for each of 2 targets"),
    ],
)
def test_bad_input_is_refused(features, targets, penalty, sentence):
    with pytest.raises(InputError, match=sentence):
        ridge.fit(features, targets, penalty=penalty)


def test_a_constant_target_is_its_bias():
    found = ridge.fit(GOOD, np.full((6, 1), 7.0, np.float32), penalty=1.0)
    assert np.abs(found.weights).max() == 0
    assert float(found.bias[0]) == 7
