"""Ridge regressions of reduced rank: many targets from a few directions of the features.

Targets that vary together, such as the landmarks of a face, need far fewer directions of the features than
there are targets. Let P be the predictions of the training rows, c their mean, and B the first r right
singular vectors of ``P - c``. The function

    f_r(x) = c + B B' (f(x) - c)

has weights ``W B B'`` of rank r. Among all functions whose weights have at most that rank, it has the
least summed squared difference to the predictions f(x) of the training rows (Eckart and Young). It is stored
as the basis ``W B``, ``[d, r]``, and the loadings ``B'``, ``[r, t]``: ``r (d + t)`` numbers in place of
``d t``.

Source: Mukherjee and Zhu 2011, "Reduced Rank Ridge Regression and Its Kernel Extensions". Differs from the
paper: its metric includes the penalty, with the rows ``sqrt(penalty) I`` appended to the features; here it is
that of the predictions alone.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from convcorr_jax.errors import InputError
from convcorr_jax.linear.folds import full_precision_matmul
from convcorr_jax.linear.ridge.solvers import Ridge


class Subspace(NamedTuple):
    """The affine subspace in which predictions vary most."""

    center: Float[np.ndarray, " t"]
    directions: Float[np.ndarray, "t r"]
    """Orthonormal directions B about the center c."""

    def project(self, predictions: Float[np.ndarray, "n t"]) -> Float[np.ndarray, "n t"]:
        """Compute ``c + B B' (p - c)`` for every prediction p."""
        inside = (predictions - self.center) @ self.directions
        return self.center + inside @ self.directions.T


class LowRankRidge(NamedTuple):
    """A linear function of features for every target, with weights of low rank."""

    basis: Float[Array, "d r"]
    """Directions of the features; the largest absolute value of each is 1, for storage in half precision, or 0
    where no prediction varies."""
    loadings: Float[Array, "r t"]
    bias: Float[Array, " t"]

    def predict(self, features: Float[Array, "m d"] | Float[np.ndarray, "m d"]) -> Float[Array, "m t"]:
        """Compute ``loadings' basis' x + bias`` for every row x."""
        inside = full_precision_matmul(jnp.asarray(features), self.basis)
        return full_precision_matmul(inside, self.loadings) + self.bias[None]


def prediction_subspace(predictions: Float[np.ndarray, "n t"], *, rank: int) -> Subspace:
    """Compute the subspace of a rank with the least summed squared distance to predictions of training rows.

    >>> line = np.array([[1.0, 0.0], [2.0, 0.0], [3.0, 0.1]])
    >>> prediction_subspace(line, rank=1).directions.astype(float).round(2).ravel().tolist()
    [1.0, 0.05]

    Raises:
        InputError: the rank is below 1 or above the number of targets, or a prediction is NaN or infinite.
    """
    targets = predictions.shape[1]
    if not 1 <= rank <= targets:
        raise InputError(f"rank is {rank}; 1 to {targets}, the number of targets, are expected")
    if not np.isfinite(predictions).all():
        raise InputError("the predictions hold NaN or infinity; finite numbers are expected")
    center = predictions.mean(axis=0, dtype=np.float64)
    centered = predictions - center
    # Eigenvalues ascend.
    _, vectors = np.linalg.eigh(centered.T @ centered)
    directions = vectors[:, ::-1][:, :rank]
    # The sign of an eigenvector is arbitrary; its largest component is chosen to be positive.
    largest = np.abs(directions).argmax(axis=0)
    signs = np.sign(directions[largest, np.arange(rank)])
    return Subspace(center.astype(np.float32), (directions * signs).astype(np.float32))


def reduce_rank(ridge: Ridge, subspace: Subspace) -> LowRankRidge:
    """Return the regression whose predictions are another's, projected to their `prediction_subspace`."""
    center, directions = jnp.asarray(subspace.center), jnp.asarray(subspace.directions)
    basis = full_precision_matmul(ridge.weights, directions)
    scale = jnp.abs(basis).max(axis=0)
    # A direction in which no prediction varies has a basis of zeros.
    scale = jnp.where(scale > 0, scale, 1.0)
    offset = full_precision_matmul((ridge.bias - center)[None], directions)
    bias = center + full_precision_matmul(offset, directions.T)[0]
    return LowRankRidge(basis / scale[None], scale[:, None] * directions.T, bias)
