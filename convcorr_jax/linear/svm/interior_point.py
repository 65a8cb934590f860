"""Mehrotra's interior-point method in double precision, for problems that matrix products do not settle.

The methods of `convcorr_jax.linear.svm.minimization` share their matrix products between all problems, and work
in the precision of the features. Two kinds of problems are beyond them: those of a cost so high that it
multiplies the rounding of residuals near 0 to more than the tolerance, as of separable classes, and those so
ill-conditioned that conjugate gradients do not solve Newton's equations. This method takes such problems one by
one, on the host. Each step factorizes a d by d matrix (n by n, if there are fewer samples); 10 to 30 steps
suffice whatever the cost.

With signs y, upper bounds u and residuals ``r = 1 - y (w . x + b)`` it solves the conditions for a minimum,

    r = xi - s,  s >= 0,  xi >= 0,  w = sum_i alpha_i y_i x_i,  sum_i alpha_i y_i = 0,  alpha s = 0,
    (u - alpha) xi = 0 for the hinge,  xi = alpha / 2u for its square,

with the products ``alpha s`` and ``(u - alpha) xi`` at a common value mu, which falls to 0.

Source: S. Mehrotra, "On the implementation of a primal-dual interior point method", SIAM J. Optim. 2 (1992); M.
Ferris and T. Munson, "Interior-point methods for massive support vector machines", SIAM J. Optim. 13 (2003),
for the elimination of all unknowns but the parameters.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Float

# The methods that share their products have this many rounds where this one can follow: problems that they
# settle rarely take more.
SHARED_ROUNDS = 60
# A step ends at this fraction of the way to the nearest bound.
FRACTION = 0.995
# The gap falls to this fraction of the tolerance before the parameters are rounded.
AIM = 0.3
# Rounded parameters violate margins by a few units of rounding, which a high cost multiplies; parameters that
# are longer by so many units do not.
GROWTHS = (0.0, *2.0 ** np.arange(12))


class Problem(NamedTuple):
    """One class against the rest, in double precision; a ``bias_scale`` of None is for a free bias."""

    rows: Float[np.ndarray, "n d"]
    signs: Float[np.ndarray, " n"]
    """y."""
    upper_bounds: Float[np.ndarray, " n"]
    """u, cost times sample weight."""
    hinge: bool
    bias_scale: float | None

    def objective(self, weights: Float[np.ndarray, " d"], bias: float) -> float:
        """Compute the objective of `convcorr_jax.linear.svm.fitting`."""
        positive = (1 - self.signs * (self.rows @ weights + bias)).clip(min=0)
        of_bias = 0.0 if self.bias_scale is None else (bias / self.bias_scale) ** 2
        losses = positive if self.hinge else positive**2
        return float((weights @ weights + of_bias) / 2 + self.upper_bounds @ losses)


class Solution(NamedTuple):
    """A classifier of rounded parameters, and what double precision says about it, with a feasible dual."""

    weights: Float[np.ndarray, " d"]
    bias: float
    dual: Float[np.ndarray, " n"]
    objective: float
    gap: float
    steps: int


class _Iterate(NamedTuple):
    """Parameters, duals and the two parts of the residuals; all but the parameters are positive."""

    weights: np.ndarray
    bias: float
    dual: np.ndarray
    surplus: np.ndarray
    """s, by how much a margin exceeds 1."""
    shortage: np.ndarray
    """xi, by how much a margin falls short of 1; follows from the dual for the squared hinge."""


def is_traced(*arguments: object) -> bool:
    """Return whether a value is computed under `jax.jit` or `jax.vmap`, where the host does not know it."""
    leaves = jax.tree.leaves((arguments, jnp.zeros(())))
    return any(isinstance(leaf, jax.core.Tracer) for leaf in leaves)


def solve_remaining(
    fitted: dict[str, np.ndarray], problem: Callable[..., Problem], *, tolerance: float, max_rounds: int
) -> Iterator[tuple[tuple[int, ...], Solution]]:
    """Solve the problems that have not converged: update their diagnostics, and yield what is better.

    Args:
        fitted: objective, gap, rounds and converged of all problems, in arrays that can be changed.
        max_rounds: limit of the earlier rounds and of the steps together.
    """
    objectives, gaps, rounds = fitted["objective"], fitted["gap"], fitted["rounds"]
    for index in map(tuple, np.argwhere(~fitted["converged"]).tolist()):
        left = max_rounds - int(rounds[index])
        if left < 1:
            continue
        found = solve_in_double_precision(
            problem(*index), tolerance=tolerance, max_steps=left, dtype=gaps.dtype
        )
        rounds[index] += found.steps
        if not found.gap * float(objectives[index]) > float(gaps[index]) * found.objective:
            objectives[index], gaps[index] = found.objective, found.gap
            fitted["converged"][index] = found.gap <= tolerance * found.objective
            yield index, found


def solve_in_double_precision(
    problem: Problem, *, tolerance: float, max_steps: int, dtype: np.dtype
) -> Solution:
    """Minimize until the gap is a fraction of the tolerance, and round the parameters to a type."""
    used = problem.upper_bounds > 0
    rows = problem.rows[used]
    free_bias = problem.bias_scale is None
    mean = rows.mean(0) if free_bias else np.zeros(rows.shape[1])
    rows = rows - mean
    if not free_bias:
        rows = np.hstack([rows, np.full((len(rows), 1), problem.bias_scale)])
    scale = np.sqrt((rows**2).mean()) or 1.0
    rows = rows / scale
    # Only the part of the features in the span of the samples counts.
    basis = None
    if len(rows) < rows.shape[1]:
        basis, triangle = np.linalg.qr(rows.T)
        rows = triangle.T
    reduced = Problem(rows, problem.signs[used], scale**2 * problem.upper_bounds[used], problem.hinge, None)
    best, steps = _minimize(reduced, free_bias, AIM * tolerance, max_steps)
    weights = (best.weights if basis is None else basis @ best.weights) / scale
    if free_bias:
        bias = best.bias - float(weights @ mean)
    else:
        weights, bias = weights[:-1], float(weights[-1] * problem.bias_scale)
    rounded = (
        ((growth * weights).astype(dtype), dtype.type(growth * bias))
        for growth in 1 + np.finfo(dtype).eps * np.array(GROWTHS)
    )
    objective, weights, bias = min(
        (
            (problem.objective(weights.astype(float), float(bias)), weights, float(bias))
            for weights, bias in rounded
        ),
        key=lambda candidate: candidate[0],
    )
    dual = np.zeros(len(used))
    dual[used] = _feasible(reduced, free_bias, best.dual) / scale**2
    value = _dual_value(reduced, free_bias, best.dual) / scale**2
    return Solution(weights, bias, dual, objective, max(objective - value, 0.0), steps)


def _minimize(problem, free_bias, tolerance, max_steps):
    """Return the iterate of the least gap, and the number of steps."""
    n, d = problem.rows.shape
    dual = np.minimum(problem.upper_bounds / 2, 1 / n)
    rest = problem.upper_bounds - dual
    now = _Iterate(np.zeros(d), 0.0, dual, np.ones(n), dual / rest)
    best, least = now, np.inf
    for step in range(max_steps + 1):
        objective = problem.objective(now.weights, now.bias)
        gap = objective - _dual_value(problem, free_bias, now.dual)
        if gap < least:
            best, least = now, gap
        if gap <= tolerance * objective or step == max_steps:
            break
        try:
            now = _advance(problem, free_bias, now)
        except np.linalg.LinAlgError:
            break
    return best, step


def _feasible(problem, free_bias, dual):
    """Scale down the dual variables of the side with the greater sum if the bias is free."""
    if not free_bias:
        return dual
    positive = problem.signs > 0
    above, below = dual[positive].sum(), dual[~positive].sum()
    least = min(above, below)
    return dual * np.where(positive, least / (above or 1), least / (below or 1))


def _dual_value(problem, free_bias, dual):
    dual = _feasible(problem, free_bias, dual)
    sums = (problem.signs * dual) @ problem.rows
    penalty = 0.0 if problem.hinge else (dual**2 / (4 * problem.upper_bounds)).sum()
    return float(dual.sum() - sums @ sums / 2 - penalty)


def _advance(problem, free_bias, now):
    """Take one step of the predictor and the corrector."""
    rows, signs, bounds, hinge, _ = problem
    rest = bounds - now.dual
    shortage = now.shortage if hinge else now.dual / (2 * bounds)
    stationarity = now.weights - (signs * now.dual) @ rows
    imbalance = float(signs @ now.dual)
    infeasibility = 1 - signs * (rows @ now.weights + now.bias) - shortage + now.surplus
    inverse = now.surplus / now.dual + (shortage / rest if hinge else 1 / (2 * bounds))
    curvature = 1 / inverse
    # The bias is eliminated, which centres the rows.
    total = curvature.sum()
    center = (curvature @ rows / total) if free_bias else np.zeros(rows.shape[1])
    centred = rows - center
    matrix = (centred.T * curvature) @ centred
    matrix[np.diag_indices_from(matrix)] += 1
    factor = scipy.linalg.cho_factor(matrix, lower=True, overwrite_a=True, check_finite=False)

    def direction(first, second):
        """Return the step for right-hand sides of the two complementarities."""
        target = infeasibility + first / now.dual - (second / rest if hinge else 0)
        pull = signs * curvature * target
        right = pull @ rows - stationarity
        lift = imbalance + pull.sum() if free_bias else 0.0
        weights = np.asarray(scipy.linalg.cho_solve(factor, right - lift * center, check_finite=False))
        bias = lift / total - float(center @ weights) if free_bias else 0.0
        dual = pull - curvature * (rows @ weights + bias)
        dual = signs * dual
        surplus = (first - now.surplus * dual) / now.dual
        shortened = (second + shortage * dual) / rest if hinge else dual / (2 * bounds)
        return _Iterate(weights, bias, dual, surplus, shortened)

    def complementarities(change, length):
        dual = now.dual + length * change.dual
        first = dual * (now.surplus + length * change.surplus)
        second = (bounds - dual) * (shortage + length * change.shortage)
        return first, second if hinge else np.zeros_like(first)

    count = 2 * len(bounds) if hinge else len(bounds)
    first, second = now.dual * now.surplus, rest * shortage if hinge else np.zeros_like(rest)
    mean = (first.sum() + second.sum()) / count
    predictor = direction(-first, -second)
    length = _furthest(now, predictor, rest, hinge)
    reached = sum(part.sum() for part in complementarities(predictor, length)) / count
    aim = mean * (reached / mean) ** 3
    change = direction(
        aim - first - predictor.dual * predictor.surplus, aim - second + predictor.dual * predictor.shortage
    )
    length = _furthest(now, change, rest, hinge)
    moved = [value + length * step for value, step in zip(now, change, strict=True)]
    return _Iterate(*moved)


def _furthest(now, change, rest, hinge):
    """Return a fraction of the longest step that stays within the bounds, at most of a full one."""
    pairs = [(now.dual, change.dual), (now.surplus, change.surplus)]
    if hinge:
        pairs += [(rest, -change.dual), (now.shortage, change.shortage)]
    return FRACTION / max(1.0, *((-step / value).max() for value, step in pairs))
