"""Squared errors of ridge regressions on held-out folds, for every penalty at once.

They follow from the statistics of a fold and of all other folds, ``|Y - XW|^2 = |Y|^2 - 2 W'X'Y + W'X'XW``, or,
if there are fewer rows than features, from the kernel matrix of all rows.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from convcorr_jax.errors import InputError
from convcorr_jax.linear.folds import full_precision_matmul
from convcorr_jax.linear.ridge import solvers
from convcorr_jax.linear.ridge.krylov import krylov_space, pays_off
from convcorr_jax.linear.ridge.row_statistics import Statistics

# The residual, relative to the right-hand sides, to which systems are solved in a shared Krylov space.
_TOLERANCE = 1e-5


class FoldErrors(NamedTuple):
    """Squared errors of held-out rows for p penalties and t targets."""

    squares: Float[np.ndarray, "p t"]
    """Sums over the rows."""
    condition: Float[np.ndarray, " p"]
    """An upper bound of the condition numbers of the systems solved."""


class FoldRows(NamedTuple):
    """The rows of each of k folds, padded to the size m of the largest."""

    rows: Int[np.ndarray, "k m"]
    mask: Bool[np.ndarray, "k m"]
    """True for rows, False for padding."""


def rows_of_folds(folds: Int[np.ndarray, " _"], n: int, k: int) -> FoldRows:
    """List the rows of each of k folds of n rows.

    Raises:
        InputError: the folds are not one number from 0 to k - 1 for each row, k is below 2, or a fold is empty
            or leaves fewer than two rows to train on.
    """
    if np.shape(folds) != (n,):
        raise InputError(f"folds have shape {np.shape(folds)}; one for each of {n} rows is expected")
    if k < 2 or folds.min() < 0 or folds.max() >= k:
        raise InputError(f"folds hold numbers other than 0 to {k - 1}; k is at least 2")
    sizes = np.bincount(folds, minlength=k)
    if not sizes.all() or sizes.max() > n - 2:
        raise InputError(f"the {k} folds hold {sizes.tolist()} of {n} rows; each must hold one and leave two")
    rows = np.zeros((k, sizes.max()), np.int64)
    order = np.argsort(folds, kind="stable")
    mask = np.arange(sizes.max())[None] < sizes[:, None]
    rows[mask] = order
    return FoldRows(rows, mask)


def squares_from_statistics(
    rest: Statistics, part: Statistics, penalties: Float[np.ndarray, " p"]
) -> FoldErrors:
    """Compute the squared errors on the rows of ``part`` by ridge regressions of the rows of ``rest``.

    The penalties share one Krylov space; those that it does not solve accurately are solved one by one.
    """
    solvers.check_statistics(rest)
    mean_eigenvalue = float(jnp.trace(rest.scatter)) / len(rest.scatter)
    scatter, cross, norm = _divided(rest.scatter, rest.cross, mean_eigenvalue)
    bound = float(norm) * mean_eigenvalue
    least = float(penalties.min()) / mean_eigenvalue
    space = krylov_space(scatter, cross, least_shift=least, tolerance=_TOLERANCE)
    squares = []
    for shift in penalties / mean_eigenvalue:
        weights, residual = (None, np.inf) if space is None else space.solve(shift)
        if weights is None or residual > _TOLERANCE:
            weights = solvers.solve(rest, penalty=shift * mean_eigenvalue).weights
        squares.append(np.asarray(_held_out_squares(weights, rest, part), np.float64))
    return FoldErrors(np.stack(squares), 1 + bound / penalties)


def squares_from_krylov(
    kernel: Float[Array, "n n"], y: Float[Array, "n t"], penalties: Float[np.ndarray, " p"], fold_rows: FoldRows
) -> FoldErrors | None:
    """Compute the squared errors of all folds of few rows, with one Krylov space for each fold.

    It is None if a space does not solve all penalties, or does not pay off.

    Args:
        kernel: X X' of rows about the mean of all rows (`convcorr_jax.linear.ridge.kernel.centered_kernel`);
            a mean far from zero would cost digits.
    """
    mean_eigenvalue = float(jnp.trace(kernel)) / len(kernel)
    squares, bound = np.zeros((len(penalties), y.shape[1])), 0.0
    for rows, mask in zip(*fold_rows, strict=True):
        out = rows[mask]
        rest = np.setdiff1d(np.arange(len(kernel)), out)
        if not pays_off(len(rest), y.shape[1]):
            return None
        inner, outer = _centered(kernel, rest, out)
        mean = y[rest].mean(0)[None]
        least = float(penalties.min()) / mean_eigenvalue
        space = krylov_space(
            inner / mean_eigenvalue,
            (y[rest] - mean) / mean_eigenvalue,
            least_shift=least,
            tolerance=_TOLERANCE,
            give_up=True,
        )
        if space is None or space.residual > _TOLERANCE:
            return None
        bound = max(bound, float(jnp.sqrt((inner**2).sum())))
        for row, shift in enumerate(penalties / mean_eigenvalue):
            residuals = y[out] - mean - full_precision_matmul(outer, space.solve(shift)[0])
            squares[row] += np.asarray((residuals**2).sum(0))
    return FoldErrors(squares, 1 + bound / penalties)


@jax.jit
def _divided(scatter, cross, divisor):
    """Divide both by a number; return the Frobenius norm of the divided scatter, too."""
    scatter = scatter / divisor
    return scatter, cross / divisor, jnp.sqrt((scatter**2).sum())


@jax.jit
def _centered(kernel, rest, out):
    """Compute the kernels of ``rest`` and of ``out`` with ``rest``, both about the mean of ``rest``."""
    inner, outer = kernel[rest][:, rest], kernel[out][:, rest]
    means = inner.mean(0)
    offsets = means[None] - means.mean()
    return inner - means[:, None] - offsets, outer - outer.mean(1)[:, None] - offsets


@jax.jit
def _held_out_squares(weights: Float[Array, "d t"], rest: Statistics, part: Statistics) -> Float[Array, " t"]:
    """Compute the squared errors on the rows of ``part`` of weights that are fitted to the rows of ``rest``."""
    product = full_precision_matmul(part.scatter, weights)
    squares = part.spread + (weights * (product - 2 * part.cross)).sum(0)
    between = (part.feature_mean - rest.feature_mean)[None]
    offset = part.target_mean - rest.target_mean - full_precision_matmul(between, weights)[0]
    return jnp.maximum(squares, 0) + part.count.astype(squares.dtype) * offset**2
