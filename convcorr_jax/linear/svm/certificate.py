"""What a classifier is worth: its objective, and a dual beside it from which the least objective is not far.

The objective and its dual are told in `convcorr_jax.linear.svm`. Here a sample's dual is ``u a``, u being cost
times weight: a is its share, at most 1 for the hinge.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from convcorr_jax.linear.svm.rows import Point, back_product


class Certificate(NamedTuple):
    """What a point and the dual beside it are worth."""

    objective: Float[Array, " lanes"]
    gap: Float[Array, " lanes"]
    """The objective less the dual's, every term of it above 0."""
    dual: Float[Array, "lanes n"]
    """Its sum, with the signs, is 0 where the bias is free."""
    smoothing: Float[Array, " lanes"]
    """The part of the gap that no step takes away while the shares stay."""
    slope: Point
    """Of the objective of `convcorr_jax.linear.svm.newton` at the point."""


def certify(
    rows: Float[Array, "n d"],
    signs: Float[Array, "lanes n"],
    caps: Float[Array, "lanes n"],
    *,
    point: Point,
    residuals: Float[Array, "lanes n"],
    shares: Float[Array, "lanes n"],
    hinge: bool,
    free_bias: bool,
) -> Certificate:
    """Compare a point with the dual ``caps * shares``, once that satisfies the free bias."""
    dual = caps * shares
    above = jnp.maximum(residuals, 0)
    loss = (caps * (above if hinge else above**2)).sum(1)
    smoothing = (caps * _excess(residuals, shares, hinge)).sum(1)
    if free_bias:
        sides = jnp.stack([jnp.where(signs > 0, dual, 0), jnp.where(signs < 0, dual, 0)])
        pulls = back_product(sides.reshape(-1, len(rows)), rows).reshape(2, len(signs), -1)
        sums = sides.sum(2)
        slope = Point(point.weights - (pulls[0] - pulls[1]), sums[1] - sums[0])
        # The heavier side gives way.
        lighter = sums.min(0, keepdims=True)
        parts = jnp.where(sums > 0, lighter / jnp.where(sums > 0, sums, 1), 0)
        part = jnp.where(signs > 0, parts[0][:, None], parts[1][:, None])
        dual, shares = part * dual, part * shares
        pulls = parts[:, :, None] * pulls
        apart = point.weights - (pulls[0] - pulls[1])
    else:
        apart = point.weights - back_product(signs * dual, rows)
        slope = Point(apart, jnp.zeros_like(point.bias))
    return Certificate(
        objective=(point.weights**2).sum(1) / 2 + loss,
        gap=(apart**2).sum(1) / 2 + (caps * _excess(residuals, shares, hinge)).sum(1),
        dual=dual,
        smoothing=smoothing,
        slope=slope,
    )


def _excess(residuals, shares, hinge):
    """Of every sample and per unit of u: its loss, less what its dual claims of it; never negative."""
    above, below = jnp.maximum(residuals, 0), jnp.maximum(-residuals, 0)
    if hinge:
        return (1 - shares) * above + shares * below
    return (shares / 2 - above) ** 2 + shares * below
