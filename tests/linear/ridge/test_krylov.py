"""Shifted systems from one space against NumPy's solutions in double precision."""

import jax.numpy as jnp
import numpy as np
import pytest

from convcorr_jax.linear import ridge
from convcorr_jax.linear.ridge import krylov, statistics
from convcorr_jax.linear.ridge.fold_errors import rows_of_folds, squares_from_krylov
from convcorr_jax.linear.ridge.kernel import centered_kernel, decompose_kernel, held_out_residuals
from convcorr_jax.linear.ridge.krylov import krylov_space


@pytest.fixture
def system(rng):
    rows = rng.standard_normal((900, 240))
    return rows.T @ rows / 900, rng.standard_normal((240, 32))


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(krylov, "_LEAST_SIDE", 100)


def arrays(system):
    return tuple(jnp.asarray(one, jnp.float32) for one in system)


@pytest.mark.usefixtures("small")
def test_every_shift_is_solved_to_its_residual_in_an_orthonormal_basis(system):
    matrix, right = system
    # All of the steps that are allowed: 4 times 32 columns of 240.
    space = krylov_space(*arrays(system), least_shift=0.01, tolerance=1e-9)
    assert space is not None
    assert space.diagonal.shape == (4, 32, 32)
    for shift in (0.01, 0.3, 5.0, 100.0):
        solved, residual = space.solve(shift)
        found = np.asarray(solved, np.float64)
        relative = np.linalg.norm((matrix + shift * np.eye(240)) @ found - right) / np.linalg.norm(right)
        assert relative == pytest.approx(residual, rel=0.02, abs=2e-6)
        exact = np.linalg.solve(matrix + shift * np.eye(240), right)
        assert np.linalg.norm(found - exact) <= (relative + 1e-5) * np.linalg.norm(right) / 0.1
    np.testing.assert_allclose(space.basis.T @ space.basis, np.eye(128), atol=1e-5)


@pytest.mark.usefixtures("small")
def test_the_space_grows_no_larger_than_needed(rng):
    rows = rng.standard_normal((4000, 480))
    matrix = jnp.asarray(rows.T @ rows / 4000, jnp.float32)
    right = jnp.asarray(rng.standard_normal((480, 32)), jnp.float32)
    sizes = [
        found.basis.shape[1]
        for shift in (100.0, 0.1)
        if (found := krylov_space(matrix, right, least_shift=shift, tolerance=1e-4)) is not None
    ]
    assert sizes[0] < sizes[1] < int(0.6 * 480) // 32 * 32


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("rank", [40, 100])
def test_vectors_that_run_out_do_no_harm(rng, rank):
    """Of features of low rank and targets that nearly depend on each other."""
    factors = rng.standard_normal((300, rank))
    matrix = factors @ factors.T / 300
    right = matrix @ rng.standard_normal((300, 5)) @ rng.standard_normal((5, 32))
    right += 1e-6 * rng.standard_normal(right.shape)
    space = krylov_space(*arrays((matrix, right)), least_shift=0.01, tolerance=1e-5)
    assert space is not None
    for shift in (0.01, 1.0):
        found, residual = space.solve(shift)
        exact = np.linalg.solve(matrix + shift * np.eye(300), right)
        assert residual <= 1e-5
        assert np.linalg.norm(found - exact) <= 1e-4 * np.linalg.norm(exact)


def test_vectors_beyond_the_known_ones_are_orthonormal_even_where_they_are_none(rng):
    """One is twice another, one is known already, one is tiny."""
    known, _ = np.linalg.qr(rng.standard_normal((200, 20)))
    vectors = rng.standard_normal((200, 8))
    vectors[:, 3], vectors[:, 5], vectors[:, 7] = 2 * vectors[:, 2], 0, 1e-7 * vectors[:, 7]
    vectors -= known @ (known.T @ vectors)
    vectors[:, 5] = 1e-7 * known[:, 4]
    q, r = krylov._orthonormalize(jnp.asarray(known, jnp.float32), jnp.asarray(vectors, jnp.float32))
    both = np.concatenate([known, q], axis=1)
    np.testing.assert_allclose(both.T @ both, np.eye(28), atol=1e-5)
    np.testing.assert_allclose(q @ r, vectors, atol=1e-5)


def test_small_systems_are_left_to_decompositions(system):
    assert krylov_space(*arrays(system), least_shift=0.1, tolerance=1e-4) is None


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("decay", [0.0, 0.7])
def test_folds_that_share_a_space_have_the_errors_of_those_that_do_not(rng, monkeypatch, decay):
    features = rng.standard_normal((900, 240)) * np.arange(1, 241) ** -decay
    targets = features @ rng.standard_normal((240, 32)) + rng.standard_normal((900, 32))
    parts = [
        statistics(jnp.asarray(features[j::3], jnp.float32), jnp.asarray(targets[j::3], jnp.float32))
        for j in range(3)
    ]
    # With the decay the least penalties are beyond the space, and solved one by one.
    penalties = np.logspace(-3, 3, 7)
    shared = ridge.cross_validate_statistics(parts, penalties=penalties)
    monkeypatch.setattr(krylov, "_LEAST_SIDE", 1000)
    alone = ridge.cross_validate_statistics(parts, penalties=penalties)
    np.testing.assert_allclose(shared.errors, alone.errors, rtol=2e-4)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(("decay", "shared"), [(1.0, True), (0.0, False)])
def test_folds_of_few_rows_share_spaces_too(rng, decay, shared):
    features = rng.standard_normal((480, 2400)) * np.arange(1, 2401) ** -decay
    features = features.astype(np.float32) + np.float32(0.5)
    targets = (features[:, :32] + rng.standard_normal((480, 32))).astype(np.float32)
    folds = rng.integers(0, 3, 480)
    penalties = ((features - features.mean(0)) ** 2).sum() / 480 * np.array([1.0, 10.0, 100.0])
    x, y, fold_rows = jnp.asarray(features), jnp.asarray(targets), rows_of_folds(folds, 480, 3)
    found = squares_from_krylov(centered_kernel(x), y, penalties, fold_rows)
    assert (found is not None) == shared
    whole = ridge.cross_validate(features, targets, penalties=penalties, folds=folds, k=3)
    if shared:
        np.testing.assert_array_equal(found.squares / 480, whole.errors)
    squares = [
        (held_out_residuals(decompose_kernel(centered_kernel(x), y), *fold_rows, one) ** 2).sum((0, 1))
        for one in penalties
    ]
    np.testing.assert_allclose(whole.errors, np.array(squares) / 480, rtol=2e-4)
