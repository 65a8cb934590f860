"""Sums of folds: what scikit-learn fits to the same rows, whatever the blocks; memory that does not grow."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge as Reference

from convcorr_jax.errors import InputError
from convcorr_jax.linear import ridge
from convcorr_jax.linear.ridge import empty_fold_sums, fold_sums
from tests.builders.regression import held_out_errors

D, T, K = 24, 5, 4


@pytest.fixture(params=[20, 24, 150])
def rows(request, rng):
    """Fewer rows than features, as many, and more; means far from zero; folds of different sizes."""
    n = request.param
    features = rng.normal(size=(n, D)) * rng.uniform(0.3, 2, D) + 5
    targets = features @ rng.normal(size=(D, T)) + rng.normal(0, 2, (n, T))
    folds = rng.permutation(np.r_[0, 0, 1, 1, 2, 2, 3, 3, rng.integers(0, K, n - 8)])
    return features.astype(np.float32), targets.astype(np.float32), folds


def summed(rows, size):
    sums = empty_fold_sums(D, T, k=K)
    for start in range(0, len(rows[0]), size):
        sums = sums.add(*(values[start : start + size] for values in rows))
    return sums


@pytest.mark.parametrize("size", [7, 1000])
def test_fits_and_errors_are_those_of_scikit_learn(rows, size):
    features, targets, folds = (values.astype(np.float64) for values in rows)
    sums = summed(rows, size)
    assert sums.count == len(folds)
    penalties = sums.penalty_grid()[4:]
    np.testing.assert_allclose(penalties, ridge.penalty_grid(rows[0])[4:], rtol=1e-5)
    curve = sums.cross_validate(penalties)
    expected = held_out_errors(features, targets, folds, penalties)
    np.testing.assert_allclose(curve.errors, expected, rtol=5e-3)
    for penalty in (3.0, np.array([1.0, 30.0, 1.0, 300.0, 30.0])):
        whole = Reference(alpha=penalty).fit(features, targets)
        rest = Reference(alpha=penalty).fit(features[folds != 2], targets[folds != 2])
        for found, reference in ((sums.solve(penalty), whole), (sums.without(2, penalty), rest)):
            np.testing.assert_allclose(found.weights, reference.coef_.T, atol=1e-3)
            np.testing.assert_allclose(found.predict(rows[0]), reference.predict(features), atol=2e-3)
            np.testing.assert_allclose(found.penalty, penalty)
    np.testing.assert_allclose(sums.target_mean(), targets.mean(axis=0), rtol=1e-5)


def test_memory_is_bounded_by_the_statistics(rng):
    rows = rng.normal(size=(600, D)), rng.normal(size=(600, T)), np.arange(600) % K
    sums, most = empty_fold_sums(D, T, k=K), 0
    for start in range(0, 600, 50):
        sums = sums.add(*(values[start : start + 50] for values in rows))
        most = max(most, sum(values.size for values in sums.arrays().values()))
    assert most == K * (1 + D + T + D * D + D * T + T)


def test_restored_sums_continue_bit_for_bit(rows):
    expected = summed(rows, 6).arrays()
    for stop in range(0, len(rows[0]), 12):
        sums = empty_fold_sums(D, T, k=K).restored(summed([values[:stop] for values in rows], 6).arrays())
        for start in range(stop, len(rows[0]), 6):
            sums = sums.add(*(values[start : start + 6] for values in rows))
        found = sums.arrays()
        assert found.keys() == expected.keys()
        for name, values in expected.items():
            assert values.tobytes() == found[name].tobytes()
            assert values.dtype == found[name].dtype


def test_some_targets_are_fitted_as_among_all(rows):
    sums = summed(rows, 50)
    some = sums.select(np.array([3, 1]))
    assert some.targets == 2
    np.testing.assert_allclose(some.solve(2.0).weights, sums.solve(2.0).weights[:, [3, 1]], atol=1e-4)
    np.testing.assert_allclose(some.target_mean(), sums.target_mean()[[3, 1]], rtol=1e-5)


def test_empty_folds_and_missing_numbers_are_refused(rows):
    features, targets, folds = rows
    one_fold = fold_sums(features, targets, folds=0 * folds, k=K)
    with pytest.raises(InputError, match=r"the 4 folds hold \[\d+, 0, 0, 0\]"):
        one_fold.cross_validate(np.ones(1))
    features[0] = np.nan
    with pytest.raises(InputError, match="NaN"):
        fold_sums(features, targets, folds=folds, k=K).solve(1.0)


def test_rows_outside_a_fold_that_are_equal_are_refused():
    """The scatter of what is left of a fold would else be the rounding of the fold's own."""
    features = np.array([[0.1, 3.0], [7.0, 1.0], *[[0.3, 0.7]] * 4], np.float32)
    sums = fold_sums(features, features[:, :1], folds=np.array([0, 0, 1, 1, 1, 1]), k=2)
    for call in (lambda: sums.without(0, 1e-9), lambda: sums.cross_validate(np.array([1e-9]))):
        with pytest.raises(InputError, match="all rows of the features are equal"):
            call()
