"""The penalty of ridge regression by cross-validation: every fold, every target, the whole path.

Where there are fewer rows than features, all follows from one decomposition of X X'
(`convcorr_jax.linear.ridge.held_out`); where there are more, folds from their statistics, and single rows from a
decomposition of X'X (`convcorr_jax.linear.ridge.leave_one_out`).
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from convcorr_jax.errors import InputError
from convcorr_jax.linear.ridge import solvers
from convcorr_jax.linear.ridge.eigenbasis import eigenbasis
from convcorr_jax.linear.ridge.fold_squares import (
    members_of,
    squares_from_spaces,
    squares_from_statistics,
)
from convcorr_jax.linear.ridge.held_out import Kernel, decompose, held_out_residuals, products
from convcorr_jax.linear.ridge.leave_one_out import leave_one_out_squares
from convcorr_jax.linear.ridge.solvers import Ridge, Rows, Targets
from convcorr_jax.linear.ridge.statistics import Statistics, add, statistics, subtract

# Penalties between a ten-thousandth and a hundred times the mean eigenvalue, three to a power of ten or so.
_GRID = np.logspace(-4, 2, 19)
# With more folds one decomposition of all rows is cheaper than a space a fold.
_FEW_FOLDS = 10
# Rows whose leave-one-out residuals are computed at once.
_ROWS_AT_ONCE = 4096


class PenaltyCurve(NamedTuple):
    """Errors of held-out rows along a path of penalties."""

    penalties: Float[np.ndarray, " p"]
    errors: Float[np.ndarray, "p t"]
    """The mean squared error of every target on rows that were held out, over all rows."""
    condition: Float[np.ndarray, " p"]
    """A bound on the condition of the systems solved; see `Ridge.digits`."""

    def best(self) -> float:
        """The penalty with the least error over all targets.

        One at an end of the path is a reason to lengthen it.
        """
        return float(self.penalties[self.errors.sum(axis=1).argmin()])

    def best_of_each(self) -> Float[np.ndarray, " t"]:
        """The penalty with the least error of each target by itself."""
        return self.penalties[self.errors.argmin(axis=0)]


def fit_best(
    features: Rows,
    targets: Targets,
    *,
    folds: Int[np.ndarray, " _"] | None = None,
    k: int = 0,
    penalties: Float[np.ndarray, " p"] | None = None,
) -> tuple[Ridge, PenaltyCurve]:
    """A ridge of all rows, with the penalty that k folds, or single rows, choose for all targets together.

    Args:
        features: as of `solvers.fit`.
        targets: as of `solvers.fit`.
        folds: as of `cross_validate`; without them every row is a fold of its own.
        k: number of folds; the paper has 4.
        penalties: to choose from; `penalty_grid` by default.

    Raises:
        InputError: as of `cross_validate`.
    """
    x, y = solvers.checked(features, targets)
    path = penalty_grid(x) if penalties is None else _checked_path(penalties)
    n, d = x.shape
    if n < d:
        members = members_of(np.arange(n) if folds is None else folds, n, k or n)
        curve, kernel = _by_rows(x, y, path, members)
        return solvers.fit(x, y, penalty=curve.best(), kernel=kernel), curve
    if folds is None:
        summed = statistics(x, y)
        basis = eigenbasis(summed)
        curve = _by_single_rows(x, y, basis, path)
    else:
        parts = _parts(x, y, members_of(folds, n, k))
        summed, basis = functools.reduce(add, parts), None
        curve = _by_statistics(parts, summed, path)
    return solvers.solve(summed, penalty=curve.best(), basis=basis), curve


def penalty_grid(features: Rows) -> Float[np.ndarray, " p"]:
    """Nineteen penalties from 1e-4 to 100 times the mean eigenvalue of the centred features' scatter.

    The mean is over as many eigenvalues as can differ from zero.
    """
    x = jnp.asarray(features)
    return _GRID * float(((x - x.mean(0)[None]) ** 2).sum()) / min(x.shape)


def cross_validate(
    features: Rows,
    targets: Targets,
    *,
    penalties: Float[np.ndarray, " p"],
    folds: Int[np.ndarray, " _"],
    k: int,
) -> PenaltyCurve:
    """Fit without each fold, for every penalty, and take the errors on the fold.

    Args:
        features: as of `solvers.fit`.
        targets: as of `solvers.fit`.
        penalties: any number of them.
        folds: the number, 0 to k - 1, of the fold that holds each row out (`convcorr_jax.linear.folds`).
        k: number of folds.

    Raises:
        InputError: as of `solvers.fit`; or a fold is empty, or holds all rows but one, or has another number.
    """
    x, y = solvers.checked(features, targets)
    penalties = _checked_path(penalties)
    members = members_of(folds, len(x), k)
    n, d = x.shape
    if n < d:
        return _by_rows(x, y, penalties, members)[0]
    parts = _parts(x, y, members)
    return _by_statistics(parts, functools.reduce(add, parts), penalties)


def cross_predict(
    features: Rows,
    targets: Targets,
    *,
    penalty: float | Float[np.ndarray, " t"],
    folds: Int[np.ndarray, " _"],
    k: int,
) -> Float[np.ndarray, "n t"]:
    """What ridges predict of each row that were fitted without its fold.

    Args:
        features: as of `solvers.fit`.
        targets: as of `solvers.fit`.
        penalty: one for all targets, or one for each.
        folds: as of `cross_validate`.
        k: as of `cross_validate`.

    Raises:
        InputError: as of `cross_validate`.
    """
    x, y = solvers.checked(features, targets)
    each = np.broadcast_to(_checked_path(np.atleast_1d(penalty)), y.shape[1])
    members = members_of(folds, len(x), k)
    n, d = x.shape
    predicted = np.array(y)
    if n < d:
        kernel = decompose(products(x), y)
        for one in np.unique(each):
            columns = np.flatnonzero(each == one)
            some = kernel._replace(along=kernel.along[:, columns])
            residuals = np.asarray(held_out_residuals(some, *members, one))[members.counted]
            predicted[members.rows[members.counted][:, None], columns] -= residuals
    else:
        parts = _parts(x, y, members)
        whole = functools.reduce(add, parts)
        for part, rows, kept in zip(parts, *members, strict=True):
            found = solvers.solve(subtract(whole, part), penalty=penalty)
            predicted[rows[kept]] = np.asarray(found.predict(x[rows]))[kept]
    if not np.isfinite(predicted).all():
        raise InputError(
            f"penalty {each.min():.3g} is too small for {y.dtype}; use double precision"
        )
    return predicted


def cross_validate_statistics(
    parts: Sequence[Statistics], *, penalties: Float[np.ndarray, " p"]
) -> PenaltyCurve:
    """Cross-validate with folds of which only the statistics are at hand.

    The errors follow from the statistics, ``|Y - XW|^2 = |Y|^2 - 2 W'X'Y + W'X'XW``, so that of targets that
    are predicted to within 1 part in 10^3 (in the mean square) single precision leaves some three digits.
    Where it pays, all penalties of a fold share one space of solutions (`convcorr_jax.linear.ridge.krylov`).

    Args:
        parts: the statistics of each fold.
        penalties: any number of them.

    Raises:
        InputError: as of `solvers.solve`; or there are fewer than 2 folds.
    """
    penalties = _checked_path(penalties)
    if len(parts) < 2:
        raise InputError(f"there are {len(parts)} folds; at least 2 are expected")
    return _by_statistics(parts, functools.reduce(add, parts), penalties)


def leave_one_out(
    features: Rows, targets: Targets, *, penalties: Float[np.ndarray, " p"]
) -> PenaltyCurve:
    """Cross-validate with every row a fold of its own, exactly.

    Args:
        features: as of `solvers.fit`.
        targets: as of `solvers.fit`.
        penalties: any number of them.

    Raises:
        InputError: as of `solvers.fit`.
    """
    x, y = solvers.checked(features, targets)
    penalties = _checked_path(penalties)
    n, d = x.shape
    if n < d:
        return _by_rows(x, y, penalties, members_of(np.arange(n), n, n))[0]
    return _by_single_rows(x, y, eigenbasis(statistics(x, y)), penalties)


def _parts(x, y, members) -> list[Statistics]:
    """The statistics of every fold; filled up to one size, so that one program serves all folds."""
    return [statistics(x[rows], y[rows], counted) for rows, counted in zip(*members, strict=True)]


def _by_statistics(parts, whole, penalties) -> PenaltyCurve:
    squares = np.zeros((len(penalties), whole.cross.shape[1]))
    condition = np.zeros(len(penalties))
    for part in parts:
        of_fold = squares_from_statistics(subtract(whole, part), part, penalties)
        squares += of_fold.squares
        condition = np.maximum(condition, of_fold.condition)
    return _curve(penalties, squares / int(whole.count), condition)


def _by_single_rows(x, y, basis, penalties) -> PenaltyCurve:
    path = jnp.asarray(penalties, x.dtype)
    squares = jnp.zeros((len(path), y.shape[1]), y.dtype)
    for start in range(0, len(x), _ROWS_AT_ONCE):
        block = slice(start, start + _ROWS_AT_ONCE)
        squares += leave_one_out_squares(basis, x[block], y[block], path)
    return _curve(penalties, squares / len(x), basis.condition(path))


def _checked_path(penalties: Float[np.ndarray, " p"]) -> Float[np.ndarray, " p"]:
    penalties = np.asarray(penalties, np.float64)
    if not len(penalties):
        raise InputError("there are no penalties; at least one is expected")
    solvers.check_penalties(penalties)
    return penalties


def _by_rows(x, y, penalties, members) -> tuple[PenaltyCurve, Kernel | None]:
    """With the rows' decomposition, if it took one."""
    inner = products(x)
    if len(members.rows) <= _FEW_FOLDS:
        found = squares_from_spaces(inner, y, penalties, members)
        if found is not None:
            return _curve(penalties, found.squares / len(x), found.condition), None
    kernel = decompose(inner, y)
    # One call a penalty: inside a loop of one compiled program, products use one core of a CPU.
    squares = [
        (held_out_residuals(kernel, *members, penalty) ** 2).sum((0, 1)) for penalty in penalties
    ]
    curve = _curve(penalties, jnp.stack(squares) / len(x), 1 + kernel.size / penalties)
    return curve, kernel


def _curve(penalties, errors, condition) -> PenaltyCurve:
    errors = np.asarray(errors, np.float64)
    if not np.isfinite(errors).all():
        raise InputError(
            f"the systems' condition is up to {float(np.max(condition)):.1g}, too much for their precision; "
            "larger penalties or double precision are needed"
        )
    return PenaltyCurve(penalties, errors, np.asarray(condition, np.float64))
