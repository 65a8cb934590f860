"""Checks of the arguments of `fit` and `cross_validate`. Under `jax.jit` values are not checked."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Shaped

from convcorr_jax.errors import InputError


def check_arrays(
    features: Float[Array, "n d"],
    positive: Bool[Array, "n classes"],
    sample_weights: Float[Array, "n _"] | None,
    *,
    costs: float | Shaped[Array, "*_"] | Shaped[np.ndarray, "*_"],
    bias_scale: float | Float[Array, ""] | None,
) -> None:
    """Refuse arrays of unexpected shapes or values.

    Raises:
        InputError: there is no sample, feature or class; sample weights have another shape than the classes and
            are not one column; features or weights are NaN, infinite or too large to be squared; or weights are
            negative, or a cost or the bias scale is not positive.
    """
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
    for name, value in {
        "cost": costs,
        "bias_scale": 1.0 if bias_scale is None else bias_scale,
    }.items():
        if not isinstance(value, jax.core.Tracer):
            value = np.asarray(value)
            if not (np.isfinite(value) & (value > 0)).all():
                raise InputError(f"{name} is {value}; a finite number above 0 is expected")


def _holds(condition: Bool[Array, ""] | Bool[np.ndarray, ""] | np.bool_) -> bool:
    """Return whether a condition holds or, under `jax.jit`, where even that on constants is traced, True."""
    return isinstance(condition, jax.core.Tracer) or bool(condition)


def check_options(loss: str, tolerance: float | Float[Array, ""], max_rounds: int) -> None:
    """Refuse options out of their range.

    Raises:
        InputError: the loss is unknown, the tolerance is not positive, or max_rounds is below 1.
    """
    if loss not in ("hinge", "squared_hinge"):
        raise InputError(f"loss is {loss!r}; 'hinge' or 'squared_hinge' is expected")
    if not isinstance(tolerance, jax.core.Tracer) and not tolerance > 0:
        raise InputError(f"tolerance is {tolerance}; a number above 0 is expected")
    if max_rounds < 1:
        raise InputError(f"max_rounds is {max_rounds}; at least 1 is expected")
