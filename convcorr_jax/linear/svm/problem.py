"""What a support vector machine's problem consists of: its checks, features, padding and duality gap.

A problem is one class against the rest, within one fold if there are folds. ``problems`` is the leading axis of
all arrays that differ between them.

For the solvers, features are centred if the bias is free, and get a column for the bias otherwise. Then all
values are divided by one common power of two, which brings their root mean square near 1 without rounding;
single features are not scaled to unit variance. Samples of weight 0 are set to zero. None of this changes the
problem.

Problems are padded to one of a few shapes, so that fits of similar sizes share a compiled program: neither
samples of weight 0 nor columns of zeros change a classifier, and that of a class whose samples all have weight
0 is 0 from the start.

The objective and its dual are given in `convcorr_jax.linear.svm.fitting`. The dual variable of a sample is
``alpha = u a``: u is cost times sample weight (alpha's upper bound, for the hinge), a is the dual fraction, at
most 1 for the hinge.
"""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int32, Shaped

from convcorr_jax.errors import InputError
from convcorr_jax.linear.folds import full_precision_matmul


class Parameters(NamedTuple):
    """The linear classifier of each problem, or a step between two of them."""

    weights: Float[Array, "problems d"]
    bias: Float[Array, " problems"]


def scores(weights: Float[Array, "problems d"], rows: Float[Array, "n d"]) -> Float[Array, "problems n"]:
    """Compute ``w . x`` for every problem and row."""
    return jnp.einsum("ld,nd->ln", weights, rows, precision=lax.Precision.HIGHEST)


def weighted_sums(values: Float[Array, "problems n"], rows: Float[Array, "n d"]) -> Float[Array, "problems d"]:
    """Compute the sum of the rows times their values, for every problem."""
    return jnp.einsum("ln,nd->ld", values, rows, precision=lax.Precision.HIGHEST)


Loss = Literal["hinge", "squared_hinge"]


class LinearSVM(NamedTuple):
    """A linear classifier, weights w and bias b, for each class, with diagnostics of the fit.

    ``*batch`` are the axes that `jax.vmap` adds; `fit` itself adds none.
    """

    weights: Float[Array, "*batch classes d"]
    bias: Float[Array, "*batch classes"]
    objective: Float[Array, "*batch classes"]
    """The objective of `convcorr_jax.linear.svm.fitting` at w and b."""
    gap: Float[Array, "*batch classes"]
    """The minimum is at most this far below the objective, by the value of ``dual`` before it is rounded."""
    rounds: Int32[Array, "*batch classes"]
    """Rounds: ten ADMM iterations, at most one Newton step, or one step of the interior-point method."""
    converged: Bool[Array, "*batch classes"]
    """Whether the gap is within the tolerance times the objective."""
    dual: Float[Array, "*batch classes n"]
    """The dual variable of each sample, alpha in `convcorr_jax.linear.svm.fitting`; often 0."""

    def decisions(self, features: Float[Array, "m d"]) -> Float[Array, "*batch m classes"]:
        """Compute ``w . x + b``: above 0 for the class, below for the rest; the greatest is the best class."""
        values = jnp.einsum("md,...cd->...mc", features, self.weights, precision=lax.Precision.HIGHEST)
        return values + jnp.expand_dims(self.bias, -2)


def check_arrays(
    features: Float[Array, "n d"],
    positive: Bool[Array, "n classes"],
    sample_weights: Float[Array, "n _"] | None,
    *,
    costs: float | Shaped[Array, "*_"] | Shaped[np.ndarray, "*_"],
    bias_scale: float | Float[Array, ""] | None,
) -> None:
    """Refuse, with an `InputError`, arrays of shapes or values that `convcorr_jax.linear.svm.fit` refuses."""
    n = len(features)
    if 0 in (*features.shape, *positive.shape):
        raise InputError(
            f"features have shape {features.shape} and positive {positive.shape}; at least one "
            "sample, one feature and one class are expected"
        )
    if sample_weights is not None and sample_weights.shape not in ((n, 1), positive.shape):
        raise InputError(
            f"sample_weights have shape {sample_weights.shape}; {(n, 1)} or {positive.shape} is expected"
        )
    arrays: dict[str, Array] = {"features": features}
    if sample_weights is not None:
        arrays["sample_weights"] = sample_weights
    for name, array in arrays.items():
        if not _holds(jnp.isfinite(n * (array**2).sum())):
            raise InputError(
                f"{name} hold NaN, infinity or numbers too large to be squared; finite numbers are expected"
            )
    if sample_weights is not None and not _holds((sample_weights >= 0).all()):
        raise InputError("sample_weights hold negative numbers; numbers of at least 0 are expected")
    for name, value in {"cost": costs, "bias_scale": 1.0 if bias_scale is None else bias_scale}.items():
        if not isinstance(value, jax.core.Tracer):
            value = np.asarray(value)
            if not (np.isfinite(value) & (value > 0)).all():
                raise InputError(f"{name} is {value}; a finite number above 0 is expected")


def _holds(condition: Bool[Array, ""] | Bool[np.ndarray, ""] | np.bool_) -> bool:
    """Return whether a condition holds or, under `jax.jit`, where even that on constants is traced, True."""
    return isinstance(condition, jax.core.Tracer) or bool(condition)


def check_options(loss: str, tolerance: float | Float[Array, ""], max_rounds: int) -> None:
    """Refuse options out of their range with an `InputError`."""
    if loss not in ("hinge", "squared_hinge"):
        raise InputError(f"loss is {loss!r}; 'hinge' or 'squared_hinge' is expected")
    if not isinstance(tolerance, jax.core.Tracer) and not tolerance > 0:
        raise InputError(f"tolerance is {tolerance}; a number above 0 is expected")
    if max_rounds < 1:
        raise InputError(f"max_rounds is {max_rounds}; at least 1 is expected")


class StandardizedFeatures(NamedTuple):
    """Features centred (if the bias is free) and divided by a common power of two, for all problems."""

    rows: Float[Array, "n d"]
    """``(features - mean) / scale``; d is the number of features, plus 1 if the bias is not free."""
    mean: Float[Array, " features"]
    """Subtracted from the features; 0 if the bias is not free."""
    scale: Float[Array, ""]


def standardize(
    features: Float[Array, "n features"],
    used: Bool[Array, " n"],
    *,
    bias_scale: float | Float[Array, ""] | None,
) -> StandardizedFeatures:
    """Centre features if the bias is free, or add a column for the bias; divide by one common power of two.

    Args:
        used: False for samples of weight 0 in every problem.
        bias_scale: value of the column for the bias; None for a free bias.
    """
    count = jnp.maximum(used.sum(), 1)
    mean = jnp.zeros(features.shape[1], features.dtype)
    rows = features
    if bias_scale is None:
        mean = jnp.where(used[:, None], features, 0).sum(0) / count
        rows = features - mean[None]
    else:
        column = jnp.full((len(features), 1), bias_scale, features.dtype)
        rows = jnp.concatenate([features, column], axis=1)
    rows = jnp.where(used[:, None], rows, 0)
    square = (rows**2).sum() / (count * rows.shape[1])
    exponent = jnp.round(jnp.log2(jnp.where(square > 0, square, 1)) / 2).astype(jnp.int32)
    scale = jnp.ldexp(jnp.ones_like(square), exponent)
    return StandardizedFeatures(jnp.ldexp(rows, -exponent), mean, scale)


def standardize_classifier(
    standardized: StandardizedFeatures,
    weights: Float[Array, "problems features"],
    bias: Float[Array, " problems"],
    *,
    bias_scale: float | Float[Array, ""] | None,
) -> Parameters:
    """Convert classifiers of features to the equal ones of features that `standardize` centred and scaled."""
    if bias_scale is None:
        bias = bias + full_precision_matmul(weights, standardized.mean)
    else:
        weights = jnp.concatenate([weights, bias[:, None] / bias_scale], axis=1)
        bias = jnp.zeros_like(bias)
    return Parameters(weights * standardized.scale, bias)


def unstandardize_classifier(
    standardized: StandardizedFeatures, parameters: Parameters, *, bias_scale: float | Float[Array, ""] | None
) -> tuple[Float[Array, "problems features"], Float[Array, " problems"]]:
    """Convert classifiers of features that `standardize` centred and scaled to those of the features."""
    weights = parameters.weights / standardized.scale
    if bias_scale is None:
        return weights, parameters.bias - full_precision_matmul(weights, standardized.mean)
    return weights[:, :-1], weights[:, -1] * bias_scale


class Padded(NamedTuple):
    """The arrays of a fit, with appended samples, columns and classes that do not count."""

    features: Float[np.ndarray, "length width"]
    positive: Bool[np.ndarray, "length classes"]
    weights: Float[np.ndarray, "length classes"]


class Least(NamedTuple):
    """The smallest shape that problems are padded to: smaller ones take less time than compiling does."""

    rows: int = 1
    columns: int = 1
    classes: int = 1


def pad(
    features: Float[np.ndarray, "n d"],
    positive: Bool[np.ndarray, "n classes"],
    *,
    weights: Float[np.ndarray, "n _"] | None = None,
    least: Least,
) -> Padded:
    """Append samples of weight 0, columns of zeros and classes without samples.

    The numbers of columns and of classes are rounded up to multiples of their least numbers; the number of
    samples to a multiple of an eighth of the next power of two as well, so that long arrays grow by at most a
    quarter.
    """
    (n, d), classes = features.shape, positive.shape[1]
    step = max(least.rows, (1 << (n - 1).bit_length()) // 8)
    rows, columns, more = (0, -n % step), (0, -d % least.columns), (0, -classes % least.classes)
    if weights is None:
        weights = np.ones((n, 1), features.dtype)
    return Padded(
        np.pad(features, (rows, columns)),
        np.pad(positive, (rows, more)),
        np.pad(np.broadcast_to(weights, positive.shape), (rows, more)),
    )


class Certificate(NamedTuple):
    """The objective of each problem, and how far from the least objective it can be."""

    objective: Float[Array, " problems"]
    gap: Float[Array, " problems"]
    """The objective less the dual value, computed as a sum of terms that are not negative."""
    dual: Float[Array, "problems n"]
    """A feasible dual; its sum with the signs is 0 if the bias is free."""
    slackness: Float[Array, " problems"]
    """The part of the gap from complementary slackness, which stays as long as the dual fractions stay."""
    gradient: Parameters
    """That of the objective of `convcorr_jax.linear.svm.newton`."""

    def within(self, tolerance: float | Float[Array, ""]) -> Bool[Array, " problems"]:
        """Return whether the gap is within the tolerance times the objective, and finite."""
        return (self.gap <= tolerance * self.objective) & jnp.isfinite(self.gap)


def certify(
    rows: Float[Array, "n d"],
    signs: Float[Array, "problems n"],
    upper_bounds: Float[Array, "problems n"],
    *,
    parameters: Parameters,
    residuals: Float[Array, "problems n"],
    dual_fractions: Float[Array, "problems n"],
    hinge: bool,
    free_bias: bool,
) -> Certificate:
    """Compare classifiers with the dual ``upper_bounds * dual_fractions``, made feasible for a free bias.

    Args:
        upper_bounds: u, cost times sample weight.
        residuals: ``1 - y (w . x + b)``.
        dual_fractions: a, not negative, and at most 1 for the hinge.
    """
    dual = upper_bounds * dual_fractions
    positive = jnp.maximum(residuals, 0)
    loss = (upper_bounds * (positive if hinge else positive**2)).sum(1)
    slackness = (upper_bounds * _slackness(residuals, dual_fractions, hinge)).sum(1)
    if free_bias:
        sides = jnp.stack([jnp.where(signs > 0, dual, 0), jnp.where(signs < 0, dual, 0)])
        side_sums = weighted_sums(sides.reshape(-1, len(rows)), rows)
        side_sums = side_sums.reshape(2, len(signs), -1)
        totals = sides.sum(2)
        gradient = Parameters(parameters.weights - (side_sums[0] - side_sums[1]), totals[1] - totals[0])
        # The side with the greater sum is scaled down to the sum of the other.
        least = totals.min(0, keepdims=True)
        factors = jnp.where(totals > 0, least / jnp.where(totals > 0, totals, 1), 0)
        factor = jnp.where(signs > 0, factors[0][:, None], factors[1][:, None])
        dual, dual_fractions = factor * dual, factor * dual_fractions
        side_sums = factors[:, :, None] * side_sums
        difference = parameters.weights - (side_sums[0] - side_sums[1])
    else:
        difference = parameters.weights - weighted_sums(signs * dual, rows)
        gradient = Parameters(difference, jnp.zeros_like(parameters.bias))
    remaining = upper_bounds * _slackness(residuals, dual_fractions, hinge)
    return Certificate(
        objective=(parameters.weights**2).sum(1) / 2 + loss,
        gap=(difference**2).sum(1) / 2 + remaining.sum(1),
        dual=dual,
        slackness=slackness,
        gradient=gradient,
    )


def _slackness(residuals, dual_fractions, hinge):
    """Compute each sample's loss less its term in the dual, per unit of u; never negative."""
    positive, negative = jnp.maximum(residuals, 0), jnp.maximum(-residuals, 0)
    if hinge:
        return (1 - dual_fractions) * positive + dual_fractions * negative
    return (dual_fractions / 2 - positive) ** 2 + dual_fractions * negative
