"""Systems of one positive matrix with many right-hand sides and many shifts, by block Lanczos.

For ``(A + s I) W = B`` at every shift s, where A is d by d and B has t columns: the space spanned by B, A B, A
A B, ... is the same for all shifts. In an orthonormal basis V of it, of k blocks of t columns, A is a small
matrix ``T = V'AV``, of which all is zero but the blocks D_j on the diagonal and C_j below them (and their
mirror images), and with ``B = V_0 R``

    W = V (T + s I)^-1 E_0 R,        |(A + s I) W - B| = |C_k Y_last|,

E_0 the first t columns of the identity, ``Y_last`` the last t rows of the small solution, and ``C_k`` what
leads out of the space. So the error of every shift is known without a product with A, and the space grows until
it is small enough. Each step is one product of A with t columns, and two with all vectors found so far, which
keep the basis orthogonal; a small system is solved in O(k t^3).

Where the eigenvalues of ``A + s I`` are within a factor of some hundred this takes far fewer operations than a
decomposition for each shift; otherwise, or when t is small, more. So it stops when the space has a part of d.
Source: Frommer, Lund and Szyld, "Block Krylov subspace methods for functions of matrices", ETNA 47 (2017).
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
import threadpoolctl
from jax import lax
from jaxtyping import Array, Float

from convcorr_jax.linear.ridge.statistics import matrix_product

# Steps between which the space is given one size.
_GROWS_BY = 4
# With fewer right-hand sides a product with them is no cheaper than reading the matrix.
_LEAST_COLUMNS = 32
# A smaller matrix is decomposed in milliseconds.
_LEAST_SIDE = 1024
# Of d: a larger space costs more than the decompositions that it saves.
_MOST_OF_D = 0.6


# Two threads take twenty times as long as one for matrices of a hundred columns.
_one_thread = threadpoolctl.threadpool_limits.wrap(limits=1, user_api="blas")


class Space(NamedTuple):
    """A basis of the space, and the matrix in it."""

    basis: Float[Array, "d m"]
    diagonal: Float[np.ndarray, "k t t"]
    below: Float[np.ndarray, "k t t"]
    """The last of them leads out of the space."""
    right: Float[np.ndarray, "t t"]
    """R: the right-hand sides in the first t vectors of the basis."""
    residual: float
    """By how much the least shift misses, as `solve` says of any."""

    def solve(self, shift: float) -> tuple[Float[Array, "d t"], float]:
        """W at a shift, and by how much it misses, relative to B, both as Frobenius norms."""
        small, residual = self.coefficients(shift)
        return matrix_product(self.basis, jnp.asarray(small, self.basis.dtype)), residual

    @_one_thread
    def coefficients(self, shift: float) -> tuple[Float[np.ndarray, "m t"], float]:
        """W in the basis, and by how much it misses."""
        blocks: list[_Eliminated] = []
        for j, block in enumerate(self.diagonal):
            above = (blocks[-1], self.below[j - 1]) if j else None
            blocks.append(_eliminate(block, above, self.right, shift))
        found = [_divided_back(blocks[-1].factor, blocks[-1].right)]
        for upper, lower in zip(blocks[-2::-1], blocks[:0:-1], strict=True):
            found.append(_divided_back(upper.factor, upper.right - lower.link.T @ found[-1]))
        return np.concatenate(found[::-1]), _missed(blocks[-1], self.below[-1], self.right)


class _Eliminated(NamedTuple):
    """A block of the small system after all blocks above it were eliminated, by Cholesky's decomposition."""

    factor: Float[np.ndarray, "t t"]
    link: Float[np.ndarray, "t t"]
    """The block's row left of the diagonal."""
    right: Float[np.ndarray, "t t"]


def _eliminate(block, above, right, shift) -> _Eliminated:
    """One block more; ``above`` holds the block before it and what is below that one."""
    shifted = block + shift * np.eye(len(block))
    link = np.zeros_like(shifted)
    if above is not None:
        before, below = above
        link = _divided(before.factor, below.T).T
        shifted, right = shifted - link @ link.T, -link @ before.right
    factor = np.asarray(scipy.linalg.cholesky(shifted, lower=True, check_finite=False))
    return _Eliminated(factor, link, _divided(factor, right))


def _missed(last: _Eliminated, leading, right) -> float:
    """The residual where the space ends with this block."""
    missed = np.linalg.norm(leading @ _divided_back(last.factor, last.right))
    return float(missed / np.linalg.norm(right))


def _divided(factor, right) -> np.ndarray:
    return np.asarray(scipy.linalg.solve_triangular(factor, right, lower=True, check_finite=False))


def _divided_back(factor, right) -> np.ndarray:
    return np.asarray(
        scipy.linalg.solve_triangular(factor, right, lower=True, trans="T", check_finite=False)
    )


@_one_thread
def space_of(
    matrix: Float[Array, "d d"],
    right: Float[Array, "d t"],
    *,
    least_shift: float,
    tolerance: float,
    give_up: bool = False,
) -> Space | None:
    """A space in which all shifts are solved, or as large a one as pays.

    Args:
        matrix: symmetric, with no negative eigenvalue; not much greater or less than 1.
        right: B.
        least_shift: positive; of all shifts the residual of the least is the greatest.
        tolerance: the residual with which the space is large enough.
        give_up: whether to stop as soon as the least shift seems out of reach; a space that goes on holds the
            solutions of more of the other shifts.

    Returns:
        The space; None where the matrix is small, or there are too few right-hand sides for this to pay.
    """
    d, t = right.shape
    most = int(_MOST_OF_D * d) // t
    if d < _LEAST_SIDE or t < _LEAST_COLUMNS or most < 2:
        return None
    first, r = jnp.linalg.qr(right)
    # One block more than can be filled: what leads out of the last one is put there.
    basis = jnp.zeros((d, (most + 1) * t), matrix.dtype)
    basis = lax.dynamic_update_slice(basis, first, (0, 0))
    begin = np.asarray(r, np.float64)
    diagonal, below = [], []
    above = None
    while True:
        size = len(diagonal) + 1
        # In few sizes, so that few programs are compiled.
        filled = min(-(-size // _GROWS_BY) * _GROWS_BY, most + 1) * t
        basis, block, leading = _step(matrix, basis, size * t, t=t, filled=filled)
        diagonal.append(np.asarray(block, np.float64))
        below.append(np.asarray(leading, np.float64))
        last = _eliminate(diagonal[-1], above, begin, least_shift)
        residual = _missed(last, below[-1], begin)
        # Convergence quickens as the space grows; where twice its pace will not do, more steps are in vain.
        hopeless = give_up and size >= _GROWS_BY and residual ** (2 * most / size) > tolerance
        if size == most or residual <= tolerance or hopeless:
            return Space(basis[:, : size * t], np.stack(diagonal), np.stack(below), begin, residual)
        above = last, below[-1]


@functools.partial(jax.jit, static_argnames=("t", "filled"), donate_argnums=1)
def _step(matrix, basis, end, *, t, filled):
    """The blocks of the matrix times the last t vectors of the basis, and the vectors that lead out of it."""
    known = basis[:, :filled]
    latest = lax.dynamic_slice(basis, (0, end - t), (len(basis), t))
    product = matrix_product(matrix, latest)
    along = matrix_product(known.T, product)
    following, leading = _beyond(known, product - matrix_product(known, along))
    basis = lax.dynamic_update_slice(basis, following, (0, end))
    block = lax.dynamic_slice(along, (end - t, 0), (t, t))
    return basis, (block + block.T) / 2, leading


def _beyond(
    known: Float[Array, "d m"], vectors: Float[Array, "d t"]
) -> tuple[Float[Array, "d t"], Float[Array, "t t"]]:
    """Vectors Q, orthonormal and orthogonal to the known ones, and R, with ``vectors = Q R`` but for rounding.

    The vectors are orthogonal to the known ones but for rounding, which dominates those that are nearly zero or
    nearly depend on others.
    """
    once, first = _by_cholesky(vectors)
    once = _without(known, once)
    twice, second = _by_cholesky(once)

    def safely():
        found, total = jnp.linalg.qr(vectors)
        for _ in range(2):
            found, factor = jnp.linalg.qr(_without(known, found))
            total = matrix_product(factor, total)
        return found, total

    # Cholesky's way is several times as fast, but where it breaks down: the second factor is then far from the
    # identity, or NaN, of which no comparison holds.
    near = jnp.abs(jnp.diagonal(second) - 1).max() < 0.05
    return lax.cond(near, lambda: (twice, matrix_product(second, first)), safely)


def _without(known, vectors):
    return vectors - matrix_product(known, matrix_product(known.T, vectors))


def _by_cholesky(vectors):
    factor = jnp.linalg.cholesky(matrix_product(vectors.T, vectors), symmetrize_input=False)
    found = lax.linalg.triangular_solve(
        factor, vectors, left_side=False, lower=True, transpose_a=True
    )
    return found, factor.T
