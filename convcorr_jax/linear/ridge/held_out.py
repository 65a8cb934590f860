"""Ridge regression of many features with the predictions of held-out rows, from one kernel matrix.

For rows T that train and held-out rows F, with the kernel matrix K = X X' centred about the mean of T, the
predictions of F are ``mean(y_T) + K_FT (K_TT + penalty I)^-1 (y_T - mean(y_T))``. Every fold and every penalty
costs one Cholesky decomposition of K_TT. With a few folds, thousands of rows and still more features, these
cost about as much as the kernel matrix, which the choice of the penalty, the predictions and the final fit
share. `convcorr_jax.linear.ridge.fit_best` followed by `convcorr_jax.linear.ridge.cross_predict` gives the
same with three kernel matrices.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int
from scipy import linalg

from convcorr_jax.errors import InputError
from convcorr_jax.linear.ridge import solvers
from convcorr_jax.linear.ridge.cross_validation import (
    PenaltyCurve,
    argmin_error,
    cross_predict,
    fit_best,
    penalty_grid,
)
from convcorr_jax.linear.ridge.fold_errors import rows_of_folds
from convcorr_jax.linear.ridge.solvers import FeatureRows, Ridge, TargetRows

# Every third penalty of the grid is tried first: factors of ten.
_STEP = 3


class HeldOutFit(NamedTuple):
    """A ridge regression of all rows with the penalty of least held-out error; held-out predictions."""

    ridge: Ridge
    curve: PenaltyCurve
    predicted: Float[np.ndarray, "n t"]
    """Of every row, by the regression with the same penalty that is fitted without the row's fold."""


def fit_held_out(
    features: FeatureRows, targets: TargetRows, *, folds: Int[np.ndarray, " _"], k: int
) -> HeldOutFit:
    """Fit a ridge regression with the best penalty of a path, and predict the rows held out.

    The path is every third penalty of `penalty_grid`, and then the neighbors of the best of these, because the
    error hardly ever has more than one minimum; the penalty is the best of those tried. An `InputError` is
    raised as by `convcorr_jax.linear.ridge.fit_best`.
    """
    x, y = solvers.validate_rows(features, targets)
    if x.shape[0] >= x.shape[1]:
        ridge, curve = fit_best(x, y, folds=folds, k=k)
        predicted = cross_predict(x, y, penalty=float(ridge.penalty), folds=folds, k=k)
        return HeldOutFit(ridge, curve, predicted)
    rows_of_folds(folds, len(x), k)  # refuses bad folds
    # In double precision, because centring the kernel about each fold's mean costs digits.
    host_y, mean_x = np.asarray(y, np.float64), np.asarray(x).mean(axis=0, dtype=np.float64)
    centered = np.asarray(x) - mean_x
    kernel = centered @ centered.T
    grid = penalty_grid(x)
    coarse = np.arange(0, len(grid), _STEP)
    predictions = _predict_held_out(kernel, host_y, folds, grid[coarse])
    best = coarse[argmin_error(_errors(predictions, host_y).sum(axis=1))]
    fine = np.setdiff1d(np.arange(best - _STEP + 1, best + _STEP).clip(0, len(grid) - 1), coarse)
    predictions = np.concatenate([predictions, _predict_held_out(kernel, host_y, folds, grid[fine])])
    order = np.argsort(np.concatenate([coarse, fine]))
    path, predictions = grid[np.concatenate([coarse, fine])[order]], predictions[order]
    condition = 1 + float(np.linalg.norm(kernel)) / path
    curve = PenaltyCurve(path, _errors(predictions, host_y), condition)
    chosen = argmin_error(curve.errors.sum(axis=1))
    fields = _fit(mean_x, centered, kernel, host_y, float(path[chosen]), float(condition[chosen]))
    ridge = Ridge(*(jnp.asarray(field, x.dtype) for field in fields))
    return HeldOutFit(ridge, curve, predictions[chosen].astype(np.asarray(y).dtype))


def _errors(predictions, y) -> Float[np.ndarray, "p t"]:
    return ((predictions - y) ** 2).mean(axis=1)


def _predict_held_out(kernel, y, folds, path) -> Float[np.ndarray, "p n t"]:
    predictions = np.empty((len(path), *y.shape))
    for fold in np.unique(folds):
        predictions[:, folds == fold] = _predict_fold(kernel, y, folds == fold, path)
    return predictions


def _predict_fold(kernel, y, held_out, path) -> Float[np.ndarray, "p held_out t"]:
    """Predict the held-out rows with every penalty."""
    train = ~held_out
    between, block = kernel[np.ix_(held_out, train)], kernel[np.ix_(train, train)]
    # Both are centred about the mean of the training rows.
    means = block.mean(axis=0)
    between = between - between.mean(axis=1, keepdims=True) - means + means.mean()
    block = block - means[:, None] - means + means.mean()
    mean = y[train].mean(axis=0)
    right = y[train] - mean
    return np.stack([between @ _solve(block, right, penalty) + mean for penalty in path])


def _fit(mean_x, centered, kernel, y, penalty, condition):
    """Return the fields of the ridge regression of all rows."""
    mean = y.mean(axis=0)
    dual = _solve(kernel, y - mean, penalty)
    weights = centered.T @ dual
    residual = ((kernel @ dual + mean - y) ** 2).mean(axis=0)
    bias = mean - mean_x @ weights
    return weights, bias, penalty, residual, condition


def _solve(kernel, right, penalty) -> np.ndarray:
    """Compute ``(K + penalty I)^-1 Y``."""
    system = kernel.copy()
    system[np.diag_indices_from(system)] += penalty
    try:
        factor = linalg.cho_factor(system, lower=True, overwrite_a=True, check_finite=False)
    except linalg.LinAlgError as error:
        raise InputError(
            f"penalty {penalty:.3g} is too small for {kernel.dtype}; a larger penalty is needed"
        ) from error
    return np.asarray(linalg.cho_solve(factor, right, check_finite=False))
