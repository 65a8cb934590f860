"""Held-out errors against ridge regressions fitted without the rows, and scikit-learn's RidgeCV."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.linear_model import RidgeCV

from convcorr_jax.errors import InputError
from convcorr_jax.linear import ridge
from convcorr_jax.linear.ridge import cross_validation, statistics
from tests.builders.regression import draw, held_out_errors, predict_held_out

PENALTIES = np.array([0.05, 1.0, 20.0, 400.0])
SHAPES = [(61, 7), (24, 50), (30, 29), (30, 31)]


@pytest.mark.parametrize(("n", "d"), SHAPES)
def test_folds_of_unequal_sizes(rng, n, d):
    features, targets = draw(rng, n, d)
    folds = np.r_[np.zeros(3, int), rng.integers(0, 4, n - 4), 3]
    curve = ridge.cross_validate(features, targets, penalties=PENALTIES, folds=folds, k=4)
    np.testing.assert_allclose(curve.errors, held_out_errors(features, targets, folds, PENALTIES), rtol=2e-3)
    found = ridge.cross_predict(features, targets, penalty=2.0, folds=folds, k=4)
    np.testing.assert_allclose(found, predict_held_out(features, targets, folds, 2.0), rtol=1e-3, atol=2e-3)


@pytest.mark.parametrize(("n", "d"), SHAPES)
def test_predictions_with_a_penalty_for_each_target(rng, n, d):
    features, targets = draw(rng, n, d)
    folds, each = np.arange(n) % 4, np.array([2.0, 30.0, 2.0])
    found = ridge.cross_predict(features, targets, penalty=each, folds=folds, k=4)
    for column, one in enumerate(each):
        alone = ridge.cross_predict(features, targets[:, [column]], penalty=float(one), folds=folds, k=4)
        np.testing.assert_allclose(found[:, [column]], alone, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("n", "d"), SHAPES)
def test_leave_one_out_in_blocks_of_rows_chooses_what_scikit_learn_does(rng, monkeypatch, n, d):
    features, targets = draw(rng, n, d)
    curve = ridge.leave_one_out(features, targets, penalties=PENALTIES)
    np.testing.assert_allclose(
        curve.errors, held_out_errors(features, targets, np.arange(n), PENALTIES), rtol=2e-3
    )
    monkeypatch.setattr(cross_validation, "_ROWS_AT_ONCE", 16)
    blocks = ridge.leave_one_out(features, targets, penalties=PENALTIES)
    np.testing.assert_allclose(blocks.errors, curve.errors, rtol=1e-5)
    peer = RidgeCV(alphas=PENALTIES, alpha_per_target=True).fit(features, targets)
    np.testing.assert_array_equal(curve.best_of_each(), peer.alpha_)
    assert curve.best() == RidgeCV(alphas=PENALTIES).fit(features, targets).alpha_


def test_folds_from_their_statistics_are_folds_of_their_rows(rng):
    features, targets = draw(rng, 60, 7)
    folds = np.arange(60) % 3
    parts = [statistics(jnp.asarray(features[folds == j]), jnp.asarray(targets[folds == j])) for j in range(3)]
    curve = ridge.cross_validate_statistics(parts, penalties=PENALTIES)
    np.testing.assert_allclose(curve.errors, held_out_errors(features, targets, folds, PENALTIES), rtol=2e-3)


def test_rows_that_repeat_in_the_dual(rng):
    """The kernel then has a null space beside the vector of ones."""
    features, targets = draw(rng, 12, 50)
    features, targets = np.repeat(features, 2, axis=0), np.repeat(targets, 2, axis=0)
    folds = np.arange(24) // 2 % 4
    curve = ridge.cross_validate(features, targets, penalties=PENALTIES, folds=folds, k=4)
    np.testing.assert_allclose(curve.errors, held_out_errors(features, targets, folds, PENALTIES), rtol=2e-3)


@pytest.mark.parametrize(("n", "d"), [(40, 6), (12, 40)])
def test_double_precision_at_a_penalty_beyond_single(rng, n, d):
    with jax.enable_x64(True):
        features, targets = (array.astype(np.float64) for array in draw(rng, n, d))
        folds, tiny = np.arange(n) % 4, np.array([1e-9])
        in_folds = ridge.cross_validate(features, targets, penalties=tiny, folds=folds, k=4)
        one_out = ridge.leave_one_out(features, targets, penalties=tiny)
    for curve, apart in ((in_folds, folds), (one_out, np.arange(n))):
        expected = held_out_errors(features, targets, apart, tiny, solver="svd")
        np.testing.assert_allclose(curve.errors, expected, rtol=1e-4)


@pytest.mark.parametrize(("n", "d"), [(40, 60), (60, 12)])
@pytest.mark.parametrize("k", [4, None])
def test_the_best_penalty_is_fitted_to_all_rows(rng, n, d, k):
    features, targets = draw(rng, n, d)
    found, curve = ridge.fit_best(features, targets, folds=np.arange(n) % 4 if k else None, k=k)
    path = ridge.penalty_grid(features)
    if k:
        alone = ridge.cross_validate(features, targets, penalties=path, folds=np.arange(n) % 4, k=k)
    else:
        alone = ridge.leave_one_out(features, targets, penalties=path)
    np.testing.assert_allclose(curve.errors, alone.errors, rtol=1e-5)
    assert float(found.penalty) == pytest.approx(curve.best())
    assert curve.errors.sum(1).min() == curve.errors.sum(1)[curve.penalties == curve.best()][0]
    expected = ridge.fit(features, targets, penalty=curve.best())
    np.testing.assert_allclose(found.weights, expected.weights, rtol=1e-3, atol=1e-4)


def test_the_grid_follows_the_scale_of_the_features(rng):
    features, _ = draw(rng, 40, 6)
    grid = ridge.penalty_grid(features)
    values = np.linalg.eigvalsh(np.cov(features.T, bias=True) * 40)
    np.testing.assert_allclose(grid[[0, -1]], values.mean() * np.array([1e-4, 100]), rtol=1e-4)
    np.testing.assert_allclose(ridge.penalty_grid(10 * features), 100 * grid, rtol=1e-4)


@pytest.mark.parametrize(("n", "d", "k"), [(6, 3, 2), (4, 6, 2), (6, 3, None), (4, 6, None)])
def test_the_condition_bounds_every_system_and_the_rounding_of_errors(rng, n, d, k):
    """Rows are repeated and collinear, and single rows hold all of a feature."""
    for draw_number in range(40):
        x = rng.integers(-2, 3, (n, d)).astype(np.float32)
        if draw_number % 2:
            x = np.eye(d, dtype=np.float32)[rng.integers(0, d, n)]
        y = rng.integers(-2, 3, (n, 2)).astype(np.float32)
        folds = np.arange(n) % (k or n)
        try:
            if k:
                curve = ridge.cross_validate(x, y, penalties=PENALTIES / 100, folds=folds, k=k)
            else:
                curve = ridge.leave_one_out(x, y, penalties=PENALTIES / 100)
        except InputError:
            assert any(np.ptp(x[folds != fold], axis=0).max() == 0 for fold in folds)
            continue
        expected = held_out_errors(x, y, folds, PENALTIES / 100)
        for penalty, errors, found, bound in zip(PENALTIES / 100, expected, *curve[1:], strict=True):
            for fold in np.unique(folds):
                rest = x[folds != fold].astype(float)
                rest -= rest.mean(0)
                matrix = rest.T @ rest if n >= d else rest @ rest.T
                assert np.linalg.cond(matrix + penalty * np.eye(len(matrix))) <= bound * 1.00001
            allowed = 30 * np.finfo(np.float32).eps * bound * (1 + n * errors.max())
            np.testing.assert_allclose(found, errors, rtol=0, atol=allowed)


def test_nan_is_never_the_least_error_and_the_first_of_equals_is():
    errors = np.array([[np.nan, 3.0], [2.0, 2.0], [1.0, 3.0], [3.0, np.nan]])
    curve = ridge.PenaltyCurve(np.array([1.0, 2.0, 4.0, 8.0]), errors, np.ones(4))
    assert curve.best() == 2
    assert curve.best_of_each().tolist() == [4, 2]


@pytest.mark.parametrize(("n", "d"), [(40, 90), (90, 20)])
def test_it_agrees_with_separate_steps(rng, n, d):
    features, targets = draw(rng, n, d)
    folds = np.arange(n) % 3
    found = ridge.fit_held_out(features, targets, folds=folds, k=3)
    expected, curve = ridge.fit_best(features, targets, folds=folds, k=3)
    predicted = ridge.cross_predict(features, targets, penalty=float(expected.penalty), folds=folds, k=3)
    assert found.curve.best() == pytest.approx(curve.best(), rel=1e-5)
    tried = np.isin(curve.penalties, found.curve.penalties)
    assert tried.sum() == len(found.curve.penalties) >= 7
    np.testing.assert_allclose(found.curve.errors, curve.errors[tried], rtol=1e-3)
    np.testing.assert_allclose(found.predicted, predicted, atol=2e-3)
    for name in ("weights", "bias", "residual", "penalty"):
        here, there = (np.asarray(getattr(one, name)) for one in (found.ridge, expected))
        np.testing.assert_allclose(here, there, rtol=2e-3, atol=2e-3)


def test_a_row_is_predicted_without_its_fold(rng):
    features, targets = draw(rng, 30, 60)
    folds = np.arange(30) % 2
    before = ridge.fit_held_out(features, targets, folds=folds, k=2)
    changed = targets.copy()
    changed[folds == 0] += rng.normal(0, 1e-3, (15, 3)).astype(np.float32)
    after = ridge.fit_held_out(features, changed, folds=folds, k=2)
    assert after.curve.best() == before.curve.best()
    np.testing.assert_array_equal(after.predicted[folds == 0], before.predicted[folds == 0])
    assert not np.array_equal(after.predicted[folds == 1], before.predicted[folds == 1])


def test_a_penalty_too_small_for_the_precision_is_refused(rng, monkeypatch):
    features, targets = (np.repeat(one, 2, axis=0)[:50] for one in draw(rng, 30, 60))
    monkeypatch.setattr(ridge.held_out, "penalty_grid", lambda x: np.array([1e-80, 1e-79]))
    with pytest.raises(InputError, match="is too small for float64"):
        ridge.fit_held_out(features, targets, folds=np.arange(50) % 2, k=2)
