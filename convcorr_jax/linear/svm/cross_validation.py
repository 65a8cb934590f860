"""The cost of a support vector machine, by cross-validation: all folds and classes in one loop."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int, Int32

from convcorr_jax.errors import InputError
from convcorr_jax.linear.svm.machine import (
    Loss,
    check,
    check_options,
    fitted,
    origin,
    signs_of,
    weights_of,
)
from convcorr_jax.linear.svm.rows import pose


class CostCurve(NamedTuple):
    """Cross-validation for every cost; of the fits, all but their weights."""

    decisions: Float[Array, "costs n classes"]
    """Of every sample, by the classifier whose fold held it out."""
    objective: Float[Array, "costs k classes"]
    gap: Float[Array, "costs k classes"]
    iterations: Int32[Array, "costs k classes"]
    converged: Bool[Array, "costs k classes"]


def cross_validate(
    features: Float[Array, "n d"],
    positive: Bool[Array, "n classes"],
    *,
    costs: Float[Array, " costs"] | Float[np.ndarray, " costs"],
    folds: Int[Array, " n"] | Int[np.ndarray, " n"],
    k: int,
    loss: Loss = "squared_hinge",
    bias_scale: float | None = None,
    sample_weights: Float[Array, "n _"] | None = None,
    tolerance: float = 1e-4,
    max_iterations: int = 200,
) -> CostCurve:
    """Fit without each fold, for every cost, and decide on the samples of the fold.

    The folds and classes of a cost are fitted together, and start where those of the cost before ended: costs
    are best in rising order.

    Args:
        features: as of `convcorr_jax.linear.svm.fit`, like all that is not told here.
        positive: which samples are of which class.
        costs: any number of them.
        folds: the number, 0 to k - 1, of the fold that holds each sample out (`convcorr_jax.linear.folds`).
        k: number of folds.
        loss: as of `fit`.
        bias_scale: as of `fit`.
        sample_weights: as of `fit`.
        tolerance: as of `fit`.
        max_iterations: as of `fit`, for each cost.

    Raises:
        InputError: as of `fit`; or a fold's number is not in 0 to k - 1.
    """
    check(features, positive, sample_weights, costs=costs, bias_scale=bias_scale)
    check_options(loss, tolerance, max_iterations)
    if len(costs) == 0 or k < 2:
        raise InputError(
            f"there are {len(costs)} costs and {k} folds; at least 1 and 2 are expected"
        )
    if not isinstance(folds, jax.core.Tracer):
        numbers = np.asarray(folds)
        if numbers.min() < 0 or numbers.max() >= k:
            raise InputError(f"folds has numbers other than 0 to {k - 1}")
    return _cross_validate(
        features,
        positive,
        jnp.asarray(costs, features.dtype),
        jnp.asarray(folds),
        sample_weights,
        bias_scale,
        tolerance,
        k=k,
        loss=loss,
        max_iterations=max_iterations,
    )


@functools.partial(jax.jit, static_argnames=("k", "loss", "max_iterations"))
def _cross_validate(
    features,
    positive,
    costs,
    folds,
    sample_weights,
    bias_scale,
    tolerance,
    *,
    k,
    loss,
    max_iterations,
):
    (n, _), classes = features.shape, positive.shape[1]
    signs = signs_of(positive, features.dtype)
    held_out = folds[None] == jnp.arange(k)[:, None]
    weights = (weights_of(sample_weights, signs)[None] * ~held_out[:, None]).reshape(-1, n)
    signs = jnp.tile(signs, (k, 1))
    posed = pose(features, (weights > 0).any(0), bias_scale=bias_scale)

    def for_cost(state, cost):
        fits, state = fitted(
            posed,
            signs,
            cost * weights,
            state,
            bias_scale=bias_scale,
            tolerance=tolerance,
            loss=loss,
            max_iterations=max_iterations,
        )
        values = fits.decisions(features).reshape(n, k, classes)
        decisions = jnp.where(held_out.T[:, :, None], values, 0).sum(1)
        told = (fits.objective, fits.gap, fits.iterations, fits.converged)
        return state, CostCurve(decisions, *(one.reshape(k, classes) for one in told))

    return lax.scan(for_cost, origin(posed, signs), costs)[1]
