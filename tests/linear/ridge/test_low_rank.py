"""Ridge regressions of reduced rank against a singular value decomposition of their predictions."""

import jax.numpy as jnp
import numpy as np
import pytest

from convcorr_jax.errors import InputError
from convcorr_jax.linear import ridge


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


@pytest.mark.parametrize("rank", [1, 3, 5])
def test_predictions_are_the_best_of_their_rank(fitted, rank):
    predictions, _, low_rank = reduced(fitted, rank)
    center = predictions.mean(0)
    u, singular, vt = np.linalg.svd(predictions - center, full_matrices=False)
    best = center + (u[:, :rank] * singular[:rank]) @ vt[:rank]
    np.testing.assert_allclose(low_rank.predict(fitted[0]), best, atol=2e-4)
    assert low_rank.basis.shape == (30, rank)
    assert low_rank.loadings.shape == (rank, 12)


def test_the_full_rank_changes_nothing(fitted):
    _, full = fitted
    _, _, low_rank = reduced(fitted, 12)
    rows = np.random.default_rng(6).normal(size=(5, 30)).astype(np.float32)
    np.testing.assert_allclose(low_rank.predict(rows), full.predict(rows), atol=2e-4)


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
    difference = halved.predict(fitted[0]) - low_rank.predict(fitted[0])
    assert np.abs(difference).max() < 0.02


def test_constant_predictions_have_a_basis_of_zeros(fitted):
    _, full = fitted
    constant = full._replace(weights=jnp.zeros((30, 12)), bias=jnp.arange(12.0))
    subspace = ridge.prediction_subspace(np.asarray(constant.predict(fitted[0])), rank=2)
    low_rank = ridge.reduce_rank(constant, subspace)
    assert not np.asarray(low_rank.basis).any()
    np.testing.assert_allclose(low_rank.predict(fitted[0]), constant.predict(fitted[0]), atol=1e-5)


@pytest.mark.parametrize("rank", [0, 4])
def test_impossible_ranks_are_refused(rank):
    with pytest.raises(InputError, match=f"rank is {rank}; 1 to 3, the number of targets"):
        ridge.prediction_subspace(np.eye(3), rank=rank)
