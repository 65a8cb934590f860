"""The method of multipliers for many support vector machines at once, in coordinates that suit it.

The objective and the method are told in `convcorr_jax.linear.svm`. Here a sample's dual is ``u a``, u being
cost times weight: a is its share, at most 1 for the hinge. Features are moved to their mean if the bias
is free, divided by one number, and turned to the axes of their second moment; where there are fewer samples
than features, they are first written in a basis of the samples. None of this changes the problem.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int32

from convcorr_jax.linear.newton import Lanes, Point, back_product, product, step

# Of the hinge's inner problems: the stiffness begins so soft that most samples bend the loss, and grows slowly,
# because few bent samples make equations that the shared preconditioner does not fit; and only where new
# shares did not help by SLOW, because it multiplies the residuals' rounding.
FIRST_STIFFNESS = 0.5
GROWTH = 1.5
SLOW = 0.5
# An inner problem is left when what is left of it is below so many times what its shares leave.
READINESS = 3.0


class Posed(NamedTuple):
    """Features in the coordinates of the module's text, and the way there."""

    features: Float[Array, "n e"]
    """As given, less their mean if the bias is free; else with a column for the bias."""
    mean: Float[Array, " d"]
    scale: Float[Array, ""]
    basis: Float[Array, "e r"]
    rows: Float[Array, "n r"]
    moments: Float[Array, " r"]


class Reached(NamedTuple):
    """Where the lanes are, and how."""

    point: Point
    shares: Float[Array, "lanes n"]
    """About which the hinge is smoothed: at the minimum, those of the dual."""
    stiffness: Float[Array, " lanes"]
    smoothing: Float[Array, " lanes"]
    """What the shares before these left of the gap."""
    iterations: Int32[Array, " lanes"]
    done: Bool[Array, " lanes"]
    rounds: Int32[Array, ""]


def pose(features: Float[Array, "n d"], bias_scale: float | Float[Array, ""] | None) -> Posed:
    """The features in new coordinates; ``bias_scale`` None is a free bias."""
    n, d = features.shape
    if bias_scale is None:
        mean = features.mean(0)
        features = features - mean[None]
    else:
        mean = jnp.zeros(d, features.dtype)
        column = jnp.full((n, 1), bias_scale, features.dtype)
        features = jnp.concatenate([features, column], axis=1)
    scale = jnp.sqrt((features**2).mean())
    scale = jnp.where(scale > 0, scale, 1)
    rows = features / scale
    basis = jnp.eye(features.shape[1], dtype=features.dtype)
    if n < features.shape[1]:
        basis, triangle = jnp.linalg.qr(rows.T)
        rows = triangle.T
    moments, axes = jnp.linalg.eigh(_matmul(rows.T, rows) / n)
    return Posed(
        features, mean, scale, _matmul(basis, axes), _matmul(rows, axes), moments.clip(min=0)
    )


def inward(
    posed: Posed,
    weights: Float[Array, "classes d"],
    bias: Float[Array, " classes"],
    bias_scale: float | Float[Array, ""] | None,
) -> Point:
    """A classifier in the new coordinates."""
    if bias_scale is None:
        bias = bias + _matmul(weights, posed.mean)
    else:
        weights = jnp.concatenate([weights, bias[:, None] / bias_scale], axis=1)
        bias = jnp.zeros_like(bias)
    return Point(_matmul(weights, posed.basis) * posed.scale, bias)


def outward(posed: Posed, point: Point) -> Point:
    """A classifier of ``posed.features``, from one in the new coordinates."""
    return Point(_matmul(point.weights, posed.basis.T) / posed.scale, point.bias)


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
    """Of the objective of `convcorr_jax.linear.newton` at the point."""


def certify(
    rows: Float[Array, "n r"],
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
    sides = jnp.stack([jnp.where(signs > 0, dual, 0), jnp.where(signs < 0, dual, 0)])
    pulls = back_product(sides.reshape(-1, len(rows)), rows).reshape(2, len(signs), -1)
    sums = sides.sum(2)
    slope = Point(point.weights - (pulls[0] - pulls[1]), (sums[1] - sums[0]) * float(free_bias))
    above = jnp.maximum(residuals, 0)
    loss = (caps * (above if hinge else above**2)).sum(1)
    smoothing = (caps * _excess(residuals, shares, hinge)).sum(1)
    if free_bias:
        # The heavier side gives way.
        lighter = sums.min(0, keepdims=True)
        parts = jnp.where(sums > 0, lighter / jnp.where(sums > 0, sums, 1), 0)
        part = jnp.where(signs > 0, parts[0][:, None], parts[1][:, None])
        dual, shares = part * dual, part * shares
        pulls = parts[:, :, None] * pulls
    apart = point.weights - (pulls[0] - pulls[1])
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


def shares_at(
    shares: Float[Array, "lanes n"],
    stiffness: Float[Array, " lanes"],
    residuals: Float[Array, "lanes n"],
    *,
    hinge: bool,
) -> Float[Array, "lanes n"]:
    """The dual that belongs to a point."""
    return (shares + stiffness[:, None] * residuals).clip(0, 1 if hinge else None)


def minimise(
    posed: Posed,
    signs: Float[Array, "lanes n"],
    caps: Float[Array, "lanes n"],
    *,
    point: Point,
    shares: Float[Array, "lanes n"],
    hinge: bool,
    free_bias: bool,
    tolerance: float | Float[Array, ""],
    max_iterations: int,
) -> Reached:
    """Until the gap of every lane is within the tolerance, relative to the objective.

    Args:
        posed: the features.
        signs: y.
        caps: u.
        point: to start from, in the new coordinates.
        shares: to start from; the squared hinge has none, they are 0.
        hinge: or else its square.
        free_bias: or else b is kept at 0.
        tolerance: of the gap.
        max_iterations: rounds of the loop, each at most one Newton step a lane.
    """
    caps = caps * posed.scale**2
    lanes = Lanes(
        posed.rows, posed.moments, signs, caps, 1.0 if hinge else jnp.inf, float(free_bias)
    )

    def advance(reached: Reached) -> Reached:
        point, stiffness = reached.point, reached.stiffness
        margins = signs * (product(point.weights, posed.rows) + point.bias[:, None])
        residuals = 1 - margins
        active = shares_at(reached.shares, stiffness, residuals, hinge=hinge)
        now = certify(
            posed.rows,
            signs,
            caps,
            point=point,
            residuals=residuals,
            shares=active,
            hinge=hinge,
            free_bias=free_bias,
        )
        done = now.gap <= tolerance * now.objective
        if hinge:
            ready = ~done & (now.gap <= (1 + READINESS) * now.smoothing)
        else:
            ready = jnp.zeros_like(done)
        moving = ~(done | ready)
        slow = ready & (now.smoothing > SLOW * reached.smoothing)
        there = step(
            lanes,
            point,
            shares=reached.shares,
            stiffness=stiffness,
            residuals=residuals,
            slope=now.slope,
            moving=moving,
        )
        return Reached(
            there,
            jnp.where(ready[:, None], active, reached.shares),
            jnp.where(slow, GROWTH * stiffness, stiffness),
            jnp.where(ready, now.smoothing, reached.smoothing),
            reached.iterations + moving,
            done,
            reached.rounds + 1,
        )

    count = len(signs)
    return lax.while_loop(
        lambda reached: (reached.rounds < max_iterations) & ~reached.done.all(),
        advance,
        Reached(
            point,
            shares,
            jnp.full(count, FIRST_STIFFNESS if hinge else 2.0, signs.dtype),
            jnp.full(count, jnp.inf, signs.dtype),
            jnp.zeros(count, jnp.int32),
            jnp.zeros(count, bool),
            jnp.int32(0),
        ),
    )


def _matmul(a, b):
    return jnp.matmul(a, b, precision=lax.Precision.HIGHEST)
