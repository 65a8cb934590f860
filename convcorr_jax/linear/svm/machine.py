"""What `convcorr_jax.linear.svm.fit` and `cross_validate` share: the result, the checks, the way between.

A lane is one class against the rest, of one fold if there are folds.
"""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int32, Shaped

from convcorr_jax.errors import InputError
from convcorr_jax.linear.svm.certificate import certify
from convcorr_jax.linear.svm.multipliers import minimise
from convcorr_jax.linear.svm.rows import Point, Rows, outward, product

Loss = Literal["hinge", "squared_hinge"]
# A point of `convcorr_jax.linear.svm.rows`, and the shares of the dual beside it.
Start = tuple[Point, Float[Array, "lanes n"]]

# The loop aims at this part of the tolerance, for its residuals are carried along, rounded at every step.
AIM = 0.9


class LinearSVM(NamedTuple):
    """A classifier a class, and how good it is."""

    weights: Float[Array, "*grid classes d"]
    bias: Float[Array, "*grid classes"]
    objective: Float[Array, "*grid classes"]
    gap: Float[Array, "*grid classes"]
    """The objective less that of ``dual``: the least objective there is lies no further below."""
    iterations: Int32[Array, "*grid classes"]
    """Rounds, each ten in alternating directions or at most one Newton step."""
    converged: Bool[Array, "*grid classes"]
    """Whether the gap is within the tolerance times the objective."""
    dual: Float[Array, "*grid classes n"]
    """a of the text of `convcorr_jax.linear.svm`; 0 for samples that do not matter."""

    def decisions(self, features: Float[Array, "m d"]) -> Float[Array, "*grid m classes"]:
        """``w . x + b``: above 0 for the class, below for the rest; the greatest is the best class."""
        values = jnp.einsum(
            "md,...cd->...mc", features, self.weights, precision=lax.Precision.HIGHEST
        )
        return values + jnp.expand_dims(self.bias, -2)


def signs_of(positive: Bool[Array, "n classes"], dtype: jnp.dtype) -> Float[Array, "classes n"]:
    """The y of every lane."""
    return jnp.where(positive.T, 1, -1).astype(dtype)


def weights_of(
    sample_weights: Float[Array, "n _"] | None, signs: Float[Array, "classes n"]
) -> Float[Array, "classes n"]:
    """Of every lane, from one column for all or a column for each."""
    if sample_weights is None:
        return jnp.ones_like(signs)
    return jnp.broadcast_to(sample_weights.T, signs.shape).astype(signs.dtype)


def origin(posed: Rows, signs: Float[Array, "lanes n"]) -> Start:
    """Where a fit starts that knows nothing."""
    count, dtype = len(signs), signs.dtype
    point = Point(jnp.zeros((count, posed.rows.shape[1]), dtype), jnp.zeros(count, dtype))
    return point, jnp.zeros_like(signs)


def fitted(
    posed: Rows,
    signs: Float[Array, "lanes n"],
    caps: Float[Array, "lanes n"],
    start: Start,
    *,
    bias_scale: float | Float[Array, ""] | None,
    tolerance: float | Float[Array, ""],
    loss: Loss,
    max_iterations: int,
) -> tuple[LinearSVM, Start]:
    """The classifiers, and where to start from next; ``caps`` are cost times weights."""
    point, shares = start
    caps = caps * posed.scale**2
    hinge, free_bias = loss == "hinge", bias_scale is None
    reached = minimise(
        posed.rows,
        signs,
        caps,
        point=point,
        shares=shares,
        tolerance=AIM * tolerance,
        max_iterations=max_iterations,
        hinge=hinge,
        free_bias=free_bias,
    )
    point = reached.state.point
    found = certify(
        posed.rows,
        signs,
        caps,
        point=point,
        residuals=1 - signs * (product(point.weights, posed.rows) + point.bias[:, None]),
        shares=reached.active,
        hinge=hinge,
        free_bias=free_bias,
    )
    weights, bias = outward(posed, point, bias_scale=bias_scale)
    machine = LinearSVM(
        weights,
        bias,
        found.objective / posed.scale**2,
        found.gap / posed.scale**2,
        reached.iterations,
        found.gap <= tolerance * found.objective,
        found.dual / posed.scale**2,
    )
    return machine, (point, reached.active)


def check(
    features: Float[Array, "n d"],
    positive: Bool[Array, "n classes"],
    sample_weights: Float[Array, "n _"] | None,
    *,
    costs: float | Shaped[Array, "*_"] | Shaped[np.ndarray, "*_"],
    bias_scale: float | Float[Array, ""] | None,
) -> None:
    """Refuse bad arrays; of what is not traced, bad values too.

    Raises:
        InputError: as `convcorr_jax.linear.svm.fit` says.
    """
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


def check_options(loss: str, tolerance: float | Float[Array, ""], max_iterations: int) -> None:
    """Refuse options out of their range.

    Raises:
        InputError: as `convcorr_jax.linear.svm.fit` says.
    """
    if loss not in ("hinge", "squared_hinge"):
        raise InputError(f"loss is {loss!r}; 'hinge' or 'squared_hinge' is expected")
    if not isinstance(tolerance, jax.core.Tracer) and not tolerance > 0:
        raise InputError(f"tolerance is {tolerance}; a number above 0 is expected")
    if max_iterations < 1:
        raise InputError(f"max_iterations is {max_iterations}; at least 1 is expected")
