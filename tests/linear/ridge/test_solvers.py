"""Ridge regression against scikit-learn, and reduced ranks against a singular value decomposition."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.linear_model import Ridge as ScikitRidge

from convcorr_jax.linear import ridge
from convcorr_jax.linear.ridge import statistics
from tests.builders.regression import draw

SHAPES = [(60, 7), (12, 40), (30, 30)]


@pytest.mark.parametrize(("n", "d"), SHAPES)
@pytest.mark.parametrize("penalty", [0.3, np.array([0.1, 1.0, 30.0])], ids=["shared", "each"])
def test_weights_predictions_and_residuals_are_those_of_scikit_learn(rng, n, d, penalty):
    features, targets = draw(rng, n, d)
    found = ridge.fit(features, targets, penalty=penalty)
    peer = ScikitRidge(alpha=penalty).fit(features.astype(np.float64), targets.astype(np.float64))
    # Single precision at a condition of about a thousand.
    np.testing.assert_allclose(found.weights, peer.coef_.T, atol=2e-4, rtol=2e-4)
    np.testing.assert_allclose(found.bias, peer.intercept_, atol=1e-3, rtol=1e-3)
    fresh, _ = draw(rng, 5, d)
    np.testing.assert_allclose(found.predict(fresh), peer.predict(fresh), atol=1e-3, rtol=1e-3)
    expected = ((peer.predict(features) - targets) ** 2).mean(0)
    np.testing.assert_allclose(found.residual, expected, rtol=2e-3, atol=1e-4)


@pytest.mark.parametrize(("n", "d"), [(40, 39), (39, 40)])
def test_double_precision_where_it_is_enabled(rng, n, d):
    with jax.enable_x64(True):
        features, targets = (array.astype(np.float64) for array in draw(rng, n, d))
        found = ridge.fit(features, targets, penalty=1e-6)
        assert found.weights.dtype == jnp.float64
        peer = ScikitRidge(alpha=1e-6, solver="svd").fit(features, targets)
        np.testing.assert_allclose(found.weights, peer.coef_.T, rtol=1e-5, atol=1e-7)


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
    # The rows themselves are rounded to 2^-11 there.
    np.testing.assert_allclose(ridge.fit(far, targets, penalty=1.0).weights, expected.weights, atol=2e-3)


def test_the_condition_bounds_that_of_the_system(rng):
    for n, d in SHAPES:
        features, targets = draw(rng, n, d)
        centred = features - features.mean(0)
        matrix = centred.T @ centred if n >= d else centred @ centred.T
        values = np.linalg.eigvalsh(matrix.astype(np.float64))
        found = ridge.fit(features, targets, penalty=0.2)
        assert (values[-1] + 0.2) / (values[0] + 0.2) <= float(found.condition) * 1.0001
        assert float(found.condition) <= (len(values) ** 0.5 * values[-1] + 0.2) / 0.2 * 1.0001
        assert float(found.digits) == pytest.approx(
            -np.log10(np.finfo(np.float32).eps * float(found.condition)), abs=1e-3
        )


def test_it_maps_over_penalties(rng):
    features, targets = draw(rng, 20, 4)
    penalties = jnp.array([0.1, 1.0, 10.0])
    mapped = jax.jit(jax.vmap(lambda penalty: ridge.fit(features, targets, penalty=penalty).weights))(penalties)
    for weights, penalty in zip(mapped, penalties, strict=True):
        alone = ridge.fit(features, targets, penalty=float(penalty)).weights
        np.testing.assert_allclose(weights, alone, rtol=1e-4, atol=1e-5)


def test_a_constant_target_is_its_bias():
    rows = np.arange(12, dtype=np.float32).reshape(6, 2) ** 2
    found = ridge.fit(rows, np.full((6, 1), 7.0, np.float32), penalty=1.0)
    assert np.abs(found.weights).max() == 0
    assert float(found.bias[0]) == 7


@pytest.fixture(scope="module")
def fitted():
    """Twelve targets of three directions of the features, with noise."""
    rng = np.random.default_rng(5)
    features = rng.normal(size=(80, 30)).astype(np.float32)
    weights = rng.normal(size=(30, 3)) @ rng.normal(size=(3, 12))
    targets = (features @ weights + rng.normal(0, 0.5, (80, 12)) + 7).astype(np.float32)
    return features, ridge.fit(features, targets, penalty=2.0)


def reduced(fitted, rank):
    features, full = fitted
    predictions = np.asarray(full.predict(features))
    subspace = ridge.prediction_subspace(predictions, rank=rank)
    return predictions, subspace, ridge.reduce_rank(full, subspace)


@pytest.mark.parametrize("rank", [1, 3, 5, 12])
def test_predictions_are_the_best_of_their_rank(fitted, rank):
    predictions, _, low_rank = reduced(fitted, rank)
    center = predictions.mean(0)
    u, singular, vt = np.linalg.svd(predictions - center, full_matrices=False)
    best = center + (u[:, :rank] * singular[:rank]) @ vt[:rank]
    np.testing.assert_allclose(low_rank.predict(fitted[0]), best, atol=2e-4)
    assert (low_rank.basis.shape, low_rank.loadings.shape) == ((30, rank), (rank, 12))


def test_projected_predictions_are_those_of_the_reduced_regression(fitted):
    _, full = fitted
    _, subspace, low_rank = reduced(fitted, 2)
    rows = np.random.default_rng(7).normal(size=(5, 30)).astype(np.float32)
    projected = subspace.project(np.asarray(full.predict(rows)))
    np.testing.assert_allclose(low_rank.predict(rows), projected, atol=2e-4)
    # Projecting again changes nothing.
    np.testing.assert_allclose(subspace.project(projected), projected, atol=1e-5)


def test_a_basis_suits_half_precision(fitted):
    _, _, low_rank = reduced(fitted, 3)
    np.testing.assert_allclose(np.abs(low_rank.basis).max(axis=0), 1, rtol=1e-6)
    halved = low_rank._replace(basis=low_rank.basis.astype(jnp.float16))
    assert np.abs(halved.predict(fitted[0]) - low_rank.predict(fitted[0])).max() < 0.02


def test_constant_predictions_have_a_basis_of_zeros(fitted):
    _, full = fitted
    constant = full._replace(weights=jnp.zeros((30, 12)), bias=jnp.arange(12.0))
    subspace = ridge.prediction_subspace(np.asarray(constant.predict(fitted[0])), rank=2)
    low_rank = ridge.reduce_rank(constant, subspace)
    assert not np.asarray(low_rank.basis).any()
    np.testing.assert_allclose(low_rank.predict(fitted[0]), constant.predict(fitted[0]), atol=1e-5)
