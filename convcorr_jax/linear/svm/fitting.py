"""Linear support vector machines, all classes against the rest (and all folds) in one jitted loop.

For every class, with signs y = +1 for its samples and -1 for all others, the minimum over w and b of

    1/2 |w|^2 + cost * sum_i weight_i * loss(1 - y_i (w . x_i + b)),

with the hinge ``loss(r) = max(0, r)`` or its square. The losses are summed, not averaged. The bias b is free by
default, so that the origin of the features does not matter; with the hinge this is scikit-learn's
``SVC(kernel="linear")``. With a ``bias_scale`` s the term 1/2 (b / s)^2 joins the objective, which is then that
of ``LinearSVC(intercept_scaling=s)``, with either loss.

Every result has a duality gap. The dual variables are any alpha with ``0 <= alpha_i`` (for the hinge also
``alpha_i <= u_i``, where ``u_i = cost * weight_i``) and, if the bias is free, ``sum_i y_i alpha_i = 0``. With
``v = sum_i alpha_i y_i x_i`` their value

    sum_i alpha_i - 1/2 |v|^2                            (hinge; less sum_i alpha_i^2 / (4 u_i) for its square)

is never above the objective. The gap is computed as a sum of terms none of which is negative, and includes what
the rounding of all scores can add to the loss: a fit that has converged has done so in exact arithmetic, too.

The minimization starts with the alternating direction method of multipliers (`convcorr_jax.linear.svm.admm`),
which suffices for most problems. Problems that have not converged, such as those of high cost, continue with
Newton's method for the squared hinge (`convcorr_jax.linear.svm.newton`), and with the method of multipliers for
the hinge: its inner problems replace the hinge by its Moreau envelope about centers c, so that a sample's dual
variable is ``u clip(c + k r, 0, 1)`` with residual ``r = 1 - y (w . x + b)`` and stiffness k. Newton's method
solves them. Once an inner problem's gap is within four times the part that its dual fractions ``clip(c + k r,
0, 1)`` cause, those fractions become the next centers. The work of all methods is matrix products that all
problems share; for d features one d by d matrix (or n by n, if there are fewer samples) is inverted a few
times.

Problems that these methods leave, because the cost multiplies the rounding of residuals to more than the
tolerance or because they are ill-conditioned, are solved one by one in double precision on the host, by an
interior-point method (`convcorr_jax.linear.svm.interior_point`). Whether a problem converges therefore does not
depend on the processor. Under `jax.jit` and `jax.vmap` there is no host, and such problems do not converge.

Source: X. Li, D. Sun and K.-C. Toh, "A highly efficient semismooth Newton augmented Lagrangian method for
solving Lasso problems", SIAM J. Optim. 28 (2018), which does so for the lasso.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int, Int32

from convcorr_jax.errors import InputError
from convcorr_jax.linear.svm.interior_point import SHARED_ROUNDS, Problem, is_traced, solve_remaining
from convcorr_jax.linear.svm.problem import (
    LinearSVM,
    Loss,
    check_arrays,
    check_options,
    standardize,
    standardize_classifier,
)
from convcorr_jax.linear.svm.solver import Start, cold_start, sample_weights_by_class, signs_of, solve


def one_vs_all(labels: Int[Array, " n"] | Int[np.ndarray, " n"], *, classes: int) -> Bool[Array, "n classes"]:
    """Return which sample is of which class, from labels 0 to ``classes - 1``; other labels are of no class.

    Raises:
        InputError: the labels are not one whole number for each sample, or there is no class.
    """
    if classes < 1:
        raise InputError(f"classes is {classes}; at least 1 is expected")
    # Compared in the labels' own type: in JAX's, 2^32 would be 0.
    return jnp.asarray(labels[:, None] == np.arange(classes)[None])


def fit(
    features: Float[Array, "n d"],
    positive: Bool[Array, "n classes"],
    *,
    cost: float | Float[Array, ""],
    loss: Loss = "squared_hinge",
    bias_scale: float | None = None,
    sample_weights: Float[Array, "n _"] | None = None,
    start: LinearSVM | None = None,
    tolerance: float = 1e-4,
    max_rounds: int = 200,
) -> LinearSVM:
    """Fit a linear classifier for every class against the rest.

    The parameters have the precision of the features; in single precision gaps down to about 1e-6 of the
    objective can be reached. Under `jax.jit` or `jax.vmap` nothing is computed on the host: problems in which
    ``cost * n`` is ten thousand times the objective may not converge, values are not checked, and fits to
    values that are not finite do not converge.

    >>> features = jnp.array([[0.0, 1.0], [0.0, 3.0], [2.0, 0.0], [4.0, 0.0]])
    >>> labels = jnp.array([0, 0, 1, 1])
    >>> machine = fit(features, one_vs_all(labels, classes=2), cost=1.0, loss="hinge")
    >>> machine.decisions(features).argmax(1).tolist()
    [0, 0, 1, 1]

    Args:
        positive: True where a sample is of a class; a sample may be of several classes or none.
        cost: factor of the losses, above 0. It scales with the features: features times s and cost over s^2
            give the same classifier.
        loss: the hinge, or its square, which is faster.
        bias_scale: the penalty on the bias is ``1/2 (b / bias_scale)^2``; None for a free bias.
        sample_weights: not negative, one column for all classes or a column for each; 1 by default. Samples of
            weight 0 do not count: arrays of fixed length, to which samples are added by giving them weight,
            compile once.
        start: an earlier fit to as many samples, to start from; its dual should be 0 for samples that have
            changed.
        tolerance: the fit ends when the gap is below this fraction of the objective.
        max_rounds: limit of the rounds, each of ten ADMM iterations, at most one Newton step, or one step of
            the interior-point method.

    Raises:
        InputError: an option is out of its range; or features or weights are NaN, infinite or too large to be
            squared, or weights are negative; or ``start`` has other shapes.
    """
    n, classes = positive.shape
    check_arrays(features, positive, sample_weights, costs=cost, bias_scale=bias_scale)
    check_options(loss, tolerance, max_rounds)
    shapes = (classes, features.shape[1]), (classes, n)
    if start is not None and (start.weights.shape, start.dual.shape) != shapes:
        raise InputError(
            f"start has weights and dual of shapes {start.weights.shape} and {start.dual.shape}; "
            f"{shapes[0]} and {shapes[1]} are expected"
        )
    # Fits with and without an earlier one share a program.
    parameters = (jnp.zeros(shapes[0], features.dtype), jnp.zeros(classes, features.dtype))
    dual = jnp.zeros(shapes[1], features.dtype)
    if start is not None:
        parameters, dual = (start.weights, start.bias), start.dual
    traced = is_traced(features, positive, cost, sample_weights, start, bias_scale, tolerance)
    model = _fit(
        features,
        positive,
        jnp.asarray(cost, features.dtype),
        sample_weights,
        parameters,
        dual,
        bias_scale,
        tolerance,
        loss=loss,
        max_rounds=max_rounds if traced else min(max_rounds, SHARED_ROUNDS),
    )
    if traced or model.converged.all():
        return model
    rows, signs = np.asarray(features, np.float64), np.where(positive, 1.0, -1.0)
    weights = np.ones((n, 1)) if sample_weights is None else np.asarray(sample_weights, np.float64)
    bounds = float(features.dtype.type(cost)) * np.broadcast_to(weights, signs.shape)
    fitted = dict(zip(model._fields, map(np.array, model), strict=True))
    for (j,), found in solve_remaining(
        fitted,
        lambda j: Problem(rows, signs[:, j], bounds[:, j], loss == "hinge", bias_scale),
        tolerance=float(tolerance),
        max_rounds=max_rounds,
    ):
        fitted["weights"][j], fitted["bias"][j] = found.weights, found.bias
        fitted["dual"][j] = found.dual
    return LinearSVM(**{name: jnp.asarray(values) for name, values in fitted.items()})


@functools.partial(jax.jit, static_argnames=("loss", "max_rounds"))
def _fit(features, positive, cost, sample_weights, start, dual, bias_scale, tolerance, *, loss, max_rounds):
    signs = signs_of(positive, features.dtype)
    bounds = cost * sample_weights_by_class(sample_weights, signs)
    standardized = standardize(features, (bounds > 0).any(0), bias_scale=bias_scale)
    parameters = standardize_classifier(standardized, *start, bias_scale=bias_scale)
    fractions = jnp.where(bounds > 0, dual / jnp.where(bounds > 0, bounds, 1), 0)
    model, _ = solve(
        standardized,
        signs,
        bounds,
        Start(parameters, fractions),
        bias_scale=bias_scale,
        tolerance=tolerance,
        loss=loss,
        max_rounds=max_rounds,
    )
    return model


class HeldOutDecisions(NamedTuple):
    """Decision values of held-out samples for every cost, and the fits' diagnostics as in `LinearSVM`."""

    decisions: Float[Array, "costs n classes"]
    """``w . x + b`` of every sample, by the classifier whose fold held it out."""
    objective: Float[Array, "costs k classes"]
    gap: Float[Array, "costs k classes"]
    rounds: Int32[Array, "costs k classes"]
    converged: Bool[Array, "costs k classes"]


def cross_validate(
    features: Float[Array, "n d"],
    positive: Bool[Array, "n classes"],
    *,
    costs: Float[Array, " costs"] | Float[np.ndarray, " costs"],
    folds: Int[Array, " n"] | Int[np.ndarray, " n"],
    k: int,
    loss: Loss = "squared_hinge",
    bias_scale: float | None = None,
    sample_weights: Float[Array, "n _"] | None = None,
    tolerance: float = 1e-4,
    max_rounds: int = 200,
) -> HeldOutDecisions:
    """Fit without each fold, for every cost, and compute the decision values of the fold's samples.

    All folds and classes of a cost are fitted together, starting from the solutions of the previous cost;
    rising costs are therefore fastest. What does not converge so is solved alone, as by
    `convcorr_jax.linear.svm.fit`. The arguments are those of `fit`; ``folds`` is as of
    `convcorr_jax.linear.stratified_folds`, and ``max_rounds`` limits the rounds for each cost.

    Raises:
        InputError: an option is out of its range; a fold's number is not in 0 to k - 1; or features or weights
            are NaN, infinite or too large to be squared, or weights are negative.
    """
    check_arrays(features, positive, sample_weights, costs=costs, bias_scale=bias_scale)
    check_options(loss, tolerance, max_rounds)
    if len(costs) == 0 or k < 2:
        raise InputError(f"there are {len(costs)} costs and {k} folds; at least 1 and 2 are expected")
    if not isinstance(folds, jax.core.Tracer):
        numbers = np.asarray(folds)
        if numbers.min() < 0 or numbers.max() >= k:
            raise InputError(f"folds has numbers other than 0 to {k - 1}")
    costs = jnp.asarray(costs, features.dtype)
    traced = is_traced(features, positive, costs, folds, sample_weights, bias_scale, tolerance)
    held_out = _cross_validate(
        features,
        positive,
        costs,
        jnp.asarray(folds),
        sample_weights,
        bias_scale,
        tolerance,
        k=k,
        loss=loss,
        max_rounds=max_rounds if traced else min(max_rounds, SHARED_ROUNDS),
    )
    if traced or held_out.converged.all():
        return held_out
    rows, signs = np.asarray(features, np.float64), np.where(positive, 1.0, -1.0)
    weights = 1.0 if sample_weights is None else np.asarray(sample_weights, np.float64)
    weights = np.broadcast_to(weights, signs.shape)
    folds, bounds = np.asarray(folds), np.asarray(costs, np.float64)
    fitted = dict(zip(held_out._fields, map(np.array, held_out), strict=True))

    def problem(i: int, fold: int, j: int) -> Problem:
        kept = bounds[i] * weights[:, j] * (folds != fold)
        return Problem(rows, signs[:, j], kept, loss == "hinge", bias_scale)

    for (i, fold, j), found in solve_remaining(
        fitted, problem, tolerance=float(tolerance), max_rounds=max_rounds
    ):
        out = folds == fold
        fitted["decisions"][i, out, j] = rows[out] @ found.weights + found.bias
    return HeldOutDecisions(**{name: jnp.asarray(values) for name, values in fitted.items()})


@functools.partial(jax.jit, static_argnames=("k", "loss", "max_rounds"))
def _cross_validate(
    features, positive, costs, folds, sample_weights, bias_scale, tolerance, *, k, loss, max_rounds
):
    (n, _), classes = features.shape, positive.shape[1]
    signs = signs_of(positive, features.dtype)
    held_out = folds[None] == jnp.arange(k)[:, None]
    class_weights = sample_weights_by_class(sample_weights, signs)
    problem_weights = (class_weights[None] * ~held_out[:, None]).reshape(-1, n)
    signs = jnp.tile(signs, (k, 1))
    standardized = standardize(features, (problem_weights > 0).any(0), bias_scale=bias_scale)

    def for_cost(start, cost):
        fits, start = solve(
            standardized,
            signs,
            cost * problem_weights,
            start,
            bias_scale=bias_scale,
            tolerance=tolerance,
            loss=loss,
            max_rounds=max_rounds,
        )
        values = fits.decisions(features).reshape(n, k, classes)
        decisions = jnp.where(held_out.T[:, :, None], values, 0).sum(1)
        diagnostics = (fits.objective, fits.gap, fits.rounds, fits.converged)
        return start, HeldOutDecisions(decisions, *(values.reshape(k, classes) for values in diagnostics))

    return lax.scan(for_cost, cold_start(standardized, signs), costs)[1]
