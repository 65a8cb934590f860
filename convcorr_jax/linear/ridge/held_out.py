"""Residuals of rows that were held out, from one decomposition of the kernel of all rows.

Of rows that are held out together, F, the residuals of the ridge fitted to all others follow from the fit to
all rows (Cook and Weisberg 1982, "Residuals and Influence in Regression"; leave-one-out is F of one row): with
centred rows X, targets Y and ``Q = (X X' + penalty I)^-1``, taken where rows sum to zero,

    e_F = (Q_FF)^-1 (Q Y)_F.

For few rows of many features: one eigendecomposition of X X' serves all folds and penalties.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from convcorr_jax.linear.ridge.statistics import gram, matrix_product


class Kernel(NamedTuple):
    """The eigendecomposition of X X', and the targets in its basis."""

    values: Float[Array, " n"]
    vectors: Float[Array, "n n"]
    along: Float[Array, "n t"]
    size: Float[Array, ""]
    """No eigenvalue of X X' is greater."""

    def solve(self, penalty: Float[Array, "*t"]) -> Float[Array, "n t"]:
        """Q Y, with one penalty or one for each target."""
        along = self.along / (self.values[:, None] + penalty.reshape(1, -1))
        return matrix_product(self.vectors, along)


@jax.jit
def products(x: Float[Array, "n d"]) -> Float[Array, "n n"]:
    """X X' of rows x about their mean."""
    return gram((x - x.mean(0)[None]).T)


@jax.jit
def decompose(inner: Float[Array, "n n"], y: Float[Array, "n t"]) -> Kernel:
    """Of the `products` of rows, and their targets y."""
    n = len(inner)
    size = jnp.sqrt((inner**2).sum())
    # The kernel annihilates the vector of ones, for rows are centred. Made its greatest eigenvector, it keeps
    # apart from the others, and what it adds to Q is known.
    values, vectors = jnp.linalg.eigh(inner / size + 1 / n, symmetrize_input=False)
    along = matrix_product(vectors.T, y - y.mean(0)[None])
    return Kernel(jnp.maximum(values, 0) * size, vectors, along, size)


@jax.jit
def held_out_residuals(
    kernel: Kernel,
    rows: Int[Array, "k m"] | Int[np.ndarray, "k m"],
    counted: Bool[Array, "k m"] | Bool[np.ndarray, "k m"],
    penalty: Float[Array, ""] | float,
) -> Float[Array, "k m t"]:
    """What ridges leave of the targets that were fitted without the fold of each row.

    Args:
        kernel: of all rows.
        rows: those of each fold, filled up to the size of the largest.
        counted: which of them are not filling; the residuals of that are 0.
        penalty: of all targets.
    """
    n, m = len(kernel.values), rows.shape[1]
    inverse = (1 / (kernel.values + penalty)).astype(kernel.values.dtype)
    right = kernel.solve(jnp.asarray(penalty, inverse.dtype))[rows]
    of_fold = jnp.where(counted[:, :, None], kernel.vectors[rows], 0)
    blocks = jnp.einsum(
        "kmn,n,kln->kml", of_fold, inverse, of_fold, precision=lax.Precision.HIGHEST
    )
    blocks = blocks - 1 / (n * (kernel.size + penalty))
    both = counted[:, :, None] & counted[:, None, :]
    blocks = jnp.where(both, blocks, jnp.eye(m, dtype=blocks.dtype)[None])
    factor = jnp.linalg.cholesky(blocks)
    residuals = jax.scipy.linalg.cho_solve((factor, True), right)
    return jnp.where(counted[:, :, None], residuals, 0)
