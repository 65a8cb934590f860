"""Minimization of many support vector machines at once: ADMM first, then Newton's method.

The objective and the methods are described in `convcorr_jax.linear.svm.fitting`. The dual variable of a sample
is ``alpha = u a``: u is cost times sample weight (alpha's upper bound, for the hinge), a is the dual fraction,
at most 1 for the hinge.
"""

import functools
from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int32

from convcorr_jax.linear.svm.admm import AdmmState, run_admm
from convcorr_jax.linear.svm.newton import Iterate, Problems, spectrum, step
from convcorr_jax.linear.svm.problem import Parameters, certify

# The hinge's inner problems begin with a stiffness so low that most samples are on the quadratic part of the
# smoothed loss. It grows slowly, because few such samples make Newton equations that the shared preconditioner
# does not fit; and only if new centers did not reduce the slackness to the fraction SLOW, because a high
# stiffness amplifies the rounding of the residuals.
FIRST_STIFFNESS = 0.5
GROWTH = 1.5
SLOW = 0.5
# An inner problem ends when the rest of its gap is below this multiple of the slackness of its dual fractions.
READINESS = 3.0
# psi' of the squared hinge has this slope.
SQUARED_HINGE_STIFFNESS = 2.0


class MinimizerState(NamedTuple):
    """The iterates of all problems, and how they were reached."""

    iterate: Iterate
    dual_fractions: Float[Array, "problems n"]
    """Fractions a of the dual that belongs to the iterate."""
    centers: Float[Array, "problems n"]
    """Fractions about which the hinge is smoothed; at the minimum they equal those of the dual."""
    stiffness: Float[Array, " problems"]
    """Slope of the derivative of the smoothed loss; the inverse of the Moreau envelope's parameter."""
    slackness: Float[Array, " problems"]
    """That at the previous centers."""
    rounds: Int32[Array, " problems"]
    converged: Bool[Array, " problems"]
    loop_rounds: Int32[Array, ""]
    """ADMM rounds and Newton rounds so far, those that only move centers included."""


class _Options(NamedTuple):
    hinge: bool
    free_bias: bool
    tolerance: float | Float[Array, ""]
    max_rounds: int


def minimize(
    rows: Float[Array, "n d"],
    signs: Float[Array, "problems n"],
    upper_bounds: Float[Array, "problems n"],
    *,
    parameters: Parameters,
    dual_fractions: Float[Array, "problems n"],
    hinge: bool,
    free_bias: bool,
    tolerance: float | Float[Array, ""],
    max_rounds: int,
) -> MinimizerState:
    """Minimize the objective of every problem until its gap is within the tolerance.

    Args:
        rows: standardized features.
        signs: y, +1 or -1.
        upper_bounds: u, cost times sample weight.
        parameters: where to start from, as ``dual_fractions`` (a).
        hinge: True for the hinge, False for its square.
        free_bias: whether the bias is free; otherwise b stays 0.
        max_rounds: limit of ADMM rounds and Newton rounds together.
    """
    options = _Options(hinge, free_bias, tolerance, max_rounds)
    near = run_admm(
        rows, signs, upper_bounds, parameters=parameters, dual_fractions=dual_fractions, **options._asdict()
    )

    def run_newton(start: MinimizerState) -> MinimizerState:
        top = 1.0 if hinge else jnp.inf
        problems = Problems(rows, spectrum(rows), signs, upper_bounds, top=top, has_bias=free_bias)
        return lax.while_loop(
            lambda state: (state.loop_rounds < max_rounds) & ~state.converged.all(),
            functools.partial(_advance, problems, options),
            start,
        )

    # The spectrum is computed only if some problem has not converged.
    start = _start(near, signs, options)
    return lax.cond(near.converged.all(), lambda start: start, run_newton, start)


def _start(near: AdmmState, signs: Float[Array, "problems n"], options: _Options) -> MinimizerState:
    count, dtype = len(signs), signs.dtype
    stiffness = FIRST_STIFFNESS if options.hinge else SQUARED_HINGE_STIFFNESS
    return MinimizerState(
        Iterate(near.parameters, near.residuals),
        near.dual_fractions,
        near.dual_fractions if options.hinge else jnp.zeros_like(near.dual_fractions),
        jnp.full(count, stiffness, dtype),
        jnp.full(count, jnp.inf, dtype),
        near.rounds,
        near.converged,
        near.rounds.max(),
    )


def _advance(problems: Problems, options: _Options, state: MinimizerState) -> MinimizerState:
    """Take one Newton step, or move the centers of problems whose inner problem is solved."""
    iterate, stiffness = state.iterate, state.stiffness
    dual_fractions = state.centers + stiffness[:, None] * iterate.residuals
    dual_fractions = dual_fractions.clip(0, 1 if options.hinge else None)
    certificate = certify(
        problems.rows,
        problems.signs,
        problems.upper_bounds,
        parameters=iterate.parameters,
        residuals=iterate.residuals,
        dual_fractions=dual_fractions,
        hinge=options.hinge,
        free_bias=options.free_bias,
    )
    dual_fractions = jnp.where(state.converged[:, None], state.dual_fractions, dual_fractions)
    converged = state.converged | certificate.within(options.tolerance)
    if options.hinge:
        ready = ~converged & (certificate.gap <= (1 + READINESS) * certificate.slackness)
    else:
        ready = jnp.zeros_like(converged)
    moving = ~(converged | ready)
    slow = ready & (certificate.slackness > SLOW * state.slackness)
    return MinimizerState(
        step(
            problems,
            iterate,
            centers=state.centers,
            stiffness=stiffness,
            gradient=certificate.gradient,
            moving=moving,
        ),
        dual_fractions,
        jnp.where(ready[:, None], dual_fractions, state.centers),
        jnp.where(slow, GROWTH * stiffness, stiffness),
        jnp.where(ready, certificate.slackness, state.slackness),
        state.rounds + moving,
        converged,
        state.loop_rounds + 1,
    )
