"""Features as the solvers need them, and the conversion of classifiers to and from them.

The features are centred if the bias is free, and get a column for the bias otherwise. Then all values are
divided by one common power of two, which brings their root mean square near 1 without rounding; single features
are not scaled to unit variance. Samples of weight 0 are set to zero. None of this changes the problem.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from convcorr_jax.linear.products import full_precision_matmul
from convcorr_jax.linear.svm.parameters import Parameters


class StandardizedFeatures(NamedTuple):
    """Features centred (if the bias is free) and divided by one common power of two.

    All problems share them. Mean and scale convert classifiers to and from them.
    """

    rows: Float[Array, "n d"]
    """``(features - mean) / scale``; d is the number of features, plus 1 if the bias is not free."""
    mean: Float[Array, " features"]
    """Subtracted from the features; 0 if the bias is not free."""
    scale: Float[Array, ""]
    """The power of two that the features were divided by."""


def standardize(
    features: Float[Array, "n features"],
    used: Bool[Array, " n"],
    *,
    bias_scale: float | Float[Array, ""] | None,
) -> StandardizedFeatures:
    """Centre features if the bias is free, or add a column for the bias; divide by one common power of two.

    Args:
        features: one sample a row.
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
    standardized: StandardizedFeatures,
    parameters: Parameters,
    *,
    bias_scale: float | Float[Array, ""] | None,
) -> tuple[Float[Array, "problems features"], Float[Array, " problems"]]:
    """Convert classifiers of features that `standardize` centred and scaled to those of the features."""
    weights = parameters.weights / standardized.scale
    if bias_scale is None:
        return weights, parameters.bias - full_precision_matmul(weights, standardized.mean)
    return weights[:, :-1], weights[:, -1] * bias_scale
