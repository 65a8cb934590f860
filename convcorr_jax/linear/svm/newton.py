"""Newton steps for many linear classifiers that share their rows of features.

Every lane l has signs y, caps U >= 0, shares s, a stiffness k, and minimises over w and b

    f(w, b) = 1/2 |w|^2 + sum_i U_i psi_i(1 - y_i (w . x_i + b)),
    psi_i'(r) = clip(s_i + k r, 0, top),

which is convex, once differentiable and piecewise quadratic. With ``s = 0, k = 2, top = inf`` the psi is the
squared hinge; with ``top = 1`` it is the hinge's Moreau envelope about s, the inner problem of the method of
multipliers (`convcorr_jax.linear.svm`).

A step solves the Newton equations by conjugate gradients, all lanes in the same matrix products, then
searches the line exactly. The rows' second moment, as far as their `Spectrum` tells it, scaled by how much
of the loss is quadratic, preconditions every lane.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from convcorr_jax.linear.svm.rows import Point, Spectrum, back_product, product

# The Newton equations are solved until the residual has fallen to this fraction, or for so many products: a
# closer solution saves no step that is worth its price.
FORCING = 0.3
CONJUGATE_STEPS = 30
# The line is searched until the slope has fallen to this fraction.
FLATNESS = 0.1
LINE_STEPS = 20
# The free bias has no quadratic term of its own; damped by its slope over this, it never moves further.
FURTHEST_BIAS = 4.0


class Lanes(NamedTuple):
    """What the lanes minimise, apart from s and k."""

    rows: Float[Array, "n d"]
    spectrum: Spectrum
    signs: Float[Array, "lanes n"]
    caps: Float[Array, "lanes n"]
    top: float
    bias: float
    """1 where there is a bias b, 0 where b stays 0."""


class State(NamedTuple):
    """Where the lanes are."""

    point: Point
    residuals: Float[Array, "lanes n"]
    """``1 - y (w . x + b)`` there."""


def step(
    lanes: Lanes,
    state: State,
    *,
    shares: Float[Array, "lanes n"],
    stiffness: Float[Array, " lanes"],
    slope: Point,
    moving: Bool[Array, " lanes"],
) -> State:
    """Where the lanes that are moving get by one Newton step.

    Args:
        lanes: the problem.
        state: where the lanes are.
        shares: s of the module's text.
        stiffness: k of the module's text.
        slope: the gradient there.
        moving: the other lanes stay.
    """
    point, residuals = state
    slope = Point(jnp.where(moving[:, None], slope.weights, 0), jnp.where(moving, slope.bias, 0))
    curvature = _curvature(lanes, shares, stiffness, residuals)
    way, change = _direction(lanes, slope, curvature)
    change = lanes.signs * change

    along = (point.weights * way.weights).sum(1)
    square = (way.weights**2).sum(1)

    def slope_at(length: Float[Array, " lanes"]):
        there = residuals - length[:, None] * change
        active = jnp.clip(shares + stiffness[:, None] * there, 0, lanes.top)
        bend = _curvature(lanes, shares, stiffness, there)
        return (
            along + length * square - (lanes.caps * active * change).sum(1),
            square + (bend * change**2).sum(1),
        )

    first = (slope.weights * way.weights).sum(1) + slope.bias * way.bias
    length = _root(slope_at, FLATNESS * jnp.abs(first))
    return State(_plus(point, length, way), residuals - length[:, None] * change)


def _curvature(lanes, shares, stiffness, residuals):
    """Second derivative of the loss of every sample."""
    active = shares + stiffness[:, None] * residuals
    return jnp.where((active > 0) & (active < lanes.top), lanes.caps * stiffness[:, None], 0)


class _Search(NamedTuple):
    steps: Int[Array, ""]
    way: Point
    change: Float[Array, "lanes n"]
    """``w . x + b`` of the way."""
    rest: Point
    """What the way leaves of the equations' right side."""
    heading: Point
    size: Float[Array, " lanes"]
    """Of the rest, squared, in the preconditioner's norm."""


def _direction(
    lanes: Lanes, slope: Point, curvature: Float[Array, "lanes n"]
) -> tuple[Point, Float[Array, "lanes n"]]:
    """Solves the Newton equations by preconditioned conjugate gradients: the way, and its ``w . x + b``."""
    total = curvature.sum(1)
    damping = jnp.abs(slope.bias) / FURTHEST_BIAS
    tiny = jnp.finfo(total.dtype).tiny
    axes, moments, floor = lanes.spectrum
    flat = 1 / (1 + total * floor)
    on_axes = 1 / (1 + total[:, None] * moments[None]) - flat[:, None]

    def conditioned(rest: Point) -> Point:
        seen = on_axes * product(rest.weights, axes.T)
        return Point(
            flat[:, None] * rest.weights + back_product(seen, axes.T),
            rest.bias / jnp.maximum(total + damping, tiny),
        )

    def advance(search: _Search) -> _Search:
        heading = search.heading
        change = product(heading.weights, lanes.rows) + heading.bias[:, None]
        pull = curvature * change
        bent = Point(
            heading.weights + back_product(pull, lanes.rows),
            lanes.bias * (pull.sum(1) + damping * heading.bias),
        )
        length = _ratio(search.size * (search.size > enough), _dot(heading, bent))
        rest = _plus(search.rest, -length, bent)
        steep = conditioned(rest)
        size = _dot(rest, steep)
        return _Search(
            search.steps + 1,
            _plus(search.way, length, heading),
            search.change + length[:, None] * change,
            rest,
            _plus(steep, _ratio(size, search.size), heading),
            size,
        )

    rest = Point(-slope.weights, -slope.bias)
    steep = conditioned(rest)
    size = _dot(rest, steep)
    enough = FORCING**2 * size
    nowhere = Point(jnp.zeros_like(slope.weights), jnp.zeros_like(slope.bias))
    found = lax.while_loop(
        lambda search: (search.steps < CONJUGATE_STEPS) & (search.size > enough).any(),
        advance,
        _Search(jnp.int32(0), nowhere, jnp.zeros_like(curvature), rest, steep, size),
    )
    return found.way, found.change


def _root(slope_at, flat):
    """Where a rising slope is flat enough: Newton's method from 1, kept within a bracket."""

    def advance(state):
        steps, length, low, high, slope, bend = state
        low, high = jnp.where(slope < 0, length, low), jnp.where(slope > 0, length, high)
        there = length - _ratio(slope, bend)
        halfway = jnp.where(jnp.isinf(high), 2 * length, (low + high) / 2)
        there = jnp.where((there > low) & (there < high), there, halfway)
        length = jnp.where(jnp.abs(slope) > flat, there, length)
        return steps + 1, length, low, high, *slope_at(length)

    one = jnp.ones_like(flat)
    start = jnp.int32(0), one, 0 * one, jnp.inf * one, *slope_at(one)
    return lax.while_loop(
        lambda state: (state[0] < LINE_STEPS) & (jnp.abs(state[4]) > flat).any(), advance, start
    )[1]


def _dot(a: Point, b: Point) -> Float[Array, " lanes"]:
    return (a.weights * b.weights).sum(1) + a.bias * b.bias


def _plus(a: Point, factor: Float[Array, " lanes"], b: Point) -> Point:
    return Point(a.weights + factor[:, None] * b.weights, a.bias + factor * b.bias)


def _ratio(a: Float[Array, " lanes"], b: Float[Array, " lanes"]) -> Float[Array, " lanes"]:
    """A quotient; 0 where b is not above 0."""
    return jnp.where(b > 0, a / jnp.where(b > 0, b, 1), 0)
