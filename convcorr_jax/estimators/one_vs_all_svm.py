"""Linear support vector machines of all classes as a scikit-learn classifier."""

import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Shaped
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from convcorr_jax.errors import InputError
from convcorr_jax.estimators.ridge_probe import PRECISIONS, check_number, folds_of, validate_data, weights_of
from convcorr_jax.linear import svm, warn_of_absent_labels

# Smaller problems take less time than compiling does.
_LEAST = svm.Least(rows=128, columns=32)


class OneVsAllSVM(ClassifierMixin, BaseEstimator):
    """Linear support vector machines, each class against all others, each with a duality gap.

    For every class, with signs y = +1 for its samples and -1 for all others, it minimizes
    ``1/2 |w|^2 + cost * sum_i weight_i * loss(1 - y_i (w . x_i + b))`` with `convcorr_jax.linear.svm`: all
    classes, and all folds, in one compiled loop. With two classes there is one machine, of the second class
    against the first. The gap bounds how far each machine is from its optimum. Features in single precision are
    fitted in single precision, all others in double precision, which is slow on most accelerators.

    With the squared hinge and ``bias_scale=1`` the optimum is that of ``LinearSVC(C=cost)``; with the hinge and
    a free bias, that of ``SVC(kernel="linear", C=cost)`` for two classes.

    >>> import numpy as np
    >>> X = np.array([[0.0, 1.0], [0.0, 3.0], [2.0, 0.0], [4.0, 0.0]])
    >>> machine = OneVsAllSVM().fit(X, ["cat", "cat", "dog", "dog"])
    >>> machine.predict([[0.0, 2.0], [3.0, 0.0]]).tolist()
    ['cat', 'dog']

    Args:
        cost: the factor of the losses, above 0, or a sequence of costs to select from. It scales with the
            features: features times s and cost over s^2 give the same classifier.
        cv: the folds that select the cost: a number of stratified folds; a splitter of scikit-learn; or a list
            of pairs of row numbers (train, test). The folds must hold out every row exactly once. Not used with
            one cost.
        loss: ``"squared_hinge"``, or ``"hinge"``, which is slower.
        bias_scale: the penalty on the bias is ``1/2 (b / bias_scale)^2``; None for a free bias.
        tolerance: a fit ends when its gap is below this fraction of the objective. In single precision, gaps
            down to about 1e-6 can be resolved.
        max_rounds: limit of the rounds, each of ten iterations of the method of multipliers or at most one
            Newton step.

    Attributes:
        classes_: the classes, in sorted order.
        coef_: w of each class, ``[classes, d]``; ``[1, d]`` with two classes.
        intercept_: b of each class.
        costs_: the costs to select from, in rising order; None with one cost.
        cv_accuracy_: fraction of held-out samples that are classified correctly, for each cost; weighted with
            the samples' weights. None with one cost.
        objective_: the objective of each class.
        duality_gap_: the objective of each class less the value of its dual; the optimum is at most this far
            below the objective.
        n_iter_: rounds of each class.
    """

    # scikit-learn's rule: `fit` checks the options, which may be set to anything before.
    def __init__(
        self,
        *,
        cost: Any = 1.0,
        cv: Any = 5,
        loss: Any = "squared_hinge",
        bias_scale: Any = None,
        tolerance: Any = 1e-4,
        max_rounds: Any = 200,
    ):
        self.cost = cost
        self.cv = cv
        self.loss = loss
        self.bias_scale = bias_scale
        self.tolerance = tolerance
        self.max_rounds = max_rounds

    def fit(self, X: Any, y: Any, *, sample_weight: Any = None) -> "OneVsAllSVM":
        """Fit the machines to features ``[n, d]`` and to classes, which are numbers or strings.

        Sample weights, ``[n]``, are not negative, and 1 by default; a sample of weight 0 does not count.

        Raises:
            ValueError: X is not a finite numeric array; y is not a class for each row, or of fewer than two
                classes; weights are negative or all 0; an option is out of its range; or the folds do not hold
                out every row exactly once.

        Warns:
            ConvergenceWarning: a gap is above the tolerance after ``max_rounds`` rounds.
            UserWarning: a fold of ``cv`` trains on no sample of a class.
        """
        X, y = validate_data(self, X, y, dtype=PRECISIONS)
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise InputError(f"y holds 1 class, {self.classes_[0]!r}; at least two are expected")
        check_number(self.cost, "cost", most_axes=1)
        weights = weights_of(sample_weight, X)
        self.costs_ = self.cv_accuracy_ = None
        self.cost_ = self.cost
        with jax.enable_x64(X.dtype == np.float64):
            if np.ndim(self.cost):
                self.cost_ = self._select(X, y, labels, weights)
            features, positive, columns = self._padded(X, labels, weights)
            fitted = svm.fit(features, positive, cost=self.cost_, sample_weights=columns, **self._options())
            self.coef_ = np.asarray(fitted.weights)[:, : X.shape[1]]
            self.intercept_ = np.asarray(fitted.bias)
            self.objective_, self.duality_gap_ = np.asarray(fitted.objective), np.asarray(fitted.gap)
            self.n_iter_, converged = np.asarray(fitted.rounds), bool(fitted.converged.all())
        if not converged:
            warnings.warn(
                f"the duality gap is {self.duality_gap_.max():.2g} after {self.n_iter_.max()} rounds; more "
                "rounds, a lower cost or double precision may be needed",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self

    def _select(self, X, y, labels, weights) -> float:
        """Return the cost of the greatest accuracy on held-out samples, the least of several."""
        if len(self.cost) == 0:
            raise InputError("cost is an empty sequence; at least one number is expected")
        # Each cost starts from the solutions of the one before; rising costs are fastest.
        self.costs_ = np.unique(self.cost)
        folds, k = folds_of(self.cv, X, y, classifier=True)
        counts = np.ones(len(y), bool) if weights is None else weights > 0
        warn_of_absent_labels(y[counts], folds[counts], k=k)
        features, positive, columns = self._padded(X, labels, weights)
        folds, options = np.pad(folds, (0, len(features) - len(X))), self._options()
        held_out = svm.cross_validate(
            features, positive, costs=self.costs_, folds=folds, k=k, sample_weights=columns, **options
        )
        chosen = self._chosen(np.asarray(held_out.decisions)[:, : len(X)])
        self.cv_accuracy_ = np.average(chosen == labels, axis=1, weights=weights)
        return float(self.costs_[self.cv_accuracy_.argmax()])

    def _options(self) -> dict[str, Any]:
        if self.bias_scale is not None:
            check_number(self.bias_scale, "bias_scale")
        check_number(self.tolerance, "tolerance")
        check_number(self.max_rounds, "max_rounds", kinds="iu")
        return {name: getattr(self, name) for name in ("loss", "bias_scale", "tolerance", "max_rounds")}

    def _padded(self, X, labels, weights) -> tuple[jax.Array, ...]:
        """Return the arrays of the machines' problems; with two classes, the one machine is the second's."""
        positive = labels[:, None] == np.arange(len(self.classes_))
        if len(self.classes_) == 2:
            positive = positive[:, 1:]
        columns = None if weights is None else weights[:, None]
        return tuple(map(jnp.asarray, svm.pad(X, positive, weights=columns, least=_LEAST)))

    def _chosen(self, decisions: Float[np.ndarray, "*batch n machines"]):
        """Return the number of the class that the decisions of all machines select."""
        if len(self.classes_) == 2:
            return (decisions[..., 0] > 0).astype(int)
        return decisions.argmax(-1)

    def decision_function(self, X: Any) -> Float[np.ndarray, "..."]:
        """Compute ``w . x + b`` of every class for rows of features: ``[m, classes]``.

        The greatest value is that of the best class. With two classes the result is ``[m]``, above 0 for the
        second.
        """
        decisions = self._decisions(X)
        return decisions[:, 0] if len(self.classes_) == 2 else decisions

    def predict(self, X: Any) -> Shaped[np.ndarray, " m"]:
        """Predict the class of rows of features, ``[m, d]``."""
        decisions = self._decisions(X)
        return self.classes_[self._chosen(decisions)]

    def _decisions(self, X: Any) -> Float[np.ndarray, "m machines"]:
        check_is_fitted(self)
        X = validate_data(self, X, dtype=PRECISIONS, reset=False)
        return X @ self.coef_.T + self.intercept_
