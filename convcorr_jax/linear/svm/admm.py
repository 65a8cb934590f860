"""The alternating direction method of multipliers, which comes near the minimum with matrix products alone.

The residuals ``r = 1 - y (w . x + b)`` are split from copies z that carry the loss, with the constraint ``r =
z``, a penalty parameter rho and scaled dual variables u (``rho u`` converges to the dual). Each iteration
updates, with the sums ``v = z + u``,

    z = argmin upper_bounds * loss(z) + rho / 2 (v - z)^2,  u = v - z,
    w, b = argmin 1/2 |w|^2 + rho / 2 |r - z + u|^2,
    v = 1.8 r - 0.8 z + u.

u and v are the letters of Boyd et al.; in the other modules u is cost times sample weight, here
``upper_bounds``.

The second minimization is a linear system whose matrix all problems share; it is inverted once for every rho.
Near the minimum, and at high cost, progress is slow: `convcorr_jax.linear.svm.minimization` continues with
Newton's method.

Source: S. Boyd et al., "Distributed optimization and statistical learning via the alternating direction
method of multipliers", Found. Trends Mach. Learn. 3 (2011), sections 3.4 and 8.2.3. The adaptation of rho is
ours.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int, Int32

from convcorr_jax.linear.svm.problem import Parameters, certify, scores, weighted_sums

# The first rho, relative to the mean upper bound.
FIRST_RHO = 0.1
# Rho changes if the ratio of the two parts of the gap exceeds this, by the fourth root of the ratio within a
# limit: a new inverse costs about as much as a round.
OUT_OF_BALANCE = 16.0
GREATEST_FACTOR = 4.0
OVER_RELAXATION = 1.8
# The explicit inverse and a step of refinement solve a system whose condition is below this fraction of the
# reciprocal of the unit of rounding.
CONDITION = 0.25
ITERATIONS_PER_ROUND = 10
ROUNDS = 20


class AdmmState(NamedTuple):
    """The iterates of all problems, and their duality gaps."""

    parameters: Parameters
    residuals: Float[Array, "problems n"]
    """r."""
    sums: Float[Array, "problems n"]
    """v."""
    dual_fractions: Float[Array, "problems n"]
    """The dual over the upper bounds."""
    gap: Float[Array, " problems"]
    slackness: Float[Array, " problems"]
    """The part of the gap that comes from the residuals; the rest comes from the dual."""
    rounds: Int32[Array, " problems"]
    """Rounds of `ITERATIONS_PER_ROUND` iterations so far."""
    converged: Bool[Array, " problems"]


class _Problems(NamedTuple):
    """What all rounds share."""

    rows: Float[Array, "n d"]
    signs: Float[Array, "problems n"]
    upper_bounds: Float[Array, "problems n"]
    products: Float[Array, "m m"]
    """``rows' rows``, or ``rows rows'`` if there are fewer samples than features."""
    used: Bool[Array, " n"]
    """False for samples of weight 0 in every problem."""
    count: Int[Array, ""]
    """Number of used samples, at least 1."""
    hinge: bool
    free_bias: bool
    tolerance: float | Float[Array, ""]

    @property
    def greatest_rho(self) -> Float[Array, ""]:
        """The rho up to which the damped products can be inverted."""
        trace = jnp.trace(self.products)
        return CONDITION / (jnp.finfo(trace.dtype).eps * jnp.where(trace > 0, trace, 1))


class _System(NamedTuple):
    """The linear system of the weights at one rho, inverted."""

    rho: Float[Array, ""]
    inverse: Float[Array, "m m"]


def run_admm(
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
) -> AdmmState:
    """Iterate until the gap of every problem is within the tolerance, for at most `ROUNDS` rounds.

    The arguments are those of `convcorr_jax.linear.svm.minimization.minimize`.
    """
    n, d = rows.shape
    used = (upper_bounds > 0).any(0)
    count = jnp.maximum(used.sum(), 1)
    products = weighted_sums(rows.T, rows) if d <= n else scores(rows, rows)
    problems = _Problems(rows, signs, upper_bounds, products, used, count, hinge, free_bias, tolerance)
    # Classes without samples do not count either.
    fitted = jnp.maximum((upper_bounds > 0).any(1).sum(), 1)
    mean = upper_bounds.sum() / (fitted * count)
    first_rho = FIRST_RHO * jnp.where(mean > 0, mean, 1)
    system = _inverted(problems, jnp.minimum(first_rho, problems.greatest_rho))
    if hinge:
        dual_fractions = jnp.minimum(dual_fractions, 1)
    sums = _residuals(problems, parameters) + dual_fractions * upper_bounds / system.rho
    rounds = jnp.zeros(len(signs), jnp.int32)
    start = _certified(problems, parameters, sums, dual_fractions, rounds)
    limit = min(ROUNDS, max_rounds)
    return lax.while_loop(
        lambda carry: (carry[0].rounds.max() < limit) & ~carry[0].converged.all(),
        functools.partial(_run_round, problems),
        (start, system),
    )[0]


def _run_round(problems: _Problems, carry: tuple[AdmmState, _System]) -> tuple[AdmmState, _System]:
    """Iterate for one round; problems that have converged stay as they are."""
    before, system = carry
    parameters, sums = lax.fori_loop(
        0,
        ITERATIONS_PER_ROUND,
        lambda _, pair: _iterate(problems, system, *pair),
        (before.parameters, before.sums),
    )
    bounds = jnp.where(problems.upper_bounds > 0, problems.upper_bounds, 1)
    dual_fractions = system.rho * _scaled_dual(problems, sums, system.rho) / bounds
    if problems.hinge:
        dual_fractions = jnp.minimum(dual_fractions, 1)
    after = _certified(problems, parameters, sums, dual_fractions, before.rounds + 1)
    leaves = [
        jnp.where(before.converged.reshape(-1, *[1] * (new.ndim - 1)), old, new)
        for old, new in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True)
    ]
    return _rebalance(problems, jax.tree.unflatten(jax.tree.structure(before), leaves), system)


def _iterate(
    problems: _Problems, system: _System, parameters: Parameters, sums: Float[Array, "problems n"]
) -> tuple[Parameters, Float[Array, "problems n"]]:
    """Update the parameters and the sums once."""
    dual = _scaled_dual(problems, sums, system.rho)
    targets = problems.signs * (1 - sums + 2 * dual)
    if problems.free_bias:
        bias = jnp.where(problems.used[None], targets, 0).sum(1) / problems.count
        parameters = parameters._replace(bias=bias)
    parameters = parameters._replace(weights=_fit_weights(problems, system, targets))
    relaxed = OVER_RELAXATION * _residuals(problems, parameters)
    return parameters, relaxed + (1 - OVER_RELAXATION) * (sums - dual) + dual


def _rebalance(problems: _Problems, state: AdmmState, system: _System) -> tuple[AdmmState, _System]:
    """Change rho if one part of the gap is much greater than the other."""
    slackness = jnp.where(state.converged, 0, state.slackness).sum()
    rest = jnp.where(state.converged, 0, state.gap).sum() - slackness
    tiny = jnp.finfo(rest.dtype).tiny
    ratio = (slackness + tiny) / (rest.clip(0) + tiny)
    factor = jnp.clip(ratio**0.25, 1 / GREATEST_FACTOR, GREATEST_FACTOR)
    unbalanced = jnp.maximum(ratio, 1 / ratio) > OUT_OF_BALANCE
    rho = jnp.minimum(jnp.where(unbalanced, factor, 1) * system.rho, problems.greatest_rho)
    dual = _scaled_dual(problems, state.sums, system.rho)
    sums = state.sums + (system.rho / rho - 1) * dual
    system = lax.cond(
        (rho != system.rho) & ~state.converged.all(),
        functools.partial(_inverted, problems),
        lambda _: system,
        rho,
    )
    return state._replace(sums=sums), system


def _certified(
    problems: _Problems,
    parameters: Parameters,
    sums: Float[Array, "problems n"],
    dual_fractions: Float[Array, "problems n"],
    rounds: Int32[Array, " problems"],
) -> AdmmState:
    """Compute the residuals and the duality gap of the iterates."""
    residuals = _residuals(problems, parameters)
    certificate = certify(
        problems.rows,
        problems.signs,
        problems.upper_bounds,
        parameters=parameters,
        residuals=residuals,
        dual_fractions=dual_fractions,
        hinge=problems.hinge,
        free_bias=problems.free_bias,
    )
    return AdmmState(
        parameters,
        residuals,
        sums,
        dual_fractions,
        certificate.gap,
        certificate.slackness,
        rounds,
        certificate.within(problems.tolerance),
    )


def _scaled_dual(
    problems: _Problems, sums: Float[Array, "problems n"], rho: Float[Array, ""]
) -> Float[Array, "problems n"]:
    """Compute u = v - z of the copies z that minimize the loss."""
    bounds = problems.upper_bounds
    if problems.hinge:
        return sums.clip(0, bounds / rho)
    return sums.clip(0) * (2 * bounds / (rho + 2 * bounds))


def _fit_weights(
    problems: _Problems, system: _System, targets: Float[Array, "problems n"]
) -> Float[Array, "problems d"]:
    """Solve the ridge-like system of the weights whose scores come nearest to the targets."""
    n, d = problems.rows.shape
    if d <= n:
        return _solve(problems, system, weighted_sums(targets, problems.rows))
    return weighted_sums(_solve(problems, system, targets), problems.rows)


def _solve(
    problems: _Problems, system: _System, right: Float[Array, "problems m"]
) -> Float[Array, "problems m"]:
    solution = scores(right, system.inverse)
    # One step of iterative refinement corrects the rounding.
    rest = right - scores(solution, _damped(problems.products, system.rho))
    return solution + scores(rest, system.inverse)


def _inverted(problems: _Problems, rho: Float[Array, ""]) -> _System:
    return _System(rho, jnp.linalg.inv(_damped(problems.products, rho)))


def _damped(products, rho):
    return products + jnp.eye(len(products), dtype=products.dtype) / rho


def _residuals(problems: _Problems, parameters: Parameters) -> Float[Array, "problems n"]:
    values = scores(parameters.weights, problems.rows) + parameters.bias[:, None]
    return 1 - problems.signs * values
