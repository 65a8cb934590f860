"""Linear support vector machines, all classes against the rest in one jitted loop.

For every class, with signs y = +1 for its samples and -1 for all others, the minimum over w and b of

    1/2 |w|^2 + cost * sum_i weight_i * loss(1 - y_i (w . x_i + b)),

the hinge ``loss(r) = max(0, r)`` or its square. The losses are summed, not averaged. The bias b is free by
default, so that it does not matter where the features have their origin; with the hinge this is what
scikit-learn calls ``SVC(kernel="linear")``. With a ``bias_scale`` s the term 1/2 (b / s)^2 joins the
objective, and it is that of ``LinearSVC(intercept_scaling=s)``, whichever loss.

With every result comes a duality gap: the dual is any a with ``0 <= a_i`` (for the hinge also ``a_i <= u_i =
cost * weight_i``) and, if the bias is free, ``sum_i y_i a_i = 0``; with ``v = sum_i a_i y_i x_i`` its value

    sum_i a_i - 1/2 |v|^2                                (hinge; less sum_i a_i^2 / (4 u_i) for its square)

is below every objective. The gap is computed as a sum of terms none of which is negative, so that rounding
does not hide it.

How. The squared hinge by Newton's method (`convcorr_jax.linear.newton`); the hinge by the method of
multipliers, whose smooth inner problems are of the same kind: a sample's dual is ``u clip(s + k r, 0, 1)``,
and as soon as the rest of an inner problem's solution matters less than that of s, these become the next s.
Source: X. Li, D. Sun and K.-C. Toh, "A highly efficient semismooth Newton augmented Lagrangian method for
solving Lasso problems", SIAM J. Optim. 28 (2018), which does so for the lasso.
"""

import functools
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int, Int32

from convcorr_jax.errors import InputError
from convcorr_jax.linear import multipliers
from convcorr_jax.linear.newton import Point, product

Loss = Literal["hinge", "squared_hinge"]

# The loop aims at this part of the tolerance, for it sees the features rotated, hence rounded once more.
AIM = 0.9


class LinearSVM(NamedTuple):
    """A classifier a class, and how good it is."""

    weights: Float[Array, "*grid classes d"]
    bias: Float[Array, "*grid classes"]
    objective: Float[Array, "*grid classes"]
    gap: Float[Array, "*grid classes"]
    """The objective less that of ``dual``: the least objective there is lies no further below."""
    iterations: Int32[Array, "*grid classes"]
    """Newton steps."""
    converged: Bool[Array, "*grid classes"]
    """Whether the gap is within the tolerance times the objective."""
    dual: Float[Array, "*grid classes n"]
    """a of the module's text; 0 for samples that do not matter."""

    def decisions(self, features: Float[Array, "m d"]) -> Float[Array, "*grid m classes"]:
        """``w . x + b``: above 0 for the class, below for the rest; the greatest is the best class."""
        values = jnp.einsum(
            "md,...cd->...mc", features, self.weights, precision=lax.Precision.HIGHEST
        )
        return values + jnp.expand_dims(self.bias, -2)


class CostCurve(NamedTuple):
    """Cross-validation for every cost; of the fits, all but their weights."""

    decisions: Float[Array, "costs n classes"]
    """Of every sample, by the classifier whose fold held it out."""
    objective: Float[Array, "costs k classes"]
    gap: Float[Array, "costs k classes"]
    iterations: Int32[Array, "costs k classes"]
    converged: Bool[Array, "costs k classes"]


def one_vs_all(labels: Int[Array, " n"], *, classes: int) -> Bool[Array, "n classes"]:
    """Which sample is of which class, from labels 0 to ``classes - 1``; any other label is of none."""
    return labels[:, None] == jnp.arange(classes)[None]


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
    max_iterations: int = 200,
) -> LinearSVM:
    """Minimise the objective of the module's text for every class.

    In single precision a gap of about 1e-6 of the objective can be told; and where classes can be parted and
    ``cost * n`` is ten thousand times the objective, the gap of the hinge may stay above the tolerance, which
    ``converged`` tells. Under `jax.jit` or `jax.vmap` the values are not checked; what is not finite then does
    not converge.

    >>> features = jnp.array([[0.0, 1.0], [0.0, 3.0], [2.0, 0.0], [4.0, 0.0]])
    >>> labels = jnp.array([0, 0, 1, 1])
    >>> machine = fit(features, one_vs_all(labels, classes=2), cost=1.0, loss="hinge")
    >>> machine.decisions(features).argmax(1).tolist()
    [0, 0, 1, 1]

    Args:
        features: one sample a row.
        positive: which samples are of which class; a sample may be of several classes or of none.
        cost: of a loss of 1, above 0; it belongs to the features' scale: features times s and cost over s^2
            give the same classifier.
        loss: the hinge, or its square, which is several times as fast.
        bias_scale: None for a free bias.
        sample_weights: not negative, a row a sample, in one column for all classes or a column for each;
            without weight a sample does not count. Samples that are added in turn are best kept in arrays of
            fixed length, weighing 0 before: that compiles once.
        start: of an earlier fit to as many samples; for another sample's row its dual is 0.
        tolerance: the gap, relative to the objective, at which to stop.
        max_iterations: Newton steps at most.

    Raises:
        InputError: an option is out of its range; or features or weights are NaN, infinite or so large that
            their squares are, or weights are negative.
    """
    n, classes = positive.shape
    _check(features, positive, sample_weights, costs=cost, bias_scale=bias_scale)
    _check_options(loss, tolerance, max_iterations)
    shapes = (classes, features.shape[1]), (classes, n)
    if start is not None and (start.weights.shape, start.dual.shape) != shapes:
        raise InputError(
            f"start has weights and dual of shapes {start.weights.shape} and {start.dual.shape}; "
            f"{shapes[0]} and {shapes[1]} are expected"
        )
    return _fit(
        features,
        positive,
        jnp.asarray(cost, features.dtype),
        sample_weights,
        start,
        bias_scale,
        tolerance,
        loss=loss,
        max_iterations=max_iterations,
    )


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
    max_iterations: int = 200,
) -> CostCurve:
    """Fit without each fold, for every cost, and decide on the samples of the fold.

    The folds and classes of a cost are fitted together, and start where those of the cost before ended: costs
    are best in rising order.

    Args:
        features: as of `fit`, like all that is not told here.
        positive: which samples are of which class.
        costs: any number of them.
        folds: the number, 0 to k - 1, of the fold that holds each sample out (`convcorr_jax.linear.folds`).
        k: number of folds.
        loss: as of `fit`.
        bias_scale: as of `fit`.
        sample_weights: as of `fit`.
        tolerance: as of `fit`.
        max_iterations: as of `fit`, for each cost.

    Raises:
        InputError: as of `fit`; or a fold's number is not in 0 to k - 1.
    """
    _check(features, positive, sample_weights, costs=costs, bias_scale=bias_scale)
    _check_options(loss, tolerance, max_iterations)
    if len(costs) == 0 or k < 2:
        raise InputError(
            f"there are {len(costs)} costs and {k} folds; at least 1 and 2 are expected"
        )
    if not isinstance(folds, jax.core.Tracer):
        numbers = np.asarray(folds)
        if numbers.min() < 0 or numbers.max() >= k:
            raise InputError(f"folds has numbers other than 0 to {k - 1}")
    return _cross_validate(
        features,
        positive,
        jnp.asarray(costs, features.dtype),
        jnp.asarray(folds),
        sample_weights,
        bias_scale,
        tolerance,
        k=k,
        loss=loss,
        max_iterations=max_iterations,
    )


@functools.partial(jax.jit, static_argnames=("loss", "max_iterations"))
def _fit(
    features, positive, cost, sample_weights, start, bias_scale, tolerance, *, loss, max_iterations
):
    posed = multipliers.pose(features, bias_scale)
    signs = _signs(positive, features.dtype)
    caps = cost * _weights(sample_weights, signs)
    point, shares = _origin(posed, signs)
    if start is not None:
        point = multipliers.inward(posed, start.weights, start.bias, bias_scale)
        if loss == "hinge":
            shares = jnp.where(caps > 0, start.dual / jnp.where(caps > 0, caps, 1), 0).clip(0, 1)
    return _fitted(posed, signs, caps, point, shares, bias_scale, tolerance, loss, max_iterations)[
        0
    ]


@functools.partial(jax.jit, static_argnames=("k", "loss", "max_iterations"))
def _cross_validate(
    features,
    positive,
    costs,
    folds,
    sample_weights,
    bias_scale,
    tolerance,
    *,
    k,
    loss,
    max_iterations,
):
    (n, _), classes = features.shape, positive.shape[1]
    posed = multipliers.pose(features, bias_scale)
    signs = _signs(positive, features.dtype)
    held_out = folds[None] == jnp.arange(k)[:, None]
    weights = (_weights(sample_weights, signs)[None] * ~held_out[:, None]).reshape(-1, n)
    signs = jnp.tile(signs, (k, 1))

    def for_cost(state, cost):
        point, shares = state
        fits, state = _fitted(
            posed,
            signs,
            cost * weights,
            point,
            shares,
            bias_scale,
            tolerance,
            loss,
            max_iterations,
        )
        values = fits.decisions(features).reshape(n, k, classes)
        decisions = jnp.where(held_out.T[:, :, None], values, 0).sum(1)
        told = (fits.objective, fits.gap, fits.iterations, fits.converged)
        return state, CostCurve(decisions, *(one.reshape(k, classes) for one in told))

    return lax.scan(for_cost, _origin(posed, signs), costs)[1]


def _signs(positive, dtype):
    return jnp.where(positive.T, 1, -1).astype(dtype)


def _weights(sample_weights, signs):
    if sample_weights is None:
        return jnp.ones_like(signs)
    return jnp.broadcast_to(sample_weights.T, signs.shape).astype(signs.dtype)


def _origin(posed, signs):
    count, dtype = len(signs), signs.dtype
    point = Point(jnp.zeros((count, len(posed.moments)), dtype), jnp.zeros(count, dtype))
    return point, jnp.zeros_like(signs)


def _fitted(posed, signs, caps, point, shares, bias_scale, tolerance, loss, max_iterations):
    """The classifiers, and where to start from next."""
    hinge, free_bias = loss == "hinge", bias_scale is None
    reached = multipliers.minimise(
        posed,
        signs,
        caps,
        point=point,
        shares=shares,
        hinge=hinge,
        free_bias=free_bias,
        tolerance=AIM * tolerance,
        max_iterations=max_iterations,
    )
    weights, bias = multipliers.outward(posed, reached.point)
    residuals = 1 - signs * (product(weights, posed.features) + bias[:, None])
    active = multipliers.shares_at(reached.shares, reached.stiffness, residuals, hinge=hinge)
    found = multipliers.certify(
        posed.features,
        signs,
        caps,
        point=Point(weights, bias),
        residuals=residuals,
        shares=active,
        hinge=hinge,
        free_bias=free_bias,
    )
    if free_bias:
        bias = bias - jnp.matmul(weights, posed.mean, precision=lax.Precision.HIGHEST)
    else:
        weights, bias = weights[:, :-1], weights[:, -1] * bias_scale
    machine = LinearSVM(
        weights,
        bias,
        found.objective,
        found.gap,
        reached.iterations,
        found.gap <= tolerance * found.objective,
        found.dual,
    )
    return machine, (reached.point, reached.shares)


def _check(features, positive, sample_weights, *, costs, bias_scale):
    """Of what is not traced, the values."""
    n = len(features)
    if 0 in positive.shape or features.shape[1] == 0:
        raise InputError(
            f"features have shape {features.shape} and positive {positive.shape}; at least one "
            "sample, number and class are expected"
        )
    if sample_weights is not None and sample_weights.shape not in ((n, 1), positive.shape):
        raise InputError(
            f"sample_weights have shape {sample_weights.shape}; {(n, 1)} or {positive.shape} is expected"
        )
    arrays: dict[str, Array] = {"features": features}
    if sample_weights is not None:
        arrays["sample_weights"] = sample_weights
    for name, array in arrays.items():
        if not isinstance(array, jax.core.Tracer) and not jnp.isfinite(n * (array**2).sum()):
            raise InputError(
                f"{name} hold NaN, infinity or numbers too large to be squared; finite numbers are expected"
            )
    if (
        sample_weights is not None
        and not isinstance(sample_weights, jax.core.Tracer)
        and (sample_weights < 0).any()
    ):
        raise InputError("sample_weights hold negative numbers")
    for name, value in {
        "cost": costs,
        "bias_scale": 1.0 if bias_scale is None else bias_scale,
    }.items():
        if not isinstance(value, jax.core.Tracer):
            value = np.asarray(value)
            if not (np.isfinite(value) & (value > 0)).all():
                raise InputError(f"{name} is {value}; a finite number above 0 is expected")


def _check_options(loss, tolerance, max_iterations):
    if loss not in ("hinge", "squared_hinge"):
        raise InputError(f"loss is {loss!r}; 'hinge' or 'squared_hinge' is expected")
    if not isinstance(tolerance, jax.core.Tracer) and not tolerance > 0:
        raise InputError(f"tolerance is {tolerance}; a number above 0 is expected")
    if max_iterations < 1:
        raise InputError(f"max_iterations is {max_iterations}; at least 1 is expected")
