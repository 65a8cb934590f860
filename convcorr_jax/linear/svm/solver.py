"""From standardized features to classifiers: what `fit` and `cross_validate` share."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from convcorr_jax.linear.svm.minimization import minimize
from convcorr_jax.linear.svm.problem import (
    LinearSVM,
    Loss,
    Parameters,
    StandardizedFeatures,
    certify,
    scores,
    unstandardize_classifier,
)

# The minimization aims at this fraction of the tolerance: it updates its residuals from step to step, each time
# with some rounding.
AIM = 0.9


class Start(NamedTuple):
    """Where a minimization starts, in standardized features."""

    parameters: Parameters
    dual_fractions: Float[Array, "problems n"]
    """Dual variables over their upper bounds."""


def signs_of(positive: Bool[Array, "n classes"], dtype: jnp.dtype) -> Float[Array, "classes n"]:
    """Return y of every class: +1 for its samples, -1 for all others."""
    return jnp.where(positive.T, 1, -1).astype(dtype)


def sample_weights_by_class(
    sample_weights: Float[Array, "n _"] | None, signs: Float[Array, "classes n"]
) -> Float[Array, "classes n"]:
    """Return the sample weights of every class, from one column for all classes or a column for each."""
    if sample_weights is None:
        return jnp.ones_like(signs)
    return jnp.broadcast_to(sample_weights.T, signs.shape).astype(signs.dtype)


def cold_start(standardized: StandardizedFeatures, signs: Float[Array, "problems n"]) -> Start:
    """Return a start with all parameters and dual variables 0."""
    count, dtype = len(signs), signs.dtype
    weights = jnp.zeros((count, standardized.rows.shape[1]), dtype)
    return Start(Parameters(weights, jnp.zeros(count, dtype)), jnp.zeros_like(signs))


def solve(
    standardized: StandardizedFeatures,
    signs: Float[Array, "problems n"],
    upper_bounds: Float[Array, "problems n"],
    start: Start,
    *,
    bias_scale: float | Float[Array, ""] | None,
    tolerance: float | Float[Array, ""],
    loss: Loss,
    max_rounds: int,
) -> tuple[LinearSVM, Start]:
    """Fit the classifiers of all problems; return those of the original features, and a start for the next."""
    upper_bounds = upper_bounds * standardized.scale**2
    hinge, free_bias = loss == "hinge", bias_scale is None
    if free_bias:
        start = _settle_one_sided(start, signs, upper_bounds)
    arrays, options = (standardized.rows, signs, upper_bounds), {"hinge": hinge, "free_bias": free_bias}
    minimum = minimize(*arrays, **start._asdict(), tolerance=AIM * tolerance, max_rounds=max_rounds, **options)
    parameters = minimum.iterate.parameters
    values = scores(parameters.weights, standardized.rows) + parameters.bias[:, None]
    residuals = 1 - signs * values
    dual_fractions = minimum.dual_fractions
    certificate = certify(
        *arrays, parameters=parameters, residuals=residuals, dual_fractions=dual_fractions, **options
    )
    weights, bias = unstandardize_classifier(standardized, parameters, bias_scale=bias_scale)
    rounding = _rounding(standardized, upper_bounds, parameters, bias, residuals, hinge)
    certificate = certificate._replace(gap=certificate.gap + rounding)
    model = LinearSVM(
        weights,
        bias,
        certificate.objective / standardized.scale**2,
        certificate.gap / standardized.scale**2,
        minimum.rounds,
        certificate.within(tolerance),
        certificate.dual / standardized.scale**2,
    )
    return model, Start(parameters, dual_fractions)


def _settle_one_sided(start: Start, signs, upper_bounds) -> Start:
    """Start problems whose samples are all of one sign at their minimum: no weights, a bias of that sign."""
    above, below = ((upper_bounds > 0) & (signs == sign) for sign in (1, -1))
    only = above.any(1).astype(signs.dtype) - below.any(1).astype(signs.dtype)
    settled = (only != 0)[:, None]
    return Start(
        Parameters(
            jnp.where(settled, 0, start.parameters.weights),
            jnp.where(settled[:, 0], only, start.parameters.bias),
        ),
        jnp.where(settled, 0, start.dual_fractions),
    )


def _rounding(standardized, upper_bounds, parameters, bias, residuals, hinge):
    """Estimate by how much the rounding of all scores can change the loss."""
    rows = jnp.linalg.norm(standardized.rows, axis=1) + (
        jnp.linalg.norm(standardized.mean) / standardized.scale
    )
    lengths = jnp.linalg.norm(parameters.weights, axis=1)
    unit = jnp.finfo(residuals.dtype).eps / 2
    # Without weights the scores are the bias, which is not rounded.
    whole = jnp.where(lengths > 0, 1 + jnp.abs(bias), 0)
    errors = unit * (whole[:, None] + lengths[:, None] * rows[None])
    reached = (residuals + errors).clip(0)
    positive = residuals.clip(0)
    if not hinge:
        reached, positive = reached**2, positive**2
    return (upper_bounds * (reached - positive)).sum(1)
