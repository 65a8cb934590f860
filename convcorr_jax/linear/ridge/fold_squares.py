"""The squared errors of ridges on folds that were held out, for every penalty at once.

From the statistics of a fold and of all others, ``|Y - XW|^2 = |Y|^2 - 2 W'X'Y + W'X'XW``; or, where there are
fewer rows than features, from the kernel of all rows.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from convcorr_jax.errors import InputError
from convcorr_jax.linear.ridge import solvers
from convcorr_jax.linear.ridge.krylov import space_of
from convcorr_jax.linear.ridge.statistics import Statistics, matrix_product

# To which systems are solved in a space they share, relative to the right-hand sides.
_TOLERANCE = 1e-5


class FoldSquares(NamedTuple):
    """What cross-validation sums up."""

    squares: Float[np.ndarray, "p t"]
    condition: Float[np.ndarray, " p"]
    """A bound on the condition of the systems solved."""


class Members(NamedTuple):
    """The rows of every fold, filled up to the size of the largest."""

    rows: Int[np.ndarray, "k m"]
    counted: Bool[np.ndarray, "k m"]


def members_of(folds: Int[np.ndarray, " _"], n: int, k: int) -> Members:
    """The members of k folds of n rows.

    Raises:
        InputError: as `convcorr_jax.linear.ridge.penalty.cross_validate` says of folds.
    """
    if np.shape(folds) != (n,):
        raise InputError(
            f"folds have shape {np.shape(folds)}; one for each of {n} rows is expected"
        )
    if k < 2 or folds.min() < 0 or folds.max() >= k:
        raise InputError(f"folds hold numbers other than 0 to {k - 1}; k is at least 2")
    sizes = np.bincount(folds, minlength=k)
    if not sizes.all() or sizes.max() > n - 2:
        raise InputError(
            f"the {k} folds hold {sizes.tolist()} of {n} rows; each must hold one and leave two"
        )
    rows = np.zeros((k, sizes.max()), np.int64)
    order = np.argsort(folds, kind="stable")
    counted = np.arange(sizes.max())[None] < sizes[:, None]
    rows[counted] = order
    return Members(rows, counted)


def squares_from_statistics(
    rest: Statistics, part: Statistics, penalties: Float[np.ndarray, " p"]
) -> FoldSquares:
    """Of the rows of ``part``, by the ridges of the rows of ``rest``.

    Penalties whose solutions one space holds are solved in it, the others each by itself.
    """
    solvers.check_statistics(rest)
    size = float(jnp.trace(rest.scatter)) / len(rest.scatter)
    scatter, cross = rest.scatter / size, rest.cross / size
    bound = float(jnp.sqrt((scatter**2).sum())) * size
    least = float(penalties.min()) / size
    space = space_of(scatter, cross, least_shift=least, tolerance=_TOLERANCE)
    squares = []
    for shift in penalties / size:
        weights, residual = (None, np.inf) if space is None else space.solve(shift)
        if weights is None or residual > _TOLERANCE:
            weights = solvers.solve(rest, penalty=shift * size).weights
        squares.append(np.asarray(_held_out_squares(weights, rest, part), np.float64))
    return FoldSquares(np.stack(squares), 1 + bound / penalties)


def squares_from_spaces(
    kernel: Float[Array, "n n"],
    y: Float[Array, "n t"],
    penalties: Float[np.ndarray, " p"],
    members: Members,
) -> FoldSquares | None:
    """Of all folds of few rows, by one Krylov space a fold.

    None where a space does not hold the solutions of all penalties. The kernel is that of rows about the mean
    of all (`convcorr_jax.linear.ridge.held_out.products`): a mean far from zero would cost digits.
    """
    size = float(jnp.trace(kernel)) / len(kernel)
    squares, bound = np.zeros((len(penalties), y.shape[1])), 0.0
    for rows, kept in zip(*members, strict=True):
        out = rows[kept]
        rest = np.setdiff1d(np.arange(len(kernel)), out)
        inner, outer = _centred(kernel, rest, out)
        mean = y[rest].mean(0)[None]
        least = float(penalties.min()) / size
        space = space_of(
            inner / size,
            (y[rest] - mean) / size,
            least_shift=least,
            tolerance=_TOLERANCE,
            give_up=True,
        )
        if space is None or space.residual > _TOLERANCE:
            return None
        bound = max(bound, float(jnp.sqrt((inner**2).sum())))
        for row, shift in enumerate(penalties / size):
            missed = y[out] - mean - matrix_product(outer, space.solve(shift)[0])
            squares[row] += np.asarray((missed**2).sum(0))
    return FoldSquares(squares, 1 + bound / penalties)


@jax.jit
def _centred(kernel, rest, out):
    """The kernel of the rows ``rest``, and that of ``out`` with them, both about the mean of ``rest``."""
    inner, outer = kernel[rest][:, rest], kernel[out][:, rest]
    means = inner.mean(0)
    about = means[None] - means.mean()
    return inner - means[:, None] - about, outer - outer.mean(1)[:, None] - about


@jax.jit
def _held_out_squares(
    weights: Float[Array, "d t"], rest: Statistics, part: Statistics
) -> Float[Array, " t"]:
    """The squared errors on the rows of ``part`` of weights that were fitted to those of ``rest``."""
    product = matrix_product(part.scatter, weights)
    squares = part.spread + (weights * (product - 2 * part.cross)).sum(0)
    between = (part.feature_mean - rest.feature_mean)[None]
    offset = part.target_mean - rest.target_mean - matrix_product(between, weights)[0]
    return jnp.maximum(squares, 0) + part.count.astype(squares.dtype) * offset**2
