"""Exact leave-one-out errors of ridge regression in a second pass over rows of any number.

The residual of a row by the ridge of all others is ``e_i = r_i / (1 - h_i)``, with r its residual by the ridge
of all rows and the leverage

    h_i = 1 / n + sum_j (x_i . v_j)^2 / (s_j + penalty),

x centred, v and s the eigenvectors and eigenvalues of X'X (Allen 1974, "The relationship between variable
selection and data augmentation", Technometrics 16). One decomposition serves all penalties, and rows come in
blocks: memory is O(d^2 + d t) again.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from convcorr_jax.linear.statistics import Statistics, matrix_product


class Spectrum(NamedTuple):
    """The statistics of all rows, in the basis of the eigenvectors of their scatter."""

    eigenvalues: Float[Array, " d"]
    vectors: Float[Array, "d d"]
    """One a column."""
    cross: Float[Array, "d t"]
    feature_mean: Float[Array, " d"]
    target_mean: Float[Array, " t"]
    count: Float[Array, ""]

    def condition(self, penalties: Float[Array, " p"]) -> Float[Array, " p"]:
        """The greatest eigenvalue of the system over the least."""
        least = jnp.maximum(self.eigenvalues[0], 0)
        return (self.eigenvalues[-1] + penalties) / (least + penalties)


@jax.jit
def spectrum(summed: Statistics) -> Spectrum:
    """Of the statistics of all rows."""
    size = jnp.trace(summed.scatter) / len(summed.scatter)
    values, vectors = jnp.linalg.eigh(summed.scatter / size, symmetrize_input=False)
    return Spectrum(
        jnp.maximum(values, 0) * size,
        vectors,
        matrix_product(vectors.T, summed.cross),
        summed.feature_mean,
        summed.target_mean,
        summed.count.astype(values.dtype),
    )


@jax.jit
def leave_one_out_squares(
    whole: Spectrum,
    features: Float[Array, "n d"],
    targets: Float[Array, "n t"],
    penalties: Float[Array, " p"],
) -> Float[Array, "p t"]:
    """The sum of squared leave-one-out residuals of some of the rows, for every penalty and target.

    Args:
        whole: of all rows.
        features: some of them.
        targets: theirs.
        penalties: any number of them.
    """
    (d, t), p = whole.cross.shape, len(penalties)
    along = matrix_product(features - whole.feature_mean[None], whole.vectors)
    inverse = 1 / (whole.eigenvalues[:, None] + penalties[None])
    # One product for all penalties: a loop of one compiled program would use one core of a CPU.
    weights = (inverse[:, :, None] * whole.cross[:, None]).reshape(d, p * t)
    fitted = matrix_product(along, weights).reshape(-1, p, t)
    residuals = (targets - whole.target_mean[None])[:, None] - fitted
    kept = 1 - 1 / whole.count - matrix_product(along**2, inverse)
    return ((residuals / kept[:, :, None]) ** 2).sum(axis=0)
