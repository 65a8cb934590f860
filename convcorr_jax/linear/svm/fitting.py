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

How. First in alternating directions (`convcorr_jax.linear.svm.splitting`), which is enough for most. What is left,
as at high cost, is done for the squared hinge by Newton's method (`convcorr_jax.linear.svm.newton`) and for the
hinge by the method of multipliers, whose smooth inner problems are of the same kind: a sample's dual is
``u clip(s + k r, 0, 1)``, and as soon as the rest of an inner problem's solution matters less than that of s,
these become the next s. Either way the work is matrix products that all lanes share; of d features there is one
d by d matrix (or n by n, if there are fewer samples), inverted a few times.
Source: X. Li, D. Sun and K.-C. Toh, "A highly efficient semismooth Newton augmented Lagrangian method for
solving Lasso problems", SIAM J. Optim. 28 (2018), which does so for the lasso.
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from convcorr_jax.errors import InputError
from convcorr_jax.linear.svm.cross_validation import CostCurve, cross_validate
from convcorr_jax.linear.svm.machine import (
    LinearSVM,
    Loss,
    check,
    check_options,
    fitted,
    origin,
    signs_of,
    weights_of,
)
from convcorr_jax.linear.svm.rows import inward, pose

__all__ = ["CostCurve", "LinearSVM", "Loss", "cross_validate", "fit", "one_vs_all"]


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
        loss: the hinge, or its square, which is faster.
        bias_scale: None for a free bias.
        sample_weights: not negative, a row a sample, in one column for all classes or a column for each;
            without weight a sample does not count. Samples that are added in turn are best kept in arrays of
            fixed length, weighing 0 before: that compiles once.
        start: of an earlier fit to as many samples; for another sample's row its dual is 0.
        tolerance: the gap, relative to the objective, at which to stop.
        max_iterations: rounds at most, as `LinearSVM` counts them.

    Raises:
        InputError: an option is out of its range; or features or weights are NaN, infinite or so large that
            their squares are, or weights are negative.
    """
    n, classes = positive.shape
    check(features, positive, sample_weights, costs=cost, bias_scale=bias_scale)
    check_options(loss, tolerance, max_iterations)
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


@functools.partial(jax.jit, static_argnames=("loss", "max_iterations"))
def _fit(
    features, positive, cost, sample_weights, start, bias_scale, tolerance, *, loss, max_iterations
):
    signs = signs_of(positive, features.dtype)
    caps = cost * weights_of(sample_weights, signs)
    posed = pose(features, (caps > 0).any(0), bias_scale=bias_scale)
    if start is None:
        begin = origin(posed, signs)
    else:
        point = inward(posed, start.weights, start.bias, bias_scale=bias_scale)
        shares = jnp.where(caps > 0, start.dual / jnp.where(caps > 0, caps, 1), 0)
        begin = point, shares
    machine, _ = fitted(
        posed,
        signs,
        caps,
        begin,
        bias_scale=bias_scale,
        tolerance=tolerance,
        loss=loss,
        max_iterations=max_iterations,
    )
    return machine
