"""The eigendecomposition of a scatter matrix, which solves ridge regressions for any number of penalties.

The penalties may be shared by all targets or differ between them.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from convcorr_jax.linear.products import full_precision_matmul
from convcorr_jax.linear.ridge.row_statistics import Statistics


class Eigenbasis(NamedTuple):
    """The statistics of a set of rows in the basis of the eigenvectors of their scatter matrix."""

    eigenvalues: Float[Array, " d"]
    """Eigenvalues of the scatter, in rising order, none below 0."""
    vectors: Float[Array, "d d"]
    """Eigenvectors, one a column."""
    cross: Float[Array, "d t"]
    """The cross products of features and targets, in the basis."""
    feature_mean: Float[Array, " d"]
    target_mean: Float[Array, " t"]
    count: Float[Array, ""]
    """Number of rows."""

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
