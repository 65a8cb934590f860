"""Exact leave-one-out errors of ridge regression in a second pass over rows of any number.

The residual of a row by the ridge of all others is ``e_i = r_i / (1 - h_i)``, with r its residual by the ridge
of all rows and the leverage

    h_i = 1 / n + sum_j (x_i . v_j)^2 / (s_j + penalty),

x centred, v and s the eigenvectors and eigenvalues of X'X (Allen 1974, "The relationship between variable
selection and data augmentation", Technometrics 16). One decomposition serves all penalties, and rows come in
blocks: memory is O(d^2 + d t) again.
"""

import jax
from jaxtyping import Array, Float

from convcorr_jax.linear.ridge.eigenbasis import Eigenbasis
from convcorr_jax.linear.ridge.statistics import matrix_product


def leave_one_out_squares(
    whole: Eigenbasis,
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
    # Two programs: as one, XLA for CPUs fuses the products with the sum and takes twice as long.
    fitted, leverage = _fitted(whole, features, penalties)
    return _squares(targets - whole.target_mean[None], fitted, leverage + 1 / whole.count)


@jax.jit
def _fitted(whole, features, penalties):
    """What the ridges of all rows say of targets about their mean, and leverages about the mean row."""
    (d, t), p = whole.cross.shape, len(penalties)
    along = matrix_product(features - whole.feature_mean[None], whole.vectors)
    inverse = 1 / (whole.eigenvalues[:, None] + penalties[None])
    # One product for all penalties: a loop of one compiled program would use one core of a CPU.
    weights = (inverse[:, :, None] * whole.cross[:, None]).reshape(d, p * t)
    return matrix_product(along, weights).reshape(-1, p, t), matrix_product(along**2, inverse)


@jax.jit
def _squares(targets, fitted, leverage):
    residuals = targets[:, None] - fitted
    return ((residuals / (1 - leverage[:, :, None])) ** 2).sum(axis=0)
