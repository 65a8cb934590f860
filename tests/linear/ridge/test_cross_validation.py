"""Held-out errors against ridge regressions fitted without the rows, and scikit-learn's RidgeCV."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.linear_model import Ridge as ScikitRidge
from sklearn.linear_model import RidgeCV

from convcorr_jax.errors import InputError
from convcorr_jax.linear import ridge
from convcorr_jax.linear.ridge import cross_validation, statistics
from tests.builders.regression import draw

PENALTIES = np.array([0.05, 1.0, 20.0, 400.0])
SHAPES = [(61, 7), (24, 50), (30, 29), (30, 31)]


def held_out(features, targets, folds):
    """The mean squared errors of held-out rows, by ridge regressions in double precision without these rows."""
    x, y = features.astype(np.float64), targets.astype(np.float64)
    errors = np.zeros((len(PENALTIES), y.shape[1]))
    for row, one in enumerate(PENALTIES):
        for fold in np.unique(folds):
            out = folds == fold
            fitted = ScikitRidge(alpha=one).fit(x[~out], y[~out])
            errors[row] += ((fitted.predict(x[out]) - y[out]) ** 2).sum(0) / len(x)
    return errors


@pytest.mark.parametrize(("n", "d"), SHAPES)
def test_k_folds_of_unequal_sizes(rng, n, d):
    features, targets = draw(rng, n, d)
    folds = np.r_[np.zeros(3, int), rng.integers(0, 4, n - 4), 3]
    curve = ridge.cross_validate(features, targets, penalties=PENALTIES, folds=folds, k=4)
    np.testing.assert_allclose(curve.errors, held_out(features, targets, folds), rtol=2e-3)


@pytest.mark.parametrize(("n", "d"), SHAPES)
def test_predictions_of_held_out_rows(rng, n, d):
    features, targets = draw(rng, n, d)
    folds = np.r_[np.zeros(3, int), rng.integers(0, 4, n - 4), 3]
    found = ridge.cross_predict(features, targets, penalty=2.0, folds=folds, k=4)
    for fold in range(4):
        out = folds == fold
        fitted = ScikitRidge(alpha=2.0).fit(features[~out].astype(float), targets[~out].astype(float))
        expected = fitted.predict(features[out].astype(float))
        np.testing.assert_allclose(found[out], expected, rtol=1e-3, atol=2e-3)


@pytest.mark.parametrize(("n", "d"), SHAPES)
def test_predictions_with_a_penalty_for_each_target(rng, n, d):
    features, targets = draw(rng, n, d)
    folds, each = np.arange(n) % 4, np.array([2.0, 30.0, 2.0])
    found = ridge.cross_predict(features, targets, penalty=each, folds=folds, k=4)
    for column, one in enumerate(each):
        alone = ridge.cross_predict(features, targets[:, [column]], penalty=float(one), folds=folds, k=4)
        np.testing.assert_allclose(found[:, [column]], alone, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("n", "d"), SHAPES)
def test_leave_one_out(rng, n, d):
    features, targets = draw(rng, n, d)
    curve = ridge.leave_one_out(features, targets, penalties=PENALTIES)
    np.testing.assert_allclose(curve.errors, held_out(features, targets, np.arange(n)), rtol=2e-3)


def test_leave_one_out_in_blocks_of_rows(rng, monkeypatch):
    features, targets = draw(rng, 61, 7)
    whole = ridge.leave_one_out(features, targets, penalties=PENALTIES)
    monkeypatch.setattr(cross_validation, "_ROWS_AT_ONCE", 16)
    blocks = ridge.leave_one_out(features, targets, penalties=PENALTIES)
    np.testing.assert_allclose(blocks.errors, whole.errors, rtol=1e-5)


@pytest.mark.parametrize(("n", "d"), SHAPES)
def test_scikit_learn_chooses_the_same_penalties(rng, n, d):
    features, targets = draw(rng, n, d)
    curve = ridge.leave_one_out(features, targets, penalties=PENALTIES)
    peer = RidgeCV(alphas=PENALTIES, alpha_per_target=True).fit(features, targets)
    np.testing.assert_array_equal(curve.best_of_each(), peer.alpha_)
    shared = RidgeCV(alphas=PENALTIES).fit(features, targets)
    assert curve.best() == shared.alpha_


def test_folds_from_their_statistics_are_folds_of_their_rows(rng):
    features, targets = draw(rng, 60, 7)
    folds = np.arange(60) % 3
    parts = [statistics(jnp.asarray(features[folds == j]), jnp.asarray(targets[folds == j])) for j in range(3)]
    curve = ridge.cross_validate_statistics(parts, penalties=PENALTIES)
    np.testing.assert_allclose(curve.errors, held_out(features, targets, folds), rtol=2e-3)


def test_rows_that_repeat_in_the_dual(rng):
    """The kernel then has a null space beside the vector of ones."""
    features, targets = draw(rng, 12, 50)
    features, targets = np.repeat(features, 2, axis=0), np.repeat(targets, 2, axis=0)
    folds = np.arange(24) // 2 % 4
    curve = ridge.cross_validate(features, targets, penalties=PENALTIES, folds=folds, k=4)
    np.testing.assert_allclose(curve.errors, held_out(features, targets, folds), rtol=2e-3)


@pytest.mark.parametrize(("n", "d"), [(40, 6), (12, 40)])
def test_double_precision_at_a_penalty_beyond_single(rng, n, d):
    with jax.enable_x64(True):
        features, targets = (array.astype(np.float64) for array in draw(rng, n, d))
        folds = np.arange(n) % 4
        found = [
            ridge.cross_validate(features, targets, penalties=np.array([1e-9]), folds=folds, k=4),
            ridge.leave_one_out(features, targets, penalties=np.array([1e-9])),
        ]
        for curve, apart in zip(found, (folds, np.arange(n)), strict=True):
            error = np.zeros(targets.shape[1])
            for fold in np.unique(apart):
                out = apart == fold
                fitted = ScikitRidge(alpha=1e-9, solver="svd").fit(features[~out], targets[~out])
                error += ((fitted.predict(features[out]) - targets[out]) ** 2).sum(0) / n
            np.testing.assert_allclose(curve.errors[0], error, rtol=1e-4)


@pytest.mark.parametrize(("n", "d"), [(40, 60), (60, 12)])
@pytest.mark.parametrize("k", [4, None])
def test_the_best_penalty_is_fitted_to_all_rows(rng, n, d, k):
    features, targets = draw(rng, n, d)
    folds = np.arange(n) % 4 if k else None
    found, curve = ridge.fit_best(features, targets, folds=folds, k=k)
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


@pytest.mark.parametrize(("n", "d"), [(12, 4), (12, 40)])
@pytest.mark.parametrize(
    ("folds", "k", "sentence"),
    [
        (np.arange(12) % 3, None, "folds are passed and k is None; both or neither"),
        (None, 3, "folds are absent and k is 3; both or neither"),
    ],
)
def test_folds_and_their_number_come_together(rng, n, d, folds, k, sentence):
    features, targets = draw(rng, n, d)
    with pytest.raises(InputError, match=sentence):
        ridge.fit_best(features, targets, folds=folds, k=k)


def test_the_grid_follows_the_scale_of_the_features(rng):
    features, _ = draw(rng, 40, 6)
    grid = ridge.penalty_grid(features)
    values = np.linalg.eigvalsh(np.cov(features.T, bias=True) * 40)
    np.testing.assert_allclose(grid[[0, -1]], values.mean() * np.array([1e-4, 100]), rtol=1e-4)
    np.testing.assert_allclose(ridge.penalty_grid(10 * features), 100 * grid, rtol=1e-4)


@pytest.mark.parametrize(("n", "d"), [(12, 4), (12, 40)])
@pytest.mark.parametrize(
    ("folds", "k", "sentence"),
    [
        (np.zeros(11, int), 2, "one for each of 12 rows"),
        (np.arange(12) % 3, 2, "numbers other than 0 to 1"),
        (np.arange(12) % 2, 3, "each must hold one"),
        (np.r_[0, np.ones(11, int)], 2, "leave two"),
        (np.zeros(12, int), 1, "k is at least 2"),
    ],
)
def test_bad_folds_are_refused(rng, n, d, folds, k, sentence):
    features, targets = draw(rng, n, d)
    with pytest.raises(InputError, match=sentence):
        ridge.cross_validate(features, targets, penalties=PENALTIES, folds=folds, k=k)


@pytest.mark.parametrize("penalties", [np.array([]), np.array([1.0, -1.0])])
def test_bad_paths_are_refused(rng, penalties):
    features, targets = draw(rng, 12, 4)
    for validate in (
        lambda: ridge.leave_one_out(features, targets, penalties=penalties),
        lambda: ridge.cross_validate(features, targets, penalties=penalties, folds=np.arange(12) % 2, k=2),
    ):
        with pytest.raises(InputError, match="penalt"):
            validate()


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
        for penalty, found, bound in zip(PENALTIES / 100, *curve[1:], strict=True):
            squares, worst = np.zeros(2), 1.0
            for fold in np.unique(folds):
                rest = folds != fold
                fitted = ScikitRidge(alpha=penalty).fit(x[rest].astype(float), y[rest])
                squares += ((fitted.predict(x[~rest].astype(float)) - y[~rest]) ** 2).sum(0)
                centred = x[rest].astype(float) - x[rest].mean(0, dtype=float)
                matrix = centred.T @ centred if n >= d else centred @ centred.T
                worst = max(worst, np.linalg.cond(matrix + penalty * np.eye(len(matrix))))
            assert worst <= bound * 1.00001
            allowed = 30 * np.finfo(np.float32).eps * bound * (1 + squares.max())
            np.testing.assert_allclose(found, squares / n, rtol=0, atol=allowed)


def test_rows_that_alone_determine_their_values_are_refused():
    """Without the only row of a feature, its prediction is lost in the rounding of 1 less its leverage."""
    features = np.eye(3, dtype=np.float32)[[0, 1, 1, 1]] * 100
    targets = np.arange(4, dtype=np.float32)[:, None]
    with pytest.raises(InputError, match="larger penalties or double precision are needed"):
        ridge.leave_one_out(features, targets, penalties=np.array([1e-7]))


def test_nan_is_never_the_least_error_and_the_first_of_equals_is():
    errors = np.array([[np.nan, 3.0], [2.0, 2.0], [1.0, 3.0], [3.0, np.nan]])
    curve = ridge.PenaltyCurve(np.array([1.0, 2.0, 4.0, 8.0]), errors, np.ones(4))
    assert curve.best() == 2
    assert curve.best_of_each().tolist() == [4, 2]
    for hopeless in (np.full(2, np.nan), np.zeros(0)):
        with pytest.raises(InputError, match="none can be chosen"):
            ridge.argmin_error(hopeless)
