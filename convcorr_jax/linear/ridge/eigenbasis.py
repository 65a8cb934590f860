"""The eigendecomposition of a scatter: one serves the ridges of all penalties, and one for each target."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from convcorr_jax.linear.ridge.statistics import Statistics, matrix_product


class Eigenbasis(NamedTuple):
    """The statistics of all rows, in the basis of the eigenvectors of their scatter."""

    eigenvalues: Float[Array, " d"]
    vectors: Float[Array, "d d"]
    """One a column."""
    cross: Float[Array, "d t"]
    feature_mean: Float[Array, " d"]
    target_mean: Float[Array, " t"]
    count: Float[Array, ""]

    def condition(self, penalties: Float[Array, "*p"]) -> Float[Array, "*p"]:
        """The greatest eigenvalue of the system over the least."""
        least = jnp.maximum(self.eigenvalues[0], 0)
        return (self.eigenvalues[-1] + penalties) / (least + penalties)

    def solve(self, penalty: Float[Array, "*t"]) -> Float[Array, "d t"]:
        """The weights of the ridge of these rows, with one penalty or one for each target."""
        along = self.cross / (self.eigenvalues[:, None] + penalty.reshape(1, -1))
        return matrix_product(self.vectors, along)


@jax.jit
def eigenbasis(summed: Statistics) -> Eigenbasis:
    """Of the statistics of all rows."""
    size = jnp.trace(summed.scatter) / len(summed.scatter)
    values, vectors = jnp.linalg.eigh(summed.scatter / size, symmetrize_input=False)
    return Eigenbasis(
        jnp.maximum(values, 0) * size,
        vectors,
        matrix_product(vectors.T, summed.cross),
        summed.feature_mean,
        summed.target_mean,
        summed.count.astype(values.dtype),
    )
