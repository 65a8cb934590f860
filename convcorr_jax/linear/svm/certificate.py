"""The duality gap of a classifier: its objective, compared with the value of a feasible dual.

The objective and its dual are given in `convcorr_jax.linear.svm.fitting`. The dual variable of a sample is
``alpha = u a``: u is cost times sample weight (alpha's upper bound, for the hinge), a is the dual fraction, at
most 1 for the hinge.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from convcorr_jax.linear.svm.parameters import Parameters, weighted_sums


class Certificate(NamedTuple):
    """The objective of each problem, and how far from the least objective it can be."""

    objective: Float[Array, " problems"]
    gap: Float[Array, " problems"]
    """The objective less the dual value, computed as a sum of terms that are not negative."""
    dual: Float[Array, "problems n"]
    """A feasible dual; its sum with the signs is 0 if the bias is free."""
    slackness: Float[Array, " problems"]
    """The part of the gap from complementary slackness, which stays as long as the dual fractions stay."""
    gradient: Parameters
    """The gradient of the objective of `convcorr_jax.linear.svm.newton`."""

    def within(self, tolerance: float | Float[Array, ""]) -> Bool[Array, " problems"]:
        """Return whether the gap is within the tolerance times the objective, and finite."""
        return (self.gap <= tolerance * self.objective) & jnp.isfinite(self.gap)


def certify(
    rows: Float[Array, "n d"],
    signs: Float[Array, "problems n"],
    upper_bounds: Float[Array, "problems n"],
    *,
    parameters: Parameters,
    residuals: Float[Array, "problems n"],
    dual_fractions: Float[Array, "problems n"],
    hinge: bool,
    free_bias: bool,
) -> Certificate:
    """Compare classifiers with the dual ``upper_bounds * dual_fractions``, made feasible for a free bias.

    Args:
        rows: standardized features.
        signs: y, +1 or -1.
        upper_bounds: u, cost times sample weight.
        parameters: the classifiers.
        residuals: ``1 - y (w . x + b)``.
        dual_fractions: a, not negative, and at most 1 for the hinge.
        hinge: True for the hinge, False for its square.
        free_bias: whether the bias is free; otherwise it is 0.
    """
    dual = upper_bounds * dual_fractions
    positive = jnp.maximum(residuals, 0)
    loss = (upper_bounds * (positive if hinge else positive**2)).sum(1)
    slackness = (upper_bounds * _slackness(residuals, dual_fractions, hinge)).sum(1)
    if free_bias:
        sides = jnp.stack([jnp.where(signs > 0, dual, 0), jnp.where(signs < 0, dual, 0)])
        side_sums = weighted_sums(sides.reshape(-1, len(rows)), rows)
        side_sums = side_sums.reshape(2, len(signs), -1)
        totals = sides.sum(2)
        gradient = Parameters(
            parameters.weights - (side_sums[0] - side_sums[1]), totals[1] - totals[0]
        )
        # The side with the greater sum is scaled down to the sum of the other.
        least = totals.min(0, keepdims=True)
        factors = jnp.where(totals > 0, least / jnp.where(totals > 0, totals, 1), 0)
        factor = jnp.where(signs > 0, factors[0][:, None], factors[1][:, None])
        dual, dual_fractions = factor * dual, factor * dual_fractions
        side_sums = factors[:, :, None] * side_sums
        difference = parameters.weights - (side_sums[0] - side_sums[1])
    else:
        difference = parameters.weights - weighted_sums(signs * dual, rows)
        gradient = Parameters(difference, jnp.zeros_like(parameters.bias))
    remaining = upper_bounds * _slackness(residuals, dual_fractions, hinge)
    return Certificate(
        objective=(parameters.weights**2).sum(1) / 2 + loss,
        gap=(difference**2).sum(1) / 2 + remaining.sum(1),
        dual=dual,
        slackness=slackness,
        gradient=gradient,
    )


def _slackness(residuals, dual_fractions, hinge):
    """Compute each sample's loss less its term in the dual, per unit of u; never negative."""
    positive, negative = jnp.maximum(residuals, 0), jnp.maximum(-residuals, 0)
    if hinge:
        return (1 - dual_fractions) * positive + dual_fractions * negative
    return (dual_fractions / 2 - positive) ** 2 + dual_fractions * negative
