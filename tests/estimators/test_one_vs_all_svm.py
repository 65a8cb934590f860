"""`OneVsAllSVM` against scikit-learn's checks of estimators, its LinearSVC and SVC, and pipelines."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.svm import SVC, LinearSVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from convcorr_jax.errors import InputError
from convcorr_jax.estimators import OneVsAllSVM
from convcorr_jax.linear import svm

COSTS = [0.01, 0.1, 1.0]
# scikit-learn runs this check on its own LinearSVC with a tolerance of 1e-12.
TIGHT = OneVsAllSVM(tolerance=1e-14)
LOOSE = {
    "check_sample_weight_equivalence_on_dense_data": (
        "equal to 7 digits; with the default tolerance, decisions are accurate to about 2"
    )
}


@pytest.fixture(params=[2, 3], ids=["two", "three"])
def problem(request, rng):
    classes = request.param
    X = rng.normal(size=(60, 5))
    labels = (X @ rng.normal(size=(5, classes)) + rng.normal(size=(60, classes))).argmax(1)
    return X + 1, np.array(["cat", "dog", "owl"])[labels]


@parametrize_with_checks(
    [TIGHT, OneVsAllSVM()], expected_failed_checks=lambda estimator: {} if estimator is TIGHT else LOOSE
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_machines_are_those_of_linear_svc(problem):
    X, y = problem
    found = OneVsAllSVM(cost=0.1, bias_scale=1.0, tolerance=1e-12).fit(X, y)
    oracle = LinearSVC(C=0.1, tol=1e-10, max_iter=100_000).fit(X, y)
    np.testing.assert_allclose(found.coef_, oracle.coef_, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found.intercept_, oracle.intercept_, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(found.predict(X), oracle.predict(X))
    np.testing.assert_allclose(found.decision_function(X), oracle.decision_function(X), rtol=1e-3, atol=1e-5)


def test_hinge_with_a_free_bias_is_that_of_svc(problem):
    X, y = problem
    y = y == "cat"
    found = OneVsAllSVM(cost=0.5, loss="hinge", tolerance=1e-8).fit(X, y)
    oracle = SVC(kernel="linear", C=0.5, tol=1e-8).fit(X, y)
    np.testing.assert_allclose(found.coef_, oracle.coef_, atol=1e-3)
    np.testing.assert_allclose(found.intercept_, oracle.intercept_, atol=1e-3)


def test_machines_are_those_of_the_library(problem):
    X, y = problem
    X = X.astype(np.float32)
    found = OneVsAllSVM(tolerance=1e-5).fit(X, y)
    classes, labels = np.unique(y, return_inverse=True)
    positive = svm.one_vs_all(jnp.asarray(labels), classes=len(classes))
    expected = svm.fit(jnp.asarray(X), positive, cost=1.0, tolerance=1e-5)
    machines = slice(1, None) if len(classes) == 2 else slice(None)
    assert found.coef_.dtype == found.decision_function(X).dtype == np.float32
    # Both are within the tolerance of the optimum, which is flat.
    np.testing.assert_allclose(found.coef_, expected.weights[machines], atol=0.02)
    np.testing.assert_allclose(found.objective_, expected.objective[machines], rtol=1e-4)
    assert (found.duality_gap_ <= 1e-5 * found.objective_).all()
    assert (found.duality_gap_ >= 0).all()
    assert (found.n_iter_ >= 1).all()


def test_folds_select_the_cost_of_a_grid_search(problem):
    X, y = problem
    folds = StratifiedKFold(3)
    options = {"bias_scale": 1.0, "tolerance": 1e-8}
    found = OneVsAllSVM(cost=COSTS[::-1], cv=3, **options).fit(X, y)
    oracle = GridSearchCV(LinearSVC(tol=1e-8, max_iter=100_000), {"C": COSTS}, cv=folds).fit(X, y)
    assert found.costs_.tolist() == COSTS
    assert not [name for name, value in vars(found).items() if isinstance(value, jax.Array)]
    np.testing.assert_allclose(found.cv_accuracy_, oracle.cv_results_["mean_test_score"])
    assert found.cost_ == oracle.best_params_["C"]
    alone = OneVsAllSVM(cost=found.cost_, **options).fit(X, y)
    np.testing.assert_allclose(found.coef_, alone.coef_, atol=1e-3)
    assert alone.cv_accuracy_ is None


def test_weighted_samples_count_as_often_when_they_are_held_out(problem):
    X, y = problem
    weights = np.arange(len(X)) % 3
    times = OneVsAllSVM(cost=COSTS, cv=3).fit(X, y, sample_weight=weights).cv_accuracy_ * weights.sum()
    np.testing.assert_allclose(times, times.round(), atol=1e-9)


def test_problems_of_similar_sizes_share_a_program(problem):
    X, y = problem
    OneVsAllSVM().fit(X, y)
    before = svm.fitting._fit._cache_size()
    OneVsAllSVM().fit(X[1:, 1:], y[1:])
    assert svm.fitting._fit._cache_size() == before


def test_it_warns_if_the_gap_stays_above_the_tolerance(problem):
    X, y = problem
    with pytest.warns(ConvergenceWarning, match="duality gap is .* after 1 rounds"):
        OneVsAllSVM(cost=100.0, max_rounds=1).fit(X, y)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cost": 0.0}, "cost is 0.0"),
        ({"cost": []}, "cost is an empty sequence"),
        *(({"cost": bad}, "cost is") for bad in ([[1.0]], "a", ["a", 1.0], True, None)),
        *(({"bias_scale": bad}, "bias_scale is") for bad in ("a", True, [1.0])),
        *(({"tolerance": bad}, "tolerance is") for bad in ("a", None, True)),
        *(({"max_rounds": bad}, "max_rounds is") for bad in ("a", 1.5, True, None)),
        ({"tolerance": 0.0}, "tolerance is 0.0"),
        ({"cost": COSTS, "cv": [([0, 1], [2, 3])]}, "neither"),
    ],
)
def test_wrong_options_are_refused(problem, options, message):
    with pytest.raises(InputError, match=message):
        OneVsAllSVM(**options).fit(*problem)


def test_wrong_weights_are_refused(problem):
    X, y = problem
    for wrong in (-np.ones(len(X)), np.ones(3), np.zeros(len(X))):
        with pytest.raises(ValueError, match="sample_weight"):
            OneVsAllSVM().fit(X, y, sample_weight=wrong)


def test_a_fold_that_trains_on_no_sample_of_a_class_is_named(problem):
    X, y = problem
    order = np.argsort(y, kind="stable")
    absent = r"fold 0 trains on no \['cat'\], "
    # Folds in the order of the classes: each holds one class out.
    cv = [(np.flatnonzero(y[order] != name), np.flatnonzero(y[order] == name)) for name in np.unique(y)]
    with pytest.warns(UserWarning, match=absent):
        found = OneVsAllSVM(cost=COSTS, cv=cv).fit(X[order], y[order])
    assert found.cv_accuracy_.tolist() == [0, 0, 0]
