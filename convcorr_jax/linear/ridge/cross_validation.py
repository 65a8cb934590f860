"""The penalty of ridge regression by cross-validation: every fold, every target, the whole path of penalties.

With fewer rows than features, errors come from the kernel matrix X X': for at most ten folds from one Krylov
space a fold if it converges (`convcorr_jax.linear.ridge.krylov`), otherwise from one eigendecomposition
(`convcorr_jax.linear.ridge.kernel`). With at least as many rows, errors of folds come from each fold's
statistics (`convcorr_jax.linear.ridge.fold_errors`), leave-one-out errors from one eigendecomposition of X'X
(`convcorr_jax.linear.ridge.kernel`). Everywhere, features are ``[n, d]``, targets ``[n, t]``, penalties any
number of finite numbers above 0, and ``folds`` gives for each row the number, 0 to k - 1, of the fold that
holds it out (`convcorr_jax.linear.grouped_folds`).
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from convcorr_jax.errors import InputError
from convcorr_jax.linear.ridge import solvers
from convcorr_jax.linear.ridge.fold_errors import rows_of_folds, squares_from_krylov, squares_from_statistics
from convcorr_jax.linear.ridge.kernel import (
    KernelBasis,
    centered_kernel,
    decompose_kernel,
    decompose_scatter,
    held_out_residuals,
    leave_one_out_squares,
)
from convcorr_jax.linear.ridge.row_statistics import Statistics, add, leave_out_each, statistics
from convcorr_jax.linear.ridge.solvers import FeatureRows, Ridge, TargetRows

# Factors of the mean eigenvalue, about three to a power of ten.
_GRID = np.logspace(-4, 2, 19)
# With more folds, one decomposition of all rows is cheaper than a Krylov space for each fold.
_FEW_FOLDS = 10
# Rows whose leave-one-out residuals are computed at once.
_ROWS_AT_ONCE = 4096


class PenaltyCurve(NamedTuple):
    """Errors of held-out rows along a path of p penalties."""

    penalties: Float[np.ndarray, " p"]
    errors: Float[np.ndarray, "p t"]
    """Mean squared error of every target on the held-out rows, over all rows."""
    condition: Float[np.ndarray, " p"]
    """An upper bound, but for rounding, of the condition numbers of the folds' systems; see `Ridge.digits`."""

    def best(self) -> float:
        """Return the penalty with the least error summed over all targets, the first of several.

        If it is at an end of the path, the path should be extended.

        Raises:
            InputError: every sum is NaN, which is never the least.
        """
        return float(self.penalties[argmin_error(self.errors.sum(axis=1))])

    def best_of_each(self) -> Float[np.ndarray, " t"]:
        """Return for each target the penalty with the least error of that target, as `best` does."""
        return self.penalties[np.array([argmin_error(column) for column in self.errors.T], int)]


def argmin_error(errors: Float[np.ndarray, " p"]) -> int:
    """Return the index of the least error, the first of several; NaN is never the least.

    >>> argmin_error(np.array([np.nan, 2.0, 1.0, 1.0]))
    2

    Raises:
        InputError: there is no error, or every one is NaN.
    """
    if np.isnan(errors).all():
        raise InputError("all errors are NaN, or there is none; none can be chosen")
    return int(np.nanargmin(errors))


def fit_best(
    features: FeatureRows,
    targets: TargetRows,
    *,
    folds: Int[np.ndarray, " _"] | None = None,
    k: int | None = None,
    penalties: Float[np.ndarray, " p"] | None = None,
) -> tuple[Ridge, PenaltyCurve]:
    """Fit a ridge regression to all rows, with the penalty that cross-validation chooses for all targets.

    Args:
        folds: leave-one-out by default.
        k: number of folds; required with ``folds``, not allowed without. Sharif Razavian et al. 2014,
            "Persistent Evidence of Local Image Properties in Generic ConvNets", use 4.
        penalties: the path to choose from; `penalty_grid` by default.

    Raises:
        InputError: there are fewer than 2 rows, no feature or no target; the numbers of rows differ; a value is
            NaN, infinite or too large to be squared; all rows of the features are equal; a penalty is not a
            finite number above 0, or too small for the precision; only one of ``folds`` and k is passed;
            the folds are not one number from 0 to k - 1 for each row; or a fold is empty, or leaves fewer than
            two rows or, if there are at least as many rows as features, only rows with equal features.
    """
    if (folds is None) != (k is None):
        raise InputError(
            f"folds are {'absent' if folds is None else 'passed'} and k is {k}; both or neither are expected"
        )
    x, y = solvers.validate_rows(features, targets)
    path = penalty_grid(x) if penalties is None else _checked_path(penalties)
    n, d = x.shape
    if n < d:
        fold_rows = (
            rows_of_folds(np.arange(n), n, n) if folds is None or k is None else rows_of_folds(folds, n, k)
        )
        curve, basis = _curve_from_kernel(x, y, path, fold_rows)
        return solvers.fit(x, y, penalty=curve.best(), basis=basis), curve
    if folds is None or k is None:
        summed = statistics(x, y)
        basis = decompose_scatter(summed)
        curve = _curve_from_leverages(x, y, basis, path)
    else:
        parts = _fold_statistics(x, y, rows_of_folds(folds, n, k))
        summed, basis = functools.reduce(add, parts), None
        curve = _curve_from_statistics(parts, summed, path)
    return solvers.solve(summed, penalty=curve.best(), basis=basis), curve


def penalty_grid(features: FeatureRows) -> Float[np.ndarray, " p"]:
    """Return nineteen penalties from 1e-4 to 100 times the mean eigenvalue of the centred features' scatter.

    The mean is over ``min(n, d)`` eigenvalues; all others are zero.
    """
    return penalties_of_spread(float(_spread(features)), min(features.shape))


def penalties_of_spread(spread: float, eigenvalues: int) -> Float[np.ndarray, " p"]:
    """Return the penalties of `penalty_grid` from the scatter's trace and the number of its eigenvalues."""
    return _GRID * spread / eigenvalues


@jax.jit
def _spread(features):
    """Compute the trace of the centred features' scatter."""
    features = features.astype(jnp.promote_types(features.dtype, jnp.float32))
    return ((features - features.mean(0)[None]) ** 2).sum()


def cross_validate(
    features: FeatureRows,
    targets: TargetRows,
    *,
    penalties: Float[np.ndarray, " p"],
    folds: Int[np.ndarray, " _"],
    k: int,
) -> PenaltyCurve:
    """Compute the errors of each fold's rows by ridge regressions fitted without that fold, for every penalty.

    An `InputError` is raised as by `fit_best`.
    """
    x, y = solvers.validate_rows(features, targets)
    penalties = _checked_path(penalties)
    fold_rows = rows_of_folds(folds, len(x), k)
    n, d = x.shape
    if n < d:
        return _curve_from_kernel(x, y, penalties, fold_rows)[0]
    parts = _fold_statistics(x, y, fold_rows)
    return _curve_from_statistics(parts, functools.reduce(add, parts), penalties)


def cross_predict(
    features: FeatureRows,
    targets: TargetRows,
    *,
    penalty: float | Float[np.ndarray, " t"],
    folds: Int[np.ndarray, " _"],
    k: int,
) -> Float[np.ndarray, "n t"]:
    """Predict each row by a ridge regression that is fitted without the row's fold.

    An `InputError` is raised as by `fit_best`.

    Args:
        penalty: one for all targets, or one for each.
    """
    x, y = solvers.validate_rows(features, targets)
    penalties = np.broadcast_to(_checked_path(np.atleast_1d(penalty)), y.shape[1])
    fold_rows = rows_of_folds(folds, len(x), k)
    n, d = x.shape
    predicted = np.array(y)
    if n < d:
        basis = decompose_kernel(centered_kernel(x), y)
        for value in np.unique(penalties):
            columns = np.flatnonzero(penalties == value)
            part = basis._replace(targets=basis.targets[:, columns])
            residuals = np.asarray(held_out_residuals(part, *fold_rows, value))[fold_rows.mask]
            predicted[fold_rows.rows[fold_rows.mask][:, None], columns] -= residuals
    else:
        parts = _fold_statistics(x, y, fold_rows)
        for rest, rows, mask in zip(leave_out_each(parts), *fold_rows, strict=True):
            model = solvers.solve(rest, penalty=penalty)
            predicted[rows[mask]] = np.asarray(model.predict(x[rows]))[mask]
    if not np.isfinite(predicted).all():
        raise InputError(f"penalty {penalties.min():.3g} is too small for {y.dtype}; use double precision")
    return predicted


def cross_validate_statistics(
    parts: Sequence[Statistics], *, penalties: Float[np.ndarray, " p"]
) -> PenaltyCurve:
    """Cross-validate with folds of which only the statistics are known.

    The errors follow from the statistics, ``|Y - XW|^2 = |Y|^2 - 2 W'X'Y + W'X'XW``. In single precision about
    three digits remain of the errors of targets that are predicted to within 1 part in 10^3 (in the mean
    square). If it pays off, all penalties of a fold share one Krylov space
    (`convcorr_jax.linear.ridge.krylov`).

    Raises:
        InputError: there are fewer than 2 folds; all folds but one hold fewer than 2 rows, or rows whose
            features are all equal; the statistics are not finite; or a penalty is not a finite number above 0,
            or too small for the precision.
    """
    penalties = _checked_path(penalties)
    if len(parts) < 2:
        raise InputError(f"there are {len(parts)} folds; at least 2 are expected")
    return _curve_from_statistics(parts, functools.reduce(add, parts), penalties)


def leave_one_out(
    features: FeatureRows, targets: TargetRows, *, penalties: Float[np.ndarray, " p"]
) -> PenaltyCurve:
    """Compute the errors of each row by ridge regressions fitted to all other rows, for every penalty.

    An `InputError` is raised as by `fit_best`.
    """
    x, y = solvers.validate_rows(features, targets)
    penalties = _checked_path(penalties)
    n, d = x.shape
    if n < d:
        return _curve_from_kernel(x, y, penalties, rows_of_folds(np.arange(n), n, n))[0]
    return _curve_from_leverages(x, y, decompose_scatter(statistics(x, y)), penalties)


def _fold_statistics(x, y, fold_rows) -> list[Statistics]:
    """Compute the statistics of every fold; folds are padded to one size to share one compiled program."""
    return [_statistics_of_rows(x, y, rows, mask) for rows, mask in zip(*fold_rows, strict=True)]


@jax.jit
def _statistics_of_rows(x, y, rows, mask) -> Statistics:
    return statistics(x[rows], y[rows], mask=mask)


def _curve_from_statistics(parts, whole, penalties) -> PenaltyCurve:
    squares = np.zeros((len(penalties), whole.cross.shape[1]))
    condition = np.zeros(len(penalties))
    for rest, part in zip(leave_out_each(parts), parts, strict=True):
        errors = squares_from_statistics(rest, part, penalties)
        squares += errors.squares
        condition = np.maximum(condition, errors.condition)
    return _curve(penalties, squares / int(whole.count), condition)


def _curve_from_leverages(x, y, basis, penalties) -> PenaltyCurve:
    path = jnp.asarray(penalties, x.dtype)
    squares = np.zeros((len(path), y.shape[1]))
    for start in range(0, len(x), _ROWS_AT_ONCE):
        block = slice(start, start + _ROWS_AT_ONCE)
        squares += np.asarray(leave_one_out_squares(basis, x[block], y[block], path))
    return _curve(penalties, squares / len(x), basis.condition(path))


def _checked_path(penalties: Float[np.ndarray, " p"]) -> Float[np.ndarray, " p"]:
    penalties = np.asarray(penalties, np.float64)
    if not len(penalties):
        raise InputError("there are no penalties; at least one is expected")
    solvers.check_penalties(penalties)
    return penalties


def _curve_from_kernel(x, y, penalties, fold_rows) -> tuple[PenaltyCurve, KernelBasis | None]:
    """Compute the curve of few rows, and return it with the kernel's decomposition if one was needed."""
    kernel = centered_kernel(x)
    if len(fold_rows.rows) <= _FEW_FOLDS:
        errors = squares_from_krylov(kernel, y, penalties, fold_rows)
        if errors is not None:
            return _curve(penalties, errors.squares / len(x), errors.condition), None
    basis = decompose_kernel(kernel, y)
    # One call for each penalty: inside a loop of one compiled program, products use one core of a CPU.
    squares = [_held_out_squares(basis, *fold_rows, penalty) for penalty in penalties]
    condition = 1 + float(basis.frobenius_norm) / penalties
    curve = _curve(penalties, np.stack(squares).astype(np.float64) / len(x), condition)
    return curve, basis


@jax.jit
def _held_out_squares(basis, rows, mask, penalty):
    """Sum the squared residuals of all folds' rows."""
    return (held_out_residuals(basis, rows, mask, penalty) ** 2).sum((0, 1))


def _curve(penalties, errors, condition) -> PenaltyCurve:
    errors = np.asarray(errors, np.float64)
    if not np.isfinite(errors).all():
        raise InputError(
            f"the systems' condition is up to {float(np.max(condition)):.1g}, too much for their precision; "
            "larger penalties or double precision are needed"
        )
    return PenaltyCurve(penalties, errors, np.asarray(condition, np.float64))
