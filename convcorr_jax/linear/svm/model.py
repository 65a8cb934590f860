"""The result of a fit: one linear classifier for each class."""

from typing import Literal, NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int32

Loss = Literal["hinge", "squared_hinge"]


class LinearSVM(NamedTuple):
    """A linear classifier for each class, with diagnostics of the fit.

    ``*batch`` are the axes that `jax.vmap` adds; `fit` itself adds none.
    """

    weights: Float[Array, "*batch classes d"]
    """w of each class."""
    bias: Float[Array, "*batch classes"]
    """b of each class."""
    objective: Float[Array, "*batch classes"]
    """The objective of `convcorr_jax.linear.svm.fitting` at w and b."""
    gap: Float[Array, "*batch classes"]
    """The minimum is at most this far below the objective, by the value of ``dual`` before it is rounded."""
    rounds: Int32[Array, "*batch classes"]
    """Rounds: ten ADMM iterations, at most one Newton step, or one step of the interior-point method."""
    converged: Bool[Array, "*batch classes"]
    """Whether the gap is within the tolerance times the objective."""
    dual: Float[Array, "*batch classes n"]
    """The dual variable of each sample, alpha in `convcorr_jax.linear.svm.fitting`; often 0."""

    def decisions(self, features: Float[Array, "m d"]) -> Float[Array, "*batch m classes"]:
        """Compute ``w . x + b``: above 0 for the class, below for the rest; the greatest is the best class."""
        values = jnp.einsum(
            "md,...cd->...mc", features, self.weights, precision=lax.Precision.HIGHEST
        )
        return values + jnp.expand_dims(self.bias, -2)
