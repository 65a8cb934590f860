"""Newton steps for many linear classifiers that share their rows of features.

Every problem has signs y, upper bounds u >= 0 (cost times sample weight), centers c and a stiffness k, and
minimizes over w and b

    f(w, b) = 1/2 |w|^2 + sum_i u_i psi_i(1 - y_i (w . x_i + b)),
    psi_i'(r) = clip(c_i + k r, 0, top),

which is convex, once differentiable and piecewise quadratic. With ``c = 0, k = 2, top = inf``, psi is the
squared hinge. With ``top = 1`` it is the hinge's Moreau envelope about centers c, the inner problem of the
method of multipliers (`convcorr_jax.linear.svm.fitting`).

A step solves the Newton equations by conjugate gradients, for all problems in the same matrix products,
followed by an exact line search. The preconditioner of every problem is the rows' second moment, as
approximated by its leading eigenvectors, scaled by the problem's total curvature.

Source of the eigenvectors' sketch: N. Halko, P.-G. Martinsson and J. A. Tropp, "Finding structure with
randomness", SIAM Review 53 (2011), algorithm 5.3 and section 4.5 (one power iteration). Source of its use: Z.
Frangella, J. A. Tropp and M. Udell, "Randomized Nystrom preconditioning", SIAM J. Matrix Anal. Appl. 44 (2023).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from convcorr_jax.linear.folds import full_precision_matmul
from convcorr_jax.linear.svm.problem import Parameters, scores, weighted_sums

# The number of axes: all of them for up to 128 features, and enough for thousands.
RANK = 128


class Spectrum(NamedTuple):
    """The leading axes of the rows' second moment, and the mean of the rest."""

    axes: Float[Array, "d rank"]
    moments: Float[Array, " rank"]
    """Mean square of the rows along each axis, a column of ``axes``."""
    floor: Float[Array, ""]
    """Mean square of the rows along all directions orthogonal to the axes."""


def spectrum(rows: Float[Array, "n d"]) -> Spectrum:
    """Compute the spectrum exactly for up to `RANK` columns, otherwise from a sketch with a fixed seed."""
    n, d = rows.shape
    rank = min(d, RANK)
    if rank == d:
        basis = jnp.eye(d, dtype=rows.dtype)
    else:
        sketch = jax.random.normal(jax.random.key(0), (rank, d), rows.dtype)
        basis, _ = jnp.linalg.qr(weighted_sums(scores(sketch, rows), rows).T)
    coordinates = scores(basis.T, rows)
    moments, rotation = jnp.linalg.eigh(full_precision_matmul(coordinates, coordinates.T) / n)
    moments = moments.clip(min=0)
    rest = (rows**2).sum() / n - moments.sum()
    return Spectrum(full_precision_matmul(basis, rotation), moments, rest.clip(min=0) / max(d - rank, 1))


# The Newton equations are solved until the residual has fallen to this fraction, or for at most this many
# products: a closer solution costs more than the steps it saves.
FORCING = 0.3
CONJUGATE_STEPS = 30
# The line search ends when the slope has fallen to this fraction.
FLATNESS = 0.1
LINE_STEPS = 20
# The free bias has no quadratic term of its own. Damped by its slope over this, it never moves further.
FURTHEST_BIAS = 4.0


class Problems(NamedTuple):
    """The problems, apart from their centers c and stiffnesses k."""

    rows: Float[Array, "n d"]
    spectrum: Spectrum
    signs: Float[Array, "problems n"]
    upper_bounds: Float[Array, "problems n"]
    top: float
    """The greatest value of psi'."""
    has_bias: bool


class Iterate(NamedTuple):
    """Parameters of all problems, and the residuals that belong to them."""

    parameters: Parameters
    residuals: Float[Array, "problems n"]
    """``1 - y (w . x + b)``."""


def step(
    problems: Problems,
    iterate: Iterate,
    *,
    centers: Float[Array, "problems n"],
    stiffness: Float[Array, " problems"],
    gradient: Parameters,
    moving: Bool[Array, " problems"],
) -> Iterate:
    """Take one Newton step in the problems that are moving.

    Args:
        centers: c, the dual fractions about which the hinge is smoothed; 0 for the squared hinge.
        stiffness: k, the slope of psi' where it is not clipped.
        gradient: of f at the iterate.
        moving: False for problems that stay where they are.
    """
    parameters, residuals = iterate
    gradient = Parameters(jnp.where(moving[:, None], gradient.weights, 0), jnp.where(moving, gradient.bias, 0))
    curvature = _curvature(problems, centers, stiffness, residuals)
    direction, change = _direction(problems, gradient, curvature)
    change = problems.signs * change

    linear = (parameters.weights * direction.weights).sum(1)
    quadratic = (direction.weights**2).sum(1)

    def slope_at(length: Float[Array, " problems"]):
        moved = residuals - length[:, None] * change
        dual_fractions = jnp.clip(centers + stiffness[:, None] * moved, 0, problems.top)
        bend = _curvature(problems, centers, stiffness, moved)
        return (
            linear + length * quadratic - (problems.upper_bounds * dual_fractions * change).sum(1),
            quadratic + (bend * change**2).sum(1),
        )

    first = (gradient.weights * direction.weights).sum(1) + gradient.bias * direction.bias
    length = _root(slope_at, FLATNESS * jnp.abs(first))
    return Iterate(_add_scaled(parameters, length, direction), residuals - length[:, None] * change)


def _curvature(problems, centers, stiffness, residuals):
    """Compute the second derivative of the loss of every sample."""
    values = centers + stiffness[:, None] * residuals
    bent = (values > 0) & (values < problems.top)
    return jnp.where(bent, problems.upper_bounds * stiffness[:, None], 0)


class _ConjugateGradients(NamedTuple):
    """The state of preconditioned conjugate gradients."""

    steps: Int[Array, ""]
    solution: Parameters
    change: Float[Array, "problems n"]
    """``w . x + b`` of the solution."""
    residual: Parameters
    search: Parameters
    squared_norm: Float[Array, " problems"]
    """That of the residual in the preconditioner's metric."""


def _direction(
    problems: Problems, gradient: Parameters, curvature: Float[Array, "problems n"]
) -> tuple[Parameters, Float[Array, "problems n"]]:
    """Solve the Newton equations by conjugate gradients: return the direction and its ``w . x + b``."""
    total = curvature.sum(1)
    damping = jnp.abs(gradient.bias) / FURTHEST_BIAS
    tiny = jnp.finfo(total.dtype).tiny
    axes, moments, floor = problems.spectrum
    flat = 1 / (1 + total * floor)
    on_axes = 1 / (1 + total[:, None] * moments[None]) - flat[:, None]

    def precondition(residual: Parameters) -> Parameters:
        coordinates = on_axes * scores(residual.weights, axes.T)
        return Parameters(
            flat[:, None] * residual.weights + weighted_sums(coordinates, axes.T),
            residual.bias / jnp.maximum(total + damping, tiny),
        )

    def advance(state: _ConjugateGradients) -> _ConjugateGradients:
        search = state.search
        change = scores(search.weights, problems.rows) + search.bias[:, None]
        weighted = curvature * change
        product = Parameters(
            search.weights + weighted_sums(weighted, problems.rows),
            float(problems.has_bias) * (weighted.sum(1) + damping * search.bias),
        )
        length = _ratio(state.squared_norm * (state.squared_norm > enough), _dot(search, product))
        residual = _add_scaled(state.residual, -length, product)
        preconditioned = precondition(residual)
        squared_norm = _dot(residual, preconditioned)
        return _ConjugateGradients(
            state.steps + 1,
            _add_scaled(state.solution, length, search),
            state.change + length[:, None] * change,
            residual,
            _add_scaled(preconditioned, _ratio(squared_norm, state.squared_norm), search),
            squared_norm,
        )

    residual = Parameters(-gradient.weights, -gradient.bias)
    preconditioned = precondition(residual)
    squared_norm = _dot(residual, preconditioned)
    enough = FORCING**2 * squared_norm
    zero = Parameters(jnp.zeros_like(gradient.weights), jnp.zeros_like(gradient.bias))
    last = lax.while_loop(
        lambda state: (state.steps < CONJUGATE_STEPS) & (state.squared_norm > enough).any(),
        advance,
        _ConjugateGradients(
            jnp.int32(0), zero, jnp.zeros_like(curvature), residual, preconditioned, squared_norm
        ),
    )
    return last.solution, last.change


def _root(slope_at, flat):
    """Find where a rising slope is below ``flat``, by Newton's method from 1 within a bracket."""

    def advance(state):
        steps, length, low, high, slope, bend = state
        low, high = jnp.where(slope < 0, length, low), jnp.where(slope > 0, length, high)
        candidate = length - _ratio(slope, bend)
        halfway = jnp.where(jnp.isinf(high), 2 * length, (low + high) / 2)
        candidate = jnp.where((candidate > low) & (candidate < high), candidate, halfway)
        length = jnp.where(jnp.abs(slope) > flat, candidate, length)
        return steps + 1, length, low, high, *slope_at(length)

    ones = jnp.ones_like(flat)
    start = jnp.int32(0), ones, 0 * ones, jnp.inf * ones, *slope_at(ones)
    return lax.while_loop(
        lambda state: (state[0] < LINE_STEPS) & (jnp.abs(state[4]) > flat).any(), advance, start
    )[1]


def _dot(a: Parameters, b: Parameters) -> Float[Array, " problems"]:
    return (a.weights * b.weights).sum(1) + a.bias * b.bias


def _add_scaled(a: Parameters, factor: Float[Array, " problems"], b: Parameters) -> Parameters:
    return Parameters(a.weights + factor[:, None] * b.weights, a.bias + factor * b.bias)


def _ratio(a: Float[Array, " problems"], b: Float[Array, " problems"]) -> Float[Array, " problems"]:
    """Divide a by b; 0 where b is not above 0."""
    return jnp.where(b > 0, a / jnp.where(b > 0, b, 1), 0)
