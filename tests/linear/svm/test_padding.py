"""Padding changes no classifier, and brings problems of similar sizes to one shape."""

import jax.numpy as jnp
import numpy as np
import pytest

from convcorr_jax.linear import svm

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
    plain = svm.fit(
        jnp.asarray(features),
        jnp.asarray(positive),
        sample_weights=None if weights is None else jnp.asarray(weights),
        **options,
    )
    padded = svm.pad(features, positive, weights=weights, least=LEAST)
    assert [len(axis) for axis in (padded.features, padded.features.T, padded.positive.T)] == [32, 8, 4]
    fitted = svm.fit(
        jnp.asarray(padded.features),
        jnp.asarray(padded.positive),
        sample_weights=jnp.asarray(padded.weights),
        **options,
    )
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
