"""Ridge regression of many targets in closed form.

For every target y, the minimum over w and b of

    sum_i (y_i - w . x_i - b)^2 + penalty * |w|^2,

with the bias b not penalized. With centred rows X and targets Y,

    W = (X'X + penalty I)^-1 X'Y = X'(X X' + penalty I)^-1 Y        b = mean(y) - W' mean(x).

The primal form, a d by d system, is used when there are at least as many rows as features, or with
`convcorr_jax.linear.ridge.row_statistics`; the dual form, an n by n system, when there are fewer rows. A shared
penalty costs one Cholesky decomposition; one penalty for each target, one eigendecomposition.

Features and targets are promoted together to one precision, at least single: double precision if either is a
double-precision array under ``jax.enable_x64``. The system is divided by its mean eigenvalue before it is
solved, so that features may have any scale; features times s and penalty times s^2 give the same predictions. A
penalty is one for all targets, or one for each.

Source: Sharif Razavian et al. 2014, "Persistent Evidence of Local Image Properties in Generic ConvNets",
equations 1 to 4. Differs from the paper: its equation 2 lacks the square, and its bias is the mean of y alone,
which holds for centred features only.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Num

from convcorr_jax.errors import InputError
from convcorr_jax.linear.folds import full_precision_matmul
from convcorr_jax.linear.ridge.kernel import (
    Eigenbasis,
    KernelBasis,
    centered_kernel,
    decompose_kernel,
    decompose_scatter,
)
from convcorr_jax.linear.ridge.row_statistics import Statistics, statistics

FeatureRows = Num[Array, "n d"] | Num[np.ndarray, "n d"]
# The number of rows is checked by the functions, with a message that names both numbers.
TargetRows = Num[Array, "_ t"] | Num[np.ndarray, "_ t"]

# Features whose standard deviation is within this many roundings of their mean are constant.
_ROUNDING = 16


class Ridge(NamedTuple):
    """A linear function ``W' x + b`` of features for every target, with diagnostics of the fit."""

    weights: Float[Array, "d t"]
    bias: Float[Array, " t"]
    penalty: Float[Array, "*t"]
    residual: Float[Array, " t"]
    """Mean squared error on the rows that the function was fitted to, rounded like the targets' variance times
    the condition."""
    condition: Float[Array, "*t"]
    """An upper bound, but for rounding, of the condition number of the system."""

    def predict(self, features: Float[Array, "m d"] | Float[np.ndarray, "m d"]) -> Float[Array, "m t"]:
        """Compute ``W' x + b`` for every row x."""
        return full_precision_matmul(jnp.asarray(features), self.weights) + self.bias[None]

    def for_each_target(self) -> "Ridge":
        """Return the same function with a penalty and a condition for each target, even if they are shared."""
        shape = self.bias.shape
        return self._replace(
            penalty=jnp.broadcast_to(self.penalty, shape), condition=jnp.broadcast_to(self.condition, shape)
        )

    @property
    def digits(self) -> Float[Array, "*t"]:
        """A lower bound, about, of the weights' accurate decimal digits: ``-log10(eps * condition)``."""
        return -jnp.log10(jnp.finfo(self.weights.dtype).eps * self.condition)


def fit(
    features: FeatureRows,
    targets: TargetRows,
    *,
    penalty: float | Float[Array, "*t"] | Float[np.ndarray, "*t"],
    basis: KernelBasis | None = None,
) -> Ridge:
    """Fit a ridge regression for each target to rows in memory.

    >>> features = jnp.array([[0.0], [1.0], [2.0]])
    >>> fit(features, 3 * features + 1, penalty=2.0).weights.round(4)
    Array([[1.5]], dtype=float32)

    Args:
        basis: the decomposition of the kernel of these rows, if known; used if there are fewer rows than
            features.

    Raises:
        InputError: there are fewer than 2 rows, the numbers of rows differ, a value is NaN or infinite, all
            rows of the features are equal, a penalty is not positive, or the penalty is too small for the
            precision. Under `jax.jit` values are not checked.
    """
    features, targets = validate_rows(features, targets)
    penalty = _checked_penalty(penalty, targets.shape[1], features.dtype)
    n, d = features.shape
    if n >= d:
        return _check_solution(_fit_primal(features, targets, penalty))
    return _check_solution(_fit_dual(features, targets, penalty, basis))


def solve(
    summed: Statistics,
    *,
    penalty: float | Float[Array, "*t"] | Float[np.ndarray, "*t"],
    basis: Eigenbasis | None = None,
) -> Ridge:
    """Fit a ridge regression for each target to rows of which the statistics are known.

    ``basis`` is the decomposition of these statistics, if known.

    Raises:
        InputError: the statistics are of fewer than 2 rows, not finite, or of constant features; or a penalty
            is not positive or too small for the precision. Under `jax.jit` values are not checked.
    """
    check_statistics(summed)
    penalty = _checked_penalty(penalty, summed.cross.shape[1], summed.scatter.dtype)
    return _check_solution(_solve(summed, penalty, basis))


@jax.jit
def _fit_primal(features, targets, penalty):
    return _solve(statistics(features, targets), penalty, None)


@jax.jit
def _solve(summed: Statistics, penalty: Float[Array, "*t"], basis: Eigenbasis | None) -> Ridge:
    if basis is None and penalty.ndim:
        basis = decompose_scatter(summed)
    if basis is None:
        weights = _solve_shifted(summed.scatter, summed.cross, penalty)
    else:
        weights = basis.solve(penalty)
    # By the normal equations: |Y - XW|^2 = |Y|^2 - W'X'Y - penalty |W|^2, without the rows.
    squares = summed.spread - (weights * summed.cross).sum(0)
    residual = jnp.maximum(squares - penalty * (weights**2).sum(0), 0)
    return Ridge(
        weights,
        summed.target_mean - full_precision_matmul(summed.feature_mean[None], weights)[0],
        penalty,
        residual / jnp.maximum(summed.count, 1).astype(weights.dtype),
        _condition(summed.scatter, penalty),
    )


@jax.jit
def _fit_dual(features, targets, penalty, basis: KernelBasis | None):
    feature_mean, target_mean = features.mean(0), targets.mean(0)
    x, y = features - feature_mean[None], targets - target_mean[None]
    if basis is None:
        kernel = centered_kernel(x)
        condition = _condition(kernel, penalty)
        if penalty.ndim:
            dual = decompose_kernel(kernel, y).solve(penalty)
        else:
            dual = _solve_shifted(kernel, y, penalty)
    else:
        dual, condition = basis.solve(penalty), 1 + basis.frobenius_norm / penalty
    weights = full_precision_matmul(x.T, dual)
    # (X X' + penalty) dual = Y, so the residual of Y is penalty times the dual.
    return Ridge(
        weights,
        target_mean - full_precision_matmul(feature_mean[None], weights)[0],
        penalty,
        penalty**2 * (dual**2).mean(0),
        condition,
    )


def _condition(matrix: Float[Array, "m m"], penalty: Float[Array, "*t"]) -> Float[Array, "*t"]:
    # No eigenvalue of a positive semidefinite matrix exceeds the root of the sum of its squared entries.
    mean_eigenvalue = _mean_eigenvalue(matrix)
    return 1 + jnp.sqrt(((matrix / mean_eigenvalue) ** 2).sum()) / (penalty / mean_eigenvalue)


def _solve_shifted(
    matrix: Float[Array, "m m"], right: Float[Array, "m t"], penalty: Float[Array, ""]
) -> Float[Array, "m t"]:
    """Compute ``(matrix + penalty I)^-1 right``."""
    mean_eigenvalue = _mean_eigenvalue(matrix)
    shift = penalty / mean_eigenvalue * jnp.eye(len(matrix), dtype=matrix.dtype)
    factor = jnp.linalg.cholesky(matrix / mean_eigenvalue + shift, symmetrize_input=False)
    return jax.scipy.linalg.cho_solve((factor, True), right / mean_eigenvalue)


def _mean_eigenvalue(matrix: Float[Array, "m m"]) -> Float[Array, ""]:
    """Compute the mean eigenvalue of a positive semidefinite matrix; 1 if it is 0."""
    mean = jnp.trace(matrix) / len(matrix)
    return jnp.where(mean > 0, mean, 1)


def validate_rows(
    features: FeatureRows, targets: TargetRows
) -> tuple[Float[Array, "n d"], Float[Array, "n t"]]:
    """Return features and targets in one precision, at least single, after checking them as `fit` promises."""
    if len(features) != len(targets):
        raise InputError(
            f"there are {len(features)} rows of features and {len(targets)} of targets; as many are expected"
        )
    if len(features) < 2 or 0 in features.shape or 0 in targets.shape:
        raise InputError(
            f"features have shape {features.shape} and targets {targets.shape}; at least 2 rows and one "
            "column are expected"
        )
    dtype = jnp.promote_types(jnp.result_type(features, targets), jnp.float32)
    x, y = jnp.asarray(features, dtype), jnp.asarray(targets, dtype)
    if not isinstance(x, jax.core.Tracer) and not isinstance(y, jax.core.Tracer):
        _check_sound(*_sound_rows(x, y))
    return x, y


@jax.jit
def _sound_rows(x, y):
    """Return whether features and targets are finite, and whether all rows of features are equal."""
    return (_is_finite(x), _is_finite(y)), (x == x[:1]).all()


def check_statistics(summed: Statistics) -> None:
    """Refuse statistics from which nothing can be solved, except under `jax.jit`, with an `InputError`."""
    if isinstance(summed.count, jax.core.Tracer):
        return
    if int(summed.count) < 2:
        raise InputError(f"the statistics are of {summed.count} rows; at least 2 are expected")
    _check_sound(*_sound_statistics(summed))


@jax.jit
def _sound_statistics(summed):
    """Return whether features and targets are finite, and whether all rows of features are equal."""
    features = _is_finite(summed.feature_mean) & _is_finite(summed.scatter)
    # The mean of equal numbers may be rounded, and with it their differences from it.
    rounding = _ROUNDING * jnp.finfo(summed.scatter.dtype).eps * summed.feature_mean
    varies = jnp.diagonal(summed.scatter) > summed.count * rounding**2
    return (features, _is_finite(summed.cross)), ~varies.any()


def _is_finite(values):
    """Return whether values can be squared and summed up."""
    return jnp.isfinite((values**2).sum())


def _check_sound(finite: tuple[Bool[Array, ""], Bool[Array, ""]], equal: Bool[Array, ""]) -> None:
    # Under `jax.jit` even what is computed from constants is traced.
    if isinstance(equal, jax.core.Tracer):
        return
    for name, is_finite in zip(("features", "targets"), finite, strict=True):
        if not is_finite:
            raise InputError(
                f"{name} hold NaN, infinity or numbers too large to be squared; finite numbers are expected"
            )
    if equal:
        raise InputError("all rows of the features are equal; nothing can be learned from them")


def _checked_penalty(
    penalty: float | Float[Array, "*t"] | Float[np.ndarray, "*t"], targets: int, dtype: jnp.dtype
) -> Float[Array, "*t"]:
    shape = np.shape(penalty)
    if shape not in ((), (targets,)):
        raise InputError(
            f"penalty has shape {shape}; one number, or one for each of {targets} targets, is expected"
        )
    if not isinstance(penalty, jax.core.Tracer):
        check_penalties(np.asarray(penalty))
    return jnp.asarray(penalty, dtype)


def check_penalties(penalties: Float[np.ndarray, "*p"]) -> None:
    """Refuse penalties that are not finite numbers above 0, with an `InputError`."""
    if not (np.isfinite(penalties) & (penalties > 0)).all():
        raise InputError(f"penalty is {penalties}; a finite number above 0 is expected")


def _check_solution(solution: Ridge) -> Ridge:
    """Return a solution unless the decomposition broke down."""
    if not isinstance(solution.bias, jax.core.Tracer) and not _all_finite(solution.weights):
        raise InputError(
            f"the system's condition is up to {float(jnp.max(solution.condition)):.1g}, too much for "
            f"{solution.weights.dtype}; a larger penalty or double precision is needed"
        )
    return solution


@jax.jit
def _all_finite(values):
    return jnp.isfinite(values).all()
