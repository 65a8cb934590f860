"""Residuals of held-out rows from one eigendecomposition of the kernel matrix of all rows.

The residuals of a set F of rows, by the ridge regression of all other rows, follow from the fit to all rows
(Cook and Weisberg 1982, "Residuals and Influence in Regression"; leave-one-out is the case of one row). With
centred rows X, targets Y and ``Q = (X X' + penalty I)^-1``, restricted to vectors that sum to zero,

    e_F = (Q_FF)^-1 (Q Y)_F.

This suits few rows of many features: one eigendecomposition of X X' serves all folds and penalties.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from convcorr_jax.linear.products import full_precision_matmul
from convcorr_jax.linear.ridge.row_statistics import gram


class KernelBasis(NamedTuple):
    """The eigendecomposition of the kernel matrix X X' of centred rows, and the targets in its basis."""

    eigenvalues: Float[Array, " n"]
    """Those of X X', none below 0, except that of the vector of ones: it is the Frobenius norm instead of 0."""
    vectors: Float[Array, "n n"]
    """Eigenvectors, one a column."""
    targets: Float[Array, "n t"]
    """The centred targets, in the basis."""
    frobenius_norm: Float[Array, ""]
    """The Frobenius norm of X X', an upper bound of its eigenvalues."""

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
    """Decompose a kernel matrix and express the targets in its basis.

    Args:
        kernel: X X' of centred rows, from `centered_kernel`.
        y: targets of the same rows.
    """
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
        basis: the decomposition of the kernel of all rows.
        rows: row numbers of each of k folds, padded to the size m of the largest.
        mask: True for rows, False for padding, whose residuals are 0.
        penalty: shared by all targets.
    """
    n, m = len(basis.eigenvalues), rows.shape[1]
    inverse = (1 / (basis.eigenvalues + penalty)).astype(basis.eigenvalues.dtype)
    right = basis.solve(jnp.asarray(penalty, inverse.dtype))[rows]
    fold_vectors = jnp.where(mask[:, :, None], basis.vectors[rows], 0)
    blocks = jnp.einsum(
        "kmn,n,kln->kml", fold_vectors, inverse, fold_vectors, precision=lax.Precision.HIGHEST
    )
    blocks = blocks - 1 / (n * (basis.frobenius_norm + penalty))
    both = mask[:, :, None] & mask[:, None, :]
    blocks = jnp.where(both, blocks, jnp.eye(m, dtype=blocks.dtype)[None])
    factor = jnp.linalg.cholesky(blocks)
    residuals = jax.scipy.linalg.cho_solve((factor, True), right)
    return jnp.where(mask[:, :, None], residuals, 0)
