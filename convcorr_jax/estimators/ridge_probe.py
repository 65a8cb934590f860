"""Ridge regression of many targets as a scikit-learn estimator.

Also what estimators share: checks and precision of data, and folds from scikit-learn's splitters.
"""

from collections.abc import Iterable
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Int, Shaped
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted

# pyrefly's stubs of scikit-learn are older than this function.
from sklearn.utils.validation import validate_data as validate_data  # pyrefly: ignore[missing-module-attribute]

from convcorr_jax.errors import InputError
from convcorr_jax.linear import ridge

PRECISIONS = (np.float64, np.float32)
"""The precisions of features, as `sklearn.utils.check_array` takes them: others become the first of them."""


def check_number(value: Any, name: str, *, kinds: str = "iuf", most_axes: int = 0) -> None:
    """Refuse an option that is no number of these kinds, which are NumPy's letters; truth values have another.

    ``most_axes`` is 1 if a sequence of numbers is allowed, too.
    """
    try:
        array = np.asarray(value)
    except ValueError:  # sequences of several lengths
        array = np.array(None)
    if array.dtype.kind not in kinds or array.ndim > most_axes:
        expected = "a number" if "f" in kinds else "a whole number"
        sequence = " or a sequence of numbers" if most_axes else ""
        raise InputError(f"{name} is {value!r}; {expected}{sequence} is expected")


def folds_of(
    cv: Any, X: Shaped[np.ndarray, "n d"], y: Shaped[np.ndarray, "..."], *, classifier: bool
) -> tuple[Int[np.ndarray, " n"], int]:
    """Convert scikit-learn's ways to state folds to the fold that holds out each row, and their number.

    ``classifier`` says whether a number of folds means stratified ones. Folds that do not hold out every row
    exactly once, or that train on fewer rows than all others, are an `InputError`.
    """
    # Importing it takes as long as importing scikit-learn's base classes.
    from sklearn.model_selection import check_cv

    try:
        splitter = check_cv(cv, y, classifier=classifier)
    except ValueError as error:
        raise InputError(
            f"cv is {cv!r}; at least 2 folds, a splitter, or a list of pairs of row numbers is expected"
        ) from error
    splits: Iterable[tuple[np.ndarray, np.ndarray]] = splitter.split(X, y)
    numbers, times, k = np.zeros(len(X), np.int32), np.zeros(len(X), np.int32), 0
    for train, test in splits:
        if len(np.union1d(train, test)) < len(X):
            raise InputError(f"fold {k} of cv neither trains on nor holds out some of {len(X)} rows")
        numbers[test] = k
        times[test] += 1
        k += 1
    if (times != 1).any():
        raise InputError(
            f"cv holds out {(times == 0).sum()} of {len(X)} rows never and {(times > 1).sum()} more than "
            "once; folds that hold out each row once, such as those of KFold, are expected"
        )
    return numbers, k


def weights_of(sample_weight: Any, X: Shaped[np.ndarray, "n d"]) -> Float[np.ndarray, " n"] | None:
    """Return the samples' weights in the precision of the features, or None; refuse negative or all 0."""
    if sample_weight is None:
        return None
    weights = check_array(sample_weight, ensure_2d=False, input_name="sample_weight").astype(X.dtype)
    if weights.shape != X.shape[:1] or (weights < 0).any():
        raise InputError(
            f"sample_weight has shape {weights.shape} and a least value of {weights.min():.3g}; "
            f"{X.shape[:1]} and numbers of at least 0 are expected"
        )
    if not weights.any():
        raise InputError("all values of sample_weight are zero; one above 0 is expected")
    return weights


class RidgeProbe(MultiOutputMixin, RegressorMixin, BaseEstimator):
    """Ridge regression of one or many targets, with the penalty that cross-validation selects.

    It minimizes ``sum_i |y_i - W x_i - b|^2 + penalty * |W|^2`` in closed form with
    `convcorr_jax.linear.ridge`; the intercept b is not penalized. Leave-one-out errors follow from one
    decomposition, errors of k folds from each fold's statistics; neither fits the model to rows n or k times.
    Features in single precision are fitted in single precision, all others in double precision, which is slow
    on most accelerators. Features are centred but not scaled: put a ``StandardScaler`` before the probe if
    their units differ.

    >>> import numpy as np
    >>> X = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> probe = RidgeProbe(penalty=[0.1, 1.0, 10.0]).fit(X, 2 * X[:, 0] + 1)
    >>> probe.penalty_, probe.predict([[4.0]]).round(1)
    (0.1, array([8.9]))

    Args:
        penalty: the penalty; or a sequence of penalties to select from; or None to select from nineteen between
            1e-4 and 100 times the mean eigenvalue of the centred features' scatter.
        cv: None for leave-one-out; a number of folds; a splitter of scikit-learn; or a list of pairs of row
            numbers (train, test). The folds must hold out every row exactly once. Not used with one penalty.
        penalty_per_target: select a penalty for each target, not one for all.

    Attributes:
        coef_: W, ``[t, d]``, or ``[d]`` if y has one dimension.
        intercept_: b, ``[t]``, or one number if y has one dimension.
        penalty_: the penalty, or one for each target with ``penalty_per_target``.
        penalties_: the penalties to select from, ``[p]``; None with one penalty.
        cv_errors_: mean squared errors of held-out rows, ``[p, t]``, or ``[p]`` if y has one dimension; None
            with one penalty. If the least is at an end of the penalties, extend them.
        condition_: an upper bound of the condition number of the system that is solved, for each penalty of
            ``penalty_``.
    """

    # scikit-learn's rule: `fit` checks the options, which may be set to anything before.
    def __init__(self, *, penalty: Any = None, cv: Any = None, penalty_per_target: Any = False):
        self.penalty = penalty
        self.cv = cv
        self.penalty_per_target = penalty_per_target

    def fit(self, X: Any, y: Any) -> "RidgeProbe":
        """Fit the probe to features ``[n, d]`` and targets ``[n]`` or ``[n, t]``.

        Raises:
            ValueError: X or y is not a finite numeric array of at least two rows; all rows of X are equal; a
                penalty is not above 0, or too small for the precision; an option is of another type; or the
                folds do not hold out every row exactly once.
        """
        X, y = validate_data(
            self, X, y, dtype=PRECISIONS, ensure_min_samples=2, multi_output=True, y_numeric=True
        )
        targets = y.reshape(len(X), -1).astype(X.dtype)
        with jax.enable_x64(X.dtype == np.float64):
            fitted, curve = self._fitted(X, targets)
            weights, bias = np.asarray(fitted.weights).T, np.asarray(fitted.bias)
            penalty, condition = np.asarray(fitted.penalty), np.asarray(fitted.condition)
        one = y.ndim == 1
        self.coef_ = weights[0] if one else weights
        self.intercept_ = bias[0] if one else bias
        self.penalty_ = float(penalty.squeeze()) if one or not penalty.ndim else penalty
        self.condition_ = float(condition.squeeze()) if one or not condition.ndim else condition
        self.penalties_ = self.cv_errors_ = None
        if curve is not None:
            self.penalties_ = curve.penalties
            self.cv_errors_ = curve.errors[:, 0] if one else curve.errors
        return self

    def _fitted(self, X, targets) -> tuple[ridge.Ridge, ridge.PenaltyCurve | None]:
        """Fit ridge regressions, and return the curve of the penalties unless there is only one."""
        if not isinstance(self.penalty_per_target, bool | np.bool_):
            raise InputError(f"penalty_per_target is {self.penalty_per_target!r}; True or False is expected")
        if self.penalty is not None:
            check_number(self.penalty, "penalty", most_axes=1)
            if np.ndim(self.penalty) == 0:
                return ridge.fit(X, targets, penalty=self.penalty), None
        path = ridge.penalty_grid(X) if self.penalty is None else np.asarray(self.penalty)
        folds, k = (None, None) if self.cv is None else folds_of(self.cv, X, targets, classifier=False)
        fitted, curve = ridge.fit_best(X, targets, folds=folds, k=k, penalties=path)
        if self.penalty_per_target:
            fitted = ridge.fit(X, targets, penalty=curve.best_of_each())
        return fitted, curve

    def predict(self, X: Any) -> Float[np.ndarray, "..."]:
        """Predict the targets of rows of features: ``[m, t]``, or ``[m]`` after a y of one dimension."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=PRECISIONS, reset=False)
        return X @ self.coef_.T + self.intercept_
