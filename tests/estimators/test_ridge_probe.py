"""`RidgeProbe` against scikit-learn's checks of estimators, its Ridge and RidgeCV, and pipelines."""

import jax
import numpy as np
import pytest
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, ShuffleSplit
from sklearn.utils.estimator_checks import parametrize_with_checks

from convcorr_jax.errors import InputError
from convcorr_jax.estimators import RidgeProbe
from convcorr_jax.linear import ridge

PENALTIES = [0.1, 1.0, 10.0, 100.0]


@pytest.fixture(params=[(30, 6), (20, 40)], ids=["rows", "features"])
def problem(request, rng):
    n, d = request.param
    X = rng.normal(size=(n, d)) + 3
    return X, X[:, :3] @ rng.normal(size=(3, 2)) + rng.normal(size=(n, 2))


@parametrize_with_checks([RidgeProbe(), RidgeProbe(cv=3)])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_leave_one_out_is_that_of_ridge_cv(problem):
    X, Y = problem
    probe = RidgeProbe(penalty=PENALTIES).fit(X, Y)
    oracle = RidgeCV(alphas=PENALTIES, store_cv_results=True).fit(X, Y)
    np.testing.assert_allclose(probe.cv_errors_, np.moveaxis(oracle.cv_results_.mean(0), -1, 0), rtol=1e-9)
    assert probe.penalty_ == oracle.alpha_
    assert not [name for name, value in vars(probe).items() if isinstance(value, jax.Array)]
    np.testing.assert_allclose(probe.coef_, oracle.coef_, rtol=1e-9)
    np.testing.assert_allclose(probe.intercept_, oracle.intercept_, rtol=1e-9)
    np.testing.assert_allclose(probe.predict(X), oracle.predict(X), rtol=1e-9)


def test_folds_are_those_of_a_grid_search(problem):
    X, Y = problem
    folds = KFold(5, shuffle=True, random_state=0)
    probe = RidgeProbe(penalty=PENALTIES, cv=folds).fit(X, Y)
    oracle = GridSearchCV(Ridge(), {"alpha": PENALTIES}, cv=folds, scoring="neg_mean_squared_error").fit(X, Y)
    # Folds of one size: the mean of their errors is the error of all rows.
    np.testing.assert_allclose(probe.cv_errors_.mean(1), -oracle.cv_results_["mean_test_score"], rtol=1e-4)
    assert probe.penalty_ == oracle.best_params_["alpha"]
    np.testing.assert_allclose(probe.coef_, oracle.best_estimator_.coef_, rtol=1e-9)


def test_each_target_selects_its_penalty(rng):
    X = rng.normal(size=(40, 20))
    Y = np.stack([X @ rng.normal(size=20), rng.normal(size=40)], axis=1)
    probe = RidgeProbe(penalty=PENALTIES, penalty_per_target=True).fit(X, Y)
    assert probe.penalty_.tolist() == [0.1, 100.0]
    for column, penalty in enumerate(probe.penalty_):
        alone = Ridge(alpha=penalty).fit(X, Y[:, column])
        np.testing.assert_allclose(probe.coef_[column], alone.coef_, rtol=1e-7)
    shared = RidgeProbe(penalty=PENALTIES).fit(X, Y)
    assert shared.penalty_ in PENALTIES
    assert shared.condition_ >= 1


def test_default_penalties_are_those_of_the_library(problem):
    X, Y = problem
    X = X.astype(np.float32)
    probe = RidgeProbe().fit(X, Y)
    fitted, curve = ridge.fit_best(X, Y.astype(np.float32))
    np.testing.assert_array_equal(probe.penalties_, curve.penalties)
    np.testing.assert_array_equal(probe.cv_errors_, curve.errors)
    np.testing.assert_array_equal(probe.coef_, np.asarray(fitted.weights).T)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_precision_is_that_of_the_features(problem, dtype):
    X, Y = problem
    X = X.astype(dtype)
    probe = RidgeProbe(penalty=1.0).fit(X, Y)
    assert probe.coef_.dtype == probe.intercept_.dtype == probe.predict(X).dtype == dtype
    oracle = Ridge(alpha=1.0).fit(X.astype(np.float64), Y)
    tolerance = 1e-9 if dtype == np.float64 else 1e-3
    np.testing.assert_allclose(probe.predict(X), oracle.predict(X), rtol=tolerance, atol=tolerance)


def test_shapes_follow_the_targets_and_a_second_fit_forgets_the_first(problem):
    X, Y = problem
    one = RidgeProbe(penalty=PENALTIES, penalty_per_target=True).fit(X, Y[:, 0])
    assert one.coef_.shape == (X.shape[1],)
    assert np.ndim(one.intercept_) == np.ndim(one.penalty_) == np.ndim(one.condition_) == 0
    assert one.cv_errors_.shape == (4,)
    assert one.predict(X[:3]).shape == (3,)
    column = RidgeProbe(penalty=1.0).fit(X, Y[:, :1])
    assert column.coef_.shape == (1, X.shape[1])
    assert column.predict(X[:3]).shape == (3, 1)
    assert column.cv_errors_ is None
    probe = RidgeProbe(penalty=PENALTIES).fit(X, Y)
    probe.set_params(penalty=1.0).fit(X, Y)
    assert (probe.cv_errors_, probe.penalties_) == (None, None)


def test_groups_stay_together(problem):
    X, Y = problem
    splits = list(GroupKFold(4).split(X, Y, np.arange(len(X)) // 2))
    probe = RidgeProbe(penalty=PENALTIES, cv=splits).fit(X, Y)
    folds = np.zeros(len(X), np.int32)
    for number, (_, test) in enumerate(splits):
        folds[test] = number
    X, Y = X.astype(np.float32), Y.astype(np.float32)
    curve = ridge.cross_validate(X, Y, penalties=np.array(PENALTIES), folds=folds, k=4)
    np.testing.assert_allclose(probe.cv_errors_, curve.errors, rtol=1e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"penalty": 0.0}, "above 0"),
        ({"penalty": [1.0, -1.0]}, "above 0"),
        ({"penalty": []}, "no penalties"),
        *(({"penalty": bad}, "penalty is") for bad in ([[1.0]], "a", ["a"], True, 1j, [[1], [1, 2]])),
        *(({"cv": bad}, "cv is") for bad in (1, 1.5, "3", True)),
        *(({"penalty_per_target": bad}, "True or False") for bad in ("no", 1, None)),
        ({"cv": ShuffleSplit(3, random_state=0)}, "more than once"),
        ({"cv": [([0, 1, 2], [3, 4, 5])]}, "neither"),
    ],
)
def test_wrong_options_are_refused(problem, options, message):
    with pytest.raises(InputError, match=message):
        RidgeProbe(**options).fit(*problem)


def test_equal_rows_are_refused(problem):
    X, Y = problem
    with pytest.raises(ValueError, match="all rows of the features are equal"):
        RidgeProbe().fit(np.ones_like(X), Y)
