"""Leave-one-out errors of ridge regression, in a second pass over any number of rows.

The residual of a row by the ridge regression of all other rows is ``e_i = r_i / (1 - h_i)``, where r is the
row's residual by the ridge regression of all rows and h its leverage

    h_i = 1 / n + sum_j (x_i . v_j)^2 / (s_j + penalty),

with x centred, and v and s the eigenvectors and eigenvalues of X'X (Allen 1974, "The relationship between
variable selection and data augmentation", Technometrics 16). One decomposition serves all penalties, and rows
arrive in blocks, so that memory stays O(d^2 + d t).
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from convcorr_jax.linear.products import full_precision_matmul
from convcorr_jax.linear.ridge.eigenbasis import Eigenbasis


def leave_one_out_squares(
    whole: Eigenbasis,
    features: Float[Array, "n d"],
    targets: Float[Array, "n t"],
    penalties: Float[Array, " p"],
) -> Float[Array, "p t"]:
    """Sum the squared leave-one-out residuals of a block of rows, for every penalty and target.

    Args:
        whole: the decomposition of the statistics of all rows.
        features: a block of those rows, ``[n, d]``.
        targets: the targets of the block, ``[n, t]``.
        penalties: any number of penalties.
    """
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
