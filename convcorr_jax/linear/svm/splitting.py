"""Alternating directions, which come near the minimum in few products, and need nothing but products.

The residuals ``r = 1 - y (w . x + b)`` are split from copies z that bear the loss; p u are the prices of
``r = z``, and in the end the dual. In turn, with the sums ``v = z + u``,

    z = argmin caps * loss(z) + p / 2 (v - z)^2,  u = v - z,
    w, b = argmin 1/2 |w|^2 + p / 2 |r - z + u|^2,
    v = 1.8 r - 0.8 z + u.

The second argmin is linear, with a matrix that all lanes share and that is inverted once for every
stiffness p. Near the minimum, and at high cost, progress is slow: `convcorr_jax.linear.svm.multipliers` takes over.

Source: S. Boyd et al., "Distributed optimization and statistical learning via the alternating direction
method of multipliers", Found. Trends Mach. Learn. 3 (2011), sections 3.4 and 8.2.3. The balance of p is ours.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int, Int32

from convcorr_jax.linear.svm.certificate import certify
from convcorr_jax.linear.svm.rows import Point, back_product, product

# The stiffness at first, over the mean cap.
STIFFNESS = 0.1
# It changes where the two parts of the gap are further out of balance, by the fourth root of that: a new
# inverse costs about as much as a round.
OUT_OF_BALANCE = 16.0
FURTHEST = 4.0
OVER_RELAXATION = 1.8
ITERATIONS_PER_ROUND = 10
ROUNDS = 20


class Approached(NamedTuple):
    """Where the lanes are, how they got there, and whether that is near enough."""

    point: Point
    residuals: Float[Array, "lanes n"]
    sums: Float[Array, "lanes n"]
    """v of the module's text."""
    shares: Float[Array, "lanes n"]
    """The dual over the caps."""
    gap: Float[Array, " lanes"]
    smoothing: Float[Array, " lanes"]
    """What of the gap comes from the residuals; the rest comes from the dual."""
    rounds: Int32[Array, " lanes"]
    done: Bool[Array, " lanes"]


class _Stiff(NamedTuple):
    stiffness: Float[Array, ""]
    inverse: Float[Array, "m m"]


def approach(
    rows: Float[Array, "n d"],
    signs: Float[Array, "lanes n"],
    caps: Float[Array, "lanes n"],
    *,
    point: Point,
    shares: Float[Array, "lanes n"],
    hinge: bool,
    free_bias: bool,
    tolerance: float | Float[Array, ""],
    max_rounds: int,
) -> Approached:
    """Until the gap of every lane is within the tolerance, or for `ROUNDS`."""
    n, d = rows.shape
    used = (caps > 0).any(0)
    count = jnp.maximum(used.sum(), 1)
    products = back_product(rows.T, rows) if d <= n else product(rows, rows)

    def inverted(stiffness: Float[Array, ""]) -> _Stiff:
        return _Stiff(stiffness, jnp.linalg.inv(_damped(products, stiffness)))

    def prices(sums: Float[Array, "lanes n"], stiffness: Float[Array, ""]):
        if hinge:
            return sums.clip(0, caps / stiffness)
        return sums.clip(0) * (2 * caps / (stiffness + 2 * caps))

    def nearest(wanted: Float[Array, "lanes n"], stiff: _Stiff) -> Float[Array, "lanes d"]:
        def solved(right: Float[Array, "lanes m"]) -> Float[Array, "lanes m"]:
            first = product(right, stiff.inverse)
            # What rounding left of the right side.
            rest = right - product(first, _damped(products, stiff.stiffness))
            return first + product(rest, stiff.inverse)

        if d <= n:
            return solved(back_product(wanted, rows))
        return back_product(solved(wanted), rows)

    def residuals_at(point: Point) -> Float[Array, "lanes n"]:
        return 1 - signs * (product(point.weights, rows) + point.bias[:, None])

    def certified(point: Point, sums: Float[Array, "lanes n"], stiffness, rounds) -> Approached:
        residuals = residuals_at(point)
        shares = stiffness * prices(sums, stiffness) / jnp.where(caps > 0, caps, 1)
        if hinge:
            shares = jnp.minimum(shares, 1)
        found = certify(
            rows,
            signs,
            caps,
            point=point,
            residuals=residuals,
            shares=shares,
            hinge=hinge,
            free_bias=free_bias,
        )
        done = found.gap <= tolerance * found.objective
        return Approached(point, residuals, sums, shares, found.gap, found.smoothing, rounds, done)

    def advance(state: tuple[Approached, _Stiff]) -> tuple[Approached, _Stiff]:
        before, stiff = state

        def iterate(_: Int[Array, ""], state: tuple[Point, Array]) -> tuple[Point, Array]:
            point, sums = state
            bought = prices(sums, stiff.stiffness)
            wanted = signs * (1 - sums + 2 * bought)
            if free_bias:
                point = point._replace(bias=jnp.where(used[None], wanted, 0).sum(1) / count)
            point = point._replace(weights=nearest(wanted, stiff))
            relaxed = OVER_RELAXATION * residuals_at(point)
            return point, relaxed + (1 - OVER_RELAXATION) * (sums - bought) + bought

        point, sums = lax.fori_loop(0, ITERATIONS_PER_ROUND, iterate, (before.point, before.sums))
        after = certified(point, sums, stiff.stiffness, before.rounds + 1)
        kept = [
            jnp.where(before.done.reshape(-1, *[1] * (new.ndim - 1)), old, new)
            for old, new in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True)
        ]
        after = jax.tree.unflatten(jax.tree.structure(before), kept)
        smoothing = jnp.where(after.done, 0, after.smoothing).sum()
        rest = jnp.where(after.done, 0, after.gap).sum() - smoothing
        tiny = jnp.finfo(rest.dtype).tiny
        ratio = (smoothing + tiny) / (rest.clip(0) + tiny)
        factor = jnp.clip(ratio**0.25, 1 / FURTHEST, FURTHEST)
        tilted = jnp.maximum(ratio, 1 / ratio) > OUT_OF_BALANCE
        stiffness = jnp.where(tilted, factor, 1) * stiff.stiffness
        bought = prices(after.sums, stiff.stiffness)
        sums = after.sums + (stiff.stiffness / stiffness - 1) * bought
        stiff = lax.cond(tilted & ~after.done.all(), inverted, lambda _: stiff, stiffness)
        return after._replace(sums=sums), stiff

    mean = caps.sum() / (len(signs) * count)
    stiff = inverted(STIFFNESS * jnp.where(mean > 0, mean, 1))
    if hinge:
        shares = jnp.minimum(shares, 1)
    sums = residuals_at(point) + shares * caps / stiff.stiffness
    start = certified(point, sums, stiff.stiffness, jnp.zeros(len(signs), jnp.int32))
    return lax.while_loop(
        lambda state: (state[0].rounds.max() < min(ROUNDS, max_rounds)) & ~state[0].done.all(),
        advance,
        (start, stiff),
    )[0]


def _damped(products, stiffness):
    return products + jnp.eye(len(products), dtype=products.dtype) / stiffness
