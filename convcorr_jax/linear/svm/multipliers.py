"""Many support vector machines at once, to the end: alternating directions, then Newton's method.

The objective and the methods are told in `convcorr_jax.linear.svm`. Here a sample's dual is ``u a``, u being
cost times weight: a is its share, at most 1 for the hinge.
"""

import functools
from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int32

from convcorr_jax.linear.svm.certificate import certify
from convcorr_jax.linear.svm.newton import Lanes, State, step
from convcorr_jax.linear.svm.rows import Point, spectrum
from convcorr_jax.linear.svm.splitting import approach

# Of the hinge's inner problems: the stiffness begins so soft that most samples bend the loss, and grows slowly,
# because few bent samples make equations that the shared preconditioner does not fit; and only where new
# shares did not help by SLOW, because it multiplies the residuals' rounding.
FIRST_STIFFNESS = 0.5
GROWTH = 1.5
SLOW = 0.5
# An inner problem is left when what is left of it is below so many times what its shares leave.
READINESS = 3.0


class Reached(NamedTuple):
    """Where the lanes are, and how."""

    state: State
    active: Float[Array, "lanes n"]
    """Shares of the dual that belongs to the state."""
    centers: Float[Array, "lanes n"]
    """Shares about which the hinge is smoothed: at the minimum, those of the dual."""
    stiffness: Float[Array, " lanes"]
    smoothing: Float[Array, " lanes"]
    """What the centres before these left of the gap."""
    iterations: Int32[Array, " lanes"]
    done: Bool[Array, " lanes"]
    rounds: Int32[Array, ""]


def minimise(
    rows: Float[Array, "n d"],
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
        rows: the features.
        signs: y.
        caps: u.
        point: to start from.
        shares: to start from.
        hinge: or else its square.
        free_bias: or else b is kept at 0.
        tolerance: of the gap.
        max_iterations: rounds at most, of either method.
    """
    count = len(signs)
    near = approach(
        rows,
        signs,
        caps,
        point=point,
        shares=shares,
        hinge=hinge,
        free_bias=free_bias,
        tolerance=tolerance,
        max_rounds=max_iterations,
    )

    def follow(start: Reached) -> Reached:
        top = 1.0 if hinge else jnp.inf
        lanes = Lanes(rows, spectrum(rows), signs, caps, top=top, bias=float(free_bias))
        return lax.while_loop(
            lambda reached: (reached.rounds < max_iterations) & ~reached.done.all(),
            functools.partial(advance, lanes),
            start,
        )

    def advance(lanes: Lanes, reached: Reached) -> Reached:
        state, stiffness = reached.state, reached.stiffness
        active = reached.centers + stiffness[:, None] * state.residuals
        active = active.clip(0, 1 if hinge else None)
        now = certify(
            rows,
            signs,
            caps,
            point=state.point,
            residuals=state.residuals,
            shares=active,
            hinge=hinge,
            free_bias=free_bias,
        )
        active = jnp.where(reached.done[:, None], reached.active, active)
        done = reached.done | (now.gap <= tolerance * now.objective)
        if hinge:
            ready = ~done & (now.gap <= (1 + READINESS) * now.smoothing)
        else:
            ready = jnp.zeros_like(done)
        moving = ~(done | ready)
        slow = ready & (now.smoothing > SLOW * reached.smoothing)
        there = step(
            lanes,
            state,
            shares=reached.centers,
            stiffness=stiffness,
            slope=now.slope,
            moving=moving,
        )
        return Reached(
            there,
            active,
            jnp.where(ready[:, None], active, reached.centers),
            jnp.where(slow, GROWTH * stiffness, stiffness),
            jnp.where(ready, now.smoothing, reached.smoothing),
            reached.iterations + moving,
            done,
            reached.rounds + 1,
        )

    start = Reached(
        State(near.point, near.residuals),
        near.shares,
        near.shares if hinge else jnp.zeros_like(shares),
        jnp.full(count, FIRST_STIFFNESS if hinge else 2.0, signs.dtype),
        jnp.full(count, jnp.inf, signs.dtype),
        near.rounds,
        near.done,
        near.rounds.max(),
    )
    # Where nothing is left to do, the spectrum is not wanted either.
    return lax.cond(near.done.all(), lambda start: start, follow, start)
