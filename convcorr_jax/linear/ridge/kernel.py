"""Eigendecompositions that solve ridge regressions for any number of penalties, also without some rows.

Penalties may be shared by all targets or differ between them. The residual of a row by the ridge regression of
all other rows is ``e_i = r_i / (1 - h_i)``, where r is the row's residual by the ridge regression of all rows
and h its leverage

    h_i = 1 / n + sum_j (x_i . v_j)^2 / (s_j + penalty),

with x centred, and v and s the eigenvectors and eigenvalues of X'X (Allen 1974, "The relationship between
variable selection and data augmentation", Technometrics 16). Rows arrive in blocks: memory stays ``d^2 + d t``
numbers.

The residuals of a set F of rows, by the ridge regression of all other rows, follow from the fit to all rows
(Cook and Weisberg 1982, "Residuals and Influence in Regression"). With centred rows X, targets Y and ``Q = (X
X' + penalty I)^-1``, restricted to vectors that sum to zero,

    e_F = (Q_FF)^-1 (Q Y)_F.

This suits few rows of many features: one eigendecomposition of X X' serves all folds and penalties.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from convcorr_jax.linear.folds import full_precision_matmul
from convcorr_jax.linear.ridge.row_statistics import Statistics, gram


class Eigenbasis(NamedTuple):
    """The statistics of a set of rows; ``cross`` in the basis of the eigenvectors of their scatter matrix."""

    eigenvalues: Float[Array, " d"]
    """Those of the scatter, in rising order, none below 0; ``vectors`` holds an eigenvector a column."""
    vectors: Float[Array, "d d"]
    cross: Float[Array, "d t"]
    feature_mean: Float[Array, " d"]
    target_mean: Float[Array, " t"]
    count: Float[Array, ""]

    @jax.jit
    def condition(self, penalties: Float[Array, "*p"]) -> Float[Array, "*p"]:
        """Compute an upper bound of the condition numbers of ``scatter + penalty I``, also of fewer rows."""
        # Without some rows, the greatest eigenvalue is no greater, and the least may be 0.
        return 1 + self.eigenvalues[-1] / penalties

    def solve(self, penalty: Float[Array, "*t"]) -> Float[Array, "d t"]:
        """Compute the ridge weights of these rows, with one penalty or one for each target."""
        coefficients = self.cross / (self.eigenvalues[:, None] + penalty.reshape(1, -1))
        return full_precision_matmul(self.vectors, coefficients)


@jax.jit
def decompose_scatter(summed: Statistics) -> Eigenbasis:
    """Decompose the scatter matrix of the statistics of all rows."""
    mean_eigenvalue = jnp.trace(summed.scatter) / len(summed.scatter)
    values, vectors = jnp.linalg.eigh(summed.scatter / mean_eigenvalue, symmetrize_input=False)
    return Eigenbasis(
        jnp.maximum(values, 0) * mean_eigenvalue,
        vectors,
        full_precision_matmul(vectors.T, summed.cross),
        summed.feature_mean,
        summed.target_mean,
        summed.count.astype(values.dtype),
    )


def leave_one_out_squares(
    whole: Eigenbasis,
    features: Float[Array, "n d"],
    targets: Float[Array, "n t"],
    penalties: Float[Array, " p"],
) -> Float[Array, "p t"]:
    """Sum the squared leave-one-out residuals of a block of all rows, for every penalty and target."""
    # Two programs: as one, XLA for CPUs fuses the products with the sum and takes twice as long.
    return _squares(whole, targets, *_fitted(whole, features, penalties))


@jax.jit
def _fitted(whole, features, penalties):
    """Compute fitted values about the target mean, and leverages about the mean row."""
    (d, t), p = whole.cross.shape, len(penalties)
    coordinates = full_precision_matmul(features - whole.feature_mean[None], whole.vectors)
    inverse = 1 / (whole.eigenvalues[:, None] + penalties[None])
    # One product for all penalties: a loop of one compiled program would use one core of a CPU.
    weights = (inverse[:, :, None] * whole.cross[:, None]).reshape(d, p * t)
    fitted = full_precision_matmul(coordinates, weights).reshape(-1, p, t)
    return fitted, full_precision_matmul(coordinates**2, inverse)


@jax.jit
def _squares(whole, targets, fitted, leverage):
    residuals = (targets - whole.target_mean[None])[:, None] - fitted
    left = (1 - 1 / whole.count - leverage)[:, :, None]
    # Where a row alone determines its fitted value, nothing is left but rounding.
    left = jnp.where(left > jnp.finfo(left.dtype).eps, left, jnp.nan)
    return ((residuals / left) ** 2).sum(axis=0)


class KernelBasis(NamedTuple):
    """The eigendecomposition of the kernel X X' of centred rows, and the centred targets in its basis."""

    eigenvalues: Float[Array, " n"]
    """Those of X X', none below 0, except that of the vector of ones: it is the Frobenius norm instead of 0."""
    vectors: Float[Array, "n n"]
    targets: Float[Array, "n t"]
    frobenius_norm: Float[Array, ""]
    """That of X X', an upper bound of its eigenvalues."""

    def solve(self, penalty: Float[Array, "*t"]) -> Float[Array, "n t"]:
        """Compute Q Y, with one penalty or one for each target."""
        coefficients = self.targets / (self.eigenvalues[:, None] + penalty.reshape(1, -1))
        return full_precision_matmul(self.vectors, coefficients)


@jax.jit
def centered_kernel(x: Float[Array, "n d"]) -> Float[Array, "n n"]:
    """Compute the kernel matrix X X' of the rows x about their mean."""
    return gram((x - x.mean(0)[None]).T)


@jax.jit
def decompose_kernel(kernel: Float[Array, "n n"], y: Float[Array, "n t"]) -> KernelBasis:
    """Decompose the kernel matrix of centred rows and express their targets in its basis."""
    n = len(kernel)
    frobenius_norm = jnp.sqrt((kernel**2).sum())
    # The kernel of centred rows annihilates the vector of ones. Adding 1 / n turns that vector into the
    # eigenvector of the greatest eigenvalue, apart from all others; its contribution to Q is known.
    values, vectors = jnp.linalg.eigh(kernel / frobenius_norm + 1 / n, symmetrize_input=False)
    targets = full_precision_matmul(vectors.T, y - y.mean(0)[None])
    return KernelBasis(jnp.maximum(values, 0) * frobenius_norm, vectors, targets, frobenius_norm)


@jax.jit
def held_out_residuals(
    basis: KernelBasis,
    rows: Int[Array, "k m"] | Int[np.ndarray, "k m"],
    mask: Bool[Array, "k m"] | Bool[np.ndarray, "k m"],
    penalty: Float[Array, ""] | float,
) -> Float[Array, "k m t"]:
    """Compute the residuals of each fold's rows by ridge regressions fitted without that fold.

    Args:
        rows: row numbers of each of k folds, padded to the size m of the largest.
        mask: True for rows, False for padding, whose residuals are 0.
    """
    n, m = len(basis.eigenvalues), rows.shape[1]
    inverse = (1 / (basis.eigenvalues + penalty)).astype(basis.eigenvalues.dtype)
    right = basis.solve(jnp.asarray(penalty, inverse.dtype))[rows]
    fold_vectors = jnp.where(mask[:, :, None], basis.vectors[rows], 0)
    blocks = jnp.einsum("kmn,n,kln->kml", fold_vectors, inverse, fold_vectors, precision=lax.Precision.HIGHEST)
    blocks = blocks - 1 / (n * (basis.frobenius_norm + penalty))
    both = mask[:, :, None] & mask[:, None, :]
    blocks = jnp.where(both, blocks, jnp.eye(m, dtype=blocks.dtype)[None])
    factor = jnp.linalg.cholesky(blocks)
    residuals = jax.scipy.linalg.cho_solve((factor, True), right)
    return jnp.where(mask[:, :, None], residuals, 0)
