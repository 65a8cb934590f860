"""The cost of a support vector machine by cross-validation: all folds and classes in one loop."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int, Int32

from convcorr_jax.errors import InputError
from convcorr_jax.linear.svm.checks import check_arrays, check_options
from convcorr_jax.linear.svm.interior_point import (
    SHARED_ROUNDS,
    Problem,
    is_traced,
    solve_remaining,
)
from convcorr_jax.linear.svm.model import Loss
from convcorr_jax.linear.svm.solver import cold_start, sample_weights_by_class, signs_of, solve
from convcorr_jax.linear.svm.standardization import standardize


class HeldOutDecisions(NamedTuple):
    """Decision values of held-out samples for every cost, with diagnostics of the fits."""

    decisions: Float[Array, "costs n classes"]
    """``w . x + b`` of every sample, by the classifier whose fold held it out."""
    objective: Float[Array, "costs k classes"]
    """Objective of each fit."""
    gap: Float[Array, "costs k classes"]
    """Duality gap of each fit."""
    rounds: Int32[Array, "costs k classes"]
    """Rounds of each fit, as of `convcorr_jax.linear.svm.fit`."""
    converged: Bool[Array, "costs k classes"]
    """Whether the gap is within the tolerance times the objective."""


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
    max_rounds: int = 200,
) -> HeldOutDecisions:
    """Fit without each fold, for every cost, and compute the decision values of the fold's samples.

    All folds and classes of a cost are fitted together, starting from the solutions of the previous cost;
    rising costs are therefore fastest. What does not converge so is solved alone, as by
    `convcorr_jax.linear.svm.fit`.

    Args:
        features: one sample a row, ``[n, d]``.
        positive: True where a sample is of a class, ``[n, classes]``.
        costs: any number of costs, each positive.
        folds: for each sample the number of the fold that holds it out, 0 to k - 1; see
            `convcorr_jax.linear.stratified_folds`.
        k: number of folds.
        loss: the hinge, or its square, which is faster.
        bias_scale: the penalty on the bias is ``1/2 (b / bias_scale)^2``; None for a free bias.
        sample_weights: not negative, one column for all classes or a column for each; 1 by default.
        tolerance: a fit ends when its gap is below this fraction of its objective.
        max_rounds: limit of the rounds for each cost, as of `convcorr_jax.linear.svm.fit`.

    Returns:
        The decision values of all samples, in their order, for every cost; and the objective, gap, rounds and
        convergence of the fit of every cost, fold and class.

    Raises:
        InputError: an option is out of its range; a fold's number is not in 0 to k - 1; or features or weights
            are NaN, infinite or too large to be squared, or weights are negative.
    """
    check_arrays(features, positive, sample_weights, costs=costs, bias_scale=bias_scale)
    check_options(loss, tolerance, max_rounds)
    if len(costs) == 0 or k < 2:
        raise InputError(
            f"there are {len(costs)} costs and {k} folds; at least 1 and 2 are expected"
        )
    if not isinstance(folds, jax.core.Tracer):
        numbers = np.asarray(folds)
        if numbers.min() < 0 or numbers.max() >= k:
            raise InputError(f"folds has numbers other than 0 to {k - 1}")
    costs = jnp.asarray(costs, features.dtype)
    traced = is_traced(features, positive, costs, folds, sample_weights, bias_scale, tolerance)
    held_out = _cross_validate(
        features,
        positive,
        costs,
        jnp.asarray(folds),
        sample_weights,
        bias_scale,
        tolerance,
        k=k,
        loss=loss,
        max_rounds=max_rounds if traced else min(max_rounds, SHARED_ROUNDS),
    )
    if traced or held_out.converged.all():
        return held_out
    rows, signs = np.asarray(features, np.float64), np.where(positive, 1.0, -1.0)
    weights = 1.0 if sample_weights is None else np.asarray(sample_weights, np.float64)
    weights = np.broadcast_to(weights, signs.shape)
    folds, bounds = np.asarray(folds), np.asarray(costs, np.float64)
    fitted = dict(zip(held_out._fields, map(np.array, held_out), strict=True))

    def problem(i: int, fold: int, j: int) -> Problem:
        kept = bounds[i] * weights[:, j] * (folds != fold)
        return Problem(rows, signs[:, j], kept, loss == "hinge", bias_scale)

    for (i, fold, j), found in solve_remaining(
        fitted, problem, tolerance=float(tolerance), max_rounds=max_rounds
    ):
        out = folds == fold
        fitted["decisions"][i, out, j] = rows[out] @ found.weights + found.bias
    return HeldOutDecisions(**{name: jnp.asarray(values) for name, values in fitted.items()})


@functools.partial(jax.jit, static_argnames=("k", "loss", "max_rounds"))
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
    max_rounds,
):
    (n, _), classes = features.shape, positive.shape[1]
    signs = signs_of(positive, features.dtype)
    held_out = folds[None] == jnp.arange(k)[:, None]
    class_weights = sample_weights_by_class(sample_weights, signs)
    problem_weights = (class_weights[None] * ~held_out[:, None]).reshape(-1, n)
    signs = jnp.tile(signs, (k, 1))
    standardized = standardize(features, (problem_weights > 0).any(0), bias_scale=bias_scale)

    def for_cost(start, cost):
        fits, start = solve(
            standardized,
            signs,
            cost * problem_weights,
            start,
            bias_scale=bias_scale,
            tolerance=tolerance,
            loss=loss,
            max_rounds=max_rounds,
        )
        values = fits.decisions(features).reshape(n, k, classes)
        decisions = jnp.where(held_out.T[:, :, None], values, 0).sum(1)
        diagnostics = (fits.objective, fits.gap, fits.rounds, fits.converged)
        return start, HeldOutDecisions(
            decisions, *(values.reshape(k, classes) for values in diagnostics)
        )

    return lax.scan(for_cost, cold_start(standardized, signs), costs)[1]
