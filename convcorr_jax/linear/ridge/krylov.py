"""Block Lanczos for one positive semidefinite matrix with many right-hand sides and many shifts.

The systems are ``(A + s I) W = B`` at every shift s, where A is d by d and B has t columns. The Krylov space
spanned by B, A B, A A B, ... is the same for all shifts. In an orthonormal basis V of it, of k blocks of t
columns, A becomes a small block-tridiagonal matrix ``T = V'AV``, with blocks D_j on the diagonal and C_j below
(and their transposes above). With ``B = V_0 R``,

    W = V (T + s I)^-1 E_0 R,        |(A + s I) W - B| = |C_k Y_last|,

where E_0 is the first t columns of the identity, ``Y_last`` the last t rows of the small solution, and ``C_k``
the block that leads out of the space. The error of every shift is therefore known without a product with A, and
the space grows until the error is small enough. Each step is one product of A with t columns, and two products
with all basis vectors so far, which keep the basis orthogonal; a small system is solved in O(k t^3).

This takes far fewer operations than one decomposition for each shift if the eigenvalues of ``A + s I`` are
within a factor of some hundred, and more otherwise or if t is small. Hence the space stops growing at a
fraction of d.
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

from convcorr_jax.linear.folds import full_precision_matmul

# The basis is padded to a multiple of this many blocks, so that few programs are compiled.
_GROWS_BY = 4
# With fewer right-hand sides a product with them is no cheaper than reading the matrix.
_LEAST_COLUMNS = 32
# A smaller matrix is decomposed in milliseconds.
_LEAST_SIDE = 1024
# As a fraction of d: a larger space costs more than the decompositions that it saves.
_MOST_OF_D = 0.6


# Two BLAS threads take twenty times as long as one for matrices of a hundred columns.
_one_thread = threadpoolctl.threadpool_limits.wrap(limits=1, user_api="blas")


class KrylovSpace(NamedTuple):
    """An orthonormal basis V of a Krylov space of k blocks, and the matrix T in it."""

    basis: Float[Array, "d m"]
    """V, one vector a column; m is k times t."""
    diagonal: Float[np.ndarray, "k t t"]
    below: Float[np.ndarray, "k t t"]
    """The blocks C_j; the last one leads out of the space."""
    right: Float[np.ndarray, "t t"]
    """R."""
    residual: float
    """The residual of the least shift, relative to B, both in the Frobenius norm."""

    def solve(self, shift: float) -> tuple[Float[Array, "d t"], float]:
        """Solve at a shift: return W and its residual relative to B, both in the Frobenius norm."""
        small, residual = self.coefficients(shift)
        return full_precision_matmul(self.basis, jnp.asarray(small, self.basis.dtype)), residual

    @_one_thread
    def coefficients(self, shift: float) -> tuple[Float[np.ndarray, "m t"], float]:
        """Solve the small system at a shift: return W in the basis, and its relative residual."""
        blocks: list[_Eliminated] = []
        for j, block in enumerate(self.diagonal):
            above = (blocks[-1], self.below[j - 1]) if j else None
            blocks.append(_eliminate(block, above, self.right, shift))
        solution = [_solve_transposed(blocks[-1].factor, blocks[-1].right)]
        for upper, lower in zip(blocks[-2::-1], blocks[:0:-1], strict=True):
            right = upper.right - lower.link.T @ solution[-1]
            solution.append(_solve_transposed(upper.factor, right))
        residual = _relative_residual(blocks[-1], self.below[-1], self.right)
        return np.concatenate(solution[::-1]), residual


class _Eliminated(NamedTuple):
    """A block after elimination of those above: diagonal Cholesky factor, block left of it, right side."""

    factor: Float[np.ndarray, "t t"]
    link: Float[np.ndarray, "t t"]
    right: Float[np.ndarray, "t t"]


def _eliminate(block, above, right, shift) -> _Eliminated:
    """Eliminate one more block; ``above`` holds the eliminated block before it and the block C below that."""
    shifted = block + shift * np.eye(len(block))
    link = np.zeros_like(shifted)
    if above is not None:
        before, below = above
        link = _solve_lower(before.factor, below.T).T
        shifted, right = shifted - link @ link.T, -link @ before.right
    factor = np.asarray(scipy.linalg.cholesky(shifted, lower=True, check_finite=False))
    return _Eliminated(factor, link, _solve_lower(factor, right))


def _relative_residual(last: _Eliminated, leading, right) -> float:
    """Compute the relative residual if the space ends with this block."""
    missing = np.linalg.norm(leading @ _solve_transposed(last.factor, last.right))
    return float(missing / np.linalg.norm(right))


def _solve_lower(factor, right) -> np.ndarray:
    return np.asarray(scipy.linalg.solve_triangular(factor, right, lower=True, check_finite=False))


def _solve_transposed(factor, right) -> np.ndarray:
    return np.asarray(scipy.linalg.solve_triangular(factor, right, lower=True, trans="T", check_finite=False))


def pays_off(d: int, t: int) -> bool:
    """Return whether a Krylov space with t right-hand sides can beat one decomposition for each shift."""
    return d >= _LEAST_SIDE and t >= _LEAST_COLUMNS and _most_blocks(d, t) >= 2


def _most_blocks(d: int, t: int) -> int:
    return int(_MOST_OF_D * d) // t


@_one_thread
def krylov_space(
    matrix: Float[Array, "d d"],
    right: Float[Array, "d t"],
    *,
    least_shift: float,
    tolerance: float,
    give_up: bool = False,
) -> KrylovSpace | None:
    """Build a Krylov space that solves the least shift to a tolerance, or is as large as pays off.

    Return None if it does not pay off (`pays_off`).

    Args:
        matrix: A, ``[d, d]``; symmetric, without negative eigenvalues, of a magnitude near 1.
        right: B, ``[d, t]``.
        least_shift: the least of all shifts, positive; its residual is the greatest of all, and the space stops
            growing when it is below the tolerance, relative to B.
        give_up: stop as soon as the tolerance seems out of reach. A space that keeps growing solves more of the
            other shifts.
    """
    d, t = right.shape
    if not pays_off(d, t):
        return None
    most = _most_blocks(d, t)
    first, r = jnp.linalg.qr(right)
    # One block more than the space may have: it receives the vectors that lead out of the last block.
    basis = jnp.zeros((d, (most + 1) * t), matrix.dtype)
    basis = lax.dynamic_update_slice(basis, first, (0, 0))
    begin = np.asarray(r, np.float64)
    diagonal, below = [], []
    above = None
    while True:
        size = len(diagonal) + 1
        padded = min(-(-size // _GROWS_BY) * _GROWS_BY, most + 1) * t
        basis, block, leading = _step(matrix, basis, size * t, t=t, padded=padded)
        diagonal.append(np.asarray(block, np.float64))
        below.append(np.asarray(leading, np.float64))
        last = _eliminate(diagonal[-1], above, begin, least_shift)
        residual = _relative_residual(last, below[-1], begin)
        # Convergence speeds up as the space grows; if twice the present rate does not suffice, stop.
        hopeless = give_up and size >= _GROWS_BY and residual ** (2 * most / size) > tolerance
        if size == most or residual <= tolerance or hopeless:
            blocks = np.stack(diagonal), np.stack(below)
            return KrylovSpace(basis[:, : size * t], *blocks, begin, residual)
        above = last, below[-1]


@functools.partial(jax.jit, static_argnames=("t", "padded"), donate_argnums=1)
def _step(matrix, basis, end, *, t, padded):
    """Append to the basis the matrix times its last t vectors; return it with the new blocks of T."""
    known = basis[:, :padded]
    latest = lax.dynamic_slice(basis, (0, end - t), (len(basis), t))
    product = full_precision_matmul(matrix, latest)
    along = full_precision_matmul(known.T, product)
    following, leading = _orthonormalize(known, product - full_precision_matmul(known, along))
    basis = lax.dynamic_update_slice(basis, following, (0, end))
    block = lax.dynamic_slice(along, (end - t, 0), (t, t))
    return basis, (block + block.T) / 2, leading


def _orthonormalize(
    known: Float[Array, "d m"], vectors: Float[Array, "d t"]
) -> tuple[Float[Array, "d t"], Float[Array, "t t"]]:
    """Compute the QR decomposition of vectors, orthogonal to the known but for rounding; Q is fully so."""
    once, first = _cholesky_qr(vectors)
    once = _project_out(known, once)
    twice, second = _cholesky_qr(once)

    def by_householder():
        q, total = jnp.linalg.qr(vectors)
        for _ in range(2):
            q, factor = jnp.linalg.qr(_project_out(known, q))
            total = full_precision_matmul(factor, total)
        return q, total

    # Cholesky QR is several times as fast, except where it breaks down: there the second factor is far from the
    # identity, or NaN, for which every comparison is false.
    near = jnp.abs(jnp.diagonal(second) - 1).max() < 0.05
    return lax.cond(near, lambda: (twice, full_precision_matmul(second, first)), by_householder)


def _project_out(known, vectors):
    return vectors - full_precision_matmul(known, full_precision_matmul(known.T, vectors))


def _cholesky_qr(vectors):
    factor = jnp.linalg.cholesky(full_precision_matmul(vectors.T, vectors), symmetrize_input=False)
    q = lax.linalg.triangular_solve(factor, vectors, left_side=False, lower=True, transpose_a=True)
    return q, factor.T
