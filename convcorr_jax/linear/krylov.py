"""Systems of one positive matrix with many right-hand sides and many shifts, by block Lanczos.

For ``(A + s I) W = B`` at every shift s, where A is d by d and B has t columns: the space spanned by B, A B,
A A B, ... is the same for all shifts. In an orthonormal basis V of it, of m columns, A is a small matrix
``T = V'AV``, and with ``B = V_0 R``

    W = V (T + s I)^-1 E_0 R,        |(A + s I) W - B| = |R_next Y_last|,

E_0 the first t columns of the identity, ``Y_last`` the last t rows of the small solution, and ``R_next`` what
leads out of the space. So the error of every shift is known without a product with A, and the space grows until
it is small enough. Each step is one product of A with t columns, and two with all vectors found so far, which
keep the basis orthogonal.

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
from jax import lax
from jaxtyping import Array, Float

from convcorr_jax.linear.statistics import matrix_product

# Steps after which residuals are looked at.
_LOOK_EVERY = 4
# With fewer right-hand sides a product with them is no cheaper than reading the matrix.
_LEAST_COLUMNS = 32
# A smaller matrix is decomposed in milliseconds.
_LEAST_SIDE = 1024
# Of d: a larger space costs more than the decompositions that it saves.
_MOST_OF_D = 0.6


class Space(NamedTuple):
    """A basis of the space, and the matrix in it."""

    basis: Float[Array, "d m"]
    small: Float[np.ndarray, "m m"]
    right: Float[np.ndarray, "t t"]
    """R: the right-hand sides in the first t vectors of the basis."""
    leading: Float[np.ndarray, "t t"]
    """What leads out of the space."""

    def solve(self, shift: float) -> tuple[Float[Array, "d t"], float]:
        """W at a shift, and by how much it misses, relative to B, both as Frobenius norms."""
        small, residual = self.coefficients(shift)
        return matrix_product(self.basis, jnp.asarray(small, self.basis.dtype)), residual

    def coefficients(self, shift: float) -> tuple[Float[np.ndarray, "m t"], float]:
        """W in the basis, and by how much it misses."""
        t = len(self.right)
        right = np.zeros((len(self.small), t))
        right[:t] = self.right
        factor = scipy.linalg.cho_factor(self.small + shift * np.eye(len(self.small)))
        small = np.asarray(scipy.linalg.cho_solve(factor, right))
        missed = np.linalg.norm(self.leading @ small[-t:])
        return small, float(missed / np.linalg.norm(self.right))


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
    columns: list[np.ndarray] = []
    while True:
        step = len(columns)
        # In few sizes, so that few programs are compiled.
        filled = min(-(-(step + 1) // _LOOK_EVERY) * _LOOK_EVERY, most + 1) * t
        basis, column, leading = _step(matrix, basis, step * t, t=t, filled=filled)
        columns.append(np.asarray(column, np.float64))
        if len(columns) % _LOOK_EVERY and len(columns) < most:
            continue
        size = len(columns) * t
        upper = np.zeros((size, size))
        for number, one in enumerate(columns):
            upper[: (number + 1) * t, number * t : (number + 1) * t] = one[: (number + 1) * t]
        # Below the diagonal is the mirror image.
        small = np.triu(upper) + np.triu(upper, 1).T
        found = Space(
            basis[:, :size], small, np.asarray(r, np.float64), np.asarray(leading, np.float64)
        )
        _, residual = found.coefficients(least_shift)
        # Convergence quickens as the space grows; where twice its pace will not do, more steps are in vain.
        hopeless = give_up and residual ** (2 * most / len(columns)) > tolerance
        if len(columns) == most or residual <= tolerance or hopeless:
            return found


@functools.partial(jax.jit, static_argnames=("t", "filled"), donate_argnums=1)
def _step(matrix, basis, start, *, t, filled):
    """The matrix times the last t vectors of the basis: what it is in the basis, and what leads out of it."""
    known = basis[:, :filled]
    latest = lax.dynamic_slice(basis, (0, start), (basis.shape[0], t))
    product = matrix_product(matrix, latest)
    column = matrix_product(known.T, product)
    product = product - matrix_product(known, column)
    # Once more, for rounding leaves a rest the first time.
    again = matrix_product(known.T, product)
    product = product - matrix_product(known, again)
    following, leading = jnp.linalg.qr(product)
    basis = lax.dynamic_update_slice(basis, following, (0, start + t))
    return basis, column + again, leading
