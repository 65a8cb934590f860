"""Ridge regression of many targets as a scikit-learn estimator."""

from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from convcorr_jax.errors import InputError
from convcorr_jax.estimators.fitting import (
    PRECISIONS,
    check_number,
    folds_of,
    precision_of,
    validate_data,
)
from convcorr_jax.linear import ridge


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
        n_features_in_: d.
        feature_names_in_: names of the features, if X has names that are strings.
    """

    # scikit-learn's rule: `fit` checks the options, which may be set to anything before.
    def __init__(self, *, penalty: Any = None, cv: Any = None, penalty_per_target: Any = False):
        self.penalty = penalty
        self.cv = cv
        self.penalty_per_target = penalty_per_target

    def fit(self, X: Any, y: Any) -> "RidgeProbe":
        """Fit the probe.

        Args:
            X: features, ``[n, d]``.
            y: targets, ``[n]`` or ``[n, t]``.

        Raises:
            ValueError: X or y is not a finite numeric array of at least two rows; all rows of X are equal; a
                penalty is not above 0, or too small for the precision; an option is of another type; or the
                folds do not hold out every row exactly once.
        """
        X, y = validate_data(
            self,
            X,
            y,
            dtype=PRECISIONS,
            ensure_min_samples=2,
            multi_output=True,
            y_numeric=True,
        )
        targets = y.reshape(len(X), -1).astype(X.dtype)
        with precision_of(X):
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
            raise InputError(
                f"penalty_per_target is {self.penalty_per_target!r}; True or False is expected"
            )
        if self.penalty is not None:
            check_number(self.penalty, "penalty", most_axes=1)
            if np.ndim(self.penalty) == 0:
                return ridge.fit(X, targets, penalty=self.penalty), None
        path = ridge.penalty_grid(X) if self.penalty is None else np.asarray(self.penalty)
        folds, k = (
            (None, None) if self.cv is None else folds_of(self.cv, X, targets, classifier=False)
        )
        fitted, curve = ridge.fit_best(X, targets, folds=folds, k=k, penalties=path)
        if self.penalty_per_target:
            fitted = ridge.fit(X, targets, penalty=curve.best_of_each())
        return fitted, curve

    def predict(self, X: Any) -> Float[np.ndarray, "..."]:
        """Predict the targets of rows of features.

        Args:
            X: features, ``[m, d]``.

        Returns:
            ``[m, t]``, or ``[m]`` if the probe was fitted to a y of one dimension.

        Raises:
            NotFittedError: the probe is not fitted.
            ValueError: X is not a finite numeric array of d columns.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=PRECISIONS, reset=False)
        return X @ self.coef_.T + self.intercept_
