"""Ridge regression of many targets in closed form.

For every target y the minimum over w and b of

    sum_i (y_i - w . x_i - b)^2 + penalty * |w|^2,

the bias b free: with centred rows X and targets Y,

    W = (X'X + penalty I)^-1 X'Y = X'(X X' + penalty I)^-1 Y        b = mean(y) - W' mean(x).

The first form, of a d by d system, is taken when there are at least as many rows as features, or from
`convcorr_jax.linear.ridge.statistics`; the second, of an n by n system, when there are fewer. A penalty that all
targets share costs one Cholesky decomposition; one for each target, one eigendecomposition.

Precision is that of the features: single, or double for double-precision arrays under ``jax.enable_x64``. The
system is divided by its mean eigenvalue before it is solved, so that features of any scale do.

Source: Sharif Razavian et al. 2014, equations 1 to 4. Differs from the paper, whose equation 2 lacks the square
and whose bias is the mean of y alone: that is so for centred features only.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num

from convcorr_jax.errors import InputError
from convcorr_jax.linear.ridge.eigenbasis import Eigenbasis, eigenbasis
from convcorr_jax.linear.ridge.held_out import Kernel, decompose, products
from convcorr_jax.linear.ridge.statistics import Statistics, matrix_product, statistics

Rows = Num[Array, "n d"] | Num[np.ndarray, "n d"]
# As many as rows; the functions say so in a sentence.
Targets = Num[Array, "_ t"] | Num[np.ndarray, "_ t"]


class Ridge(NamedTuple):
    """A linear function of features for every target, and how far to trust it."""

    weights: Float[Array, "d t"]
    bias: Float[Array, " t"]
    penalty: Float[Array, "*t"]
    """The one that all targets share, or one for each."""
    residual: Float[Array, " t"]
    """The mean squared error on the rows it was fitted to."""
    condition: Float[Array, "*t"]
    """A bound on how many times the greatest eigenvalue of the system exceeds the least."""

    def predict(
        self, features: Float[Array, "m d"] | Float[np.ndarray, "m d"]
    ) -> Float[Array, "m t"]:
        """``W' x + b`` of every row."""
        return matrix_product(jnp.asarray(features), self.weights) + self.bias[None]

    def for_each_target(self) -> "Ridge":
        """The same with a penalty and a condition for each target, shared or not."""
        shape = self.bias.shape
        return self._replace(
            penalty=jnp.broadcast_to(self.penalty, shape),
            condition=jnp.broadcast_to(self.condition, shape),
        )

    @property
    def digits(self) -> Float[Array, "*t"]:
        """About how many decimal digits of the weights are sure: ``-log10(eps * condition)``."""
        return -jnp.log10(jnp.finfo(self.weights.dtype).eps * self.condition)


def fit(
    features: Rows,
    targets: Targets,
    *,
    penalty: float | Float[Array, "*t"] | Float[np.ndarray, "*t"],
    kernel: Kernel | None = None,
) -> Ridge:
    """Fit all targets to rows that are at hand.

    >>> features = jnp.array([[0.0], [1.0], [2.0]])
    >>> fit(features, 3 * features + 1, penalty=2.0).weights.round(4)
    Array([[1.5]], dtype=float32)

    Args:
        features: one row a sample; integers are taken in single precision.
        targets: any number of them.
        penalty: one for all targets, or one for each; it belongs to the features' scale: features times s and
            penalty times s^2 predict the same.
        kernel: the decomposition of these very rows, where it is at hand; used if they are fewer than features.

    Raises:
        InputError: there are fewer than 2 rows, the numbers of rows differ, something is NaN or infinite, a
            penalty is not positive, or the penalty is so small that the precision does not suffice. Under
            `jax.jit` values are not checked.
    """
    features, targets = checked(features, targets)
    penalty = _checked_penalty(penalty, targets.shape[1], features.dtype)
    n, d = features.shape
    if n >= d:
        return _assured(_primal(features, targets, penalty))
    return _assured(_dual(features, targets, penalty, kernel))


def solve(
    summed: Statistics,
    *,
    penalty: float | Float[Array, "*t"] | Float[np.ndarray, "*t"],
    basis: Eigenbasis | None = None,
) -> Ridge:
    """Fit all targets to the rows that were summed up; see `fit`.

    Args:
        summed: the rows.
        penalty: as of `fit`.
        basis: theirs, where it is at hand.

    Raises:
        InputError: as of `fit`.
    """
    check_statistics(summed)
    penalty = _checked_penalty(penalty, summed.cross.shape[1], summed.scatter.dtype)
    return _assured(_solve(summed, penalty, basis))


@jax.jit
def _primal(features, targets, penalty):
    return _solve(statistics(features, targets), penalty, None)


@jax.jit
def _solve(summed: Statistics, penalty: Float[Array, "*t"], basis: Eigenbasis | None) -> Ridge:
    if basis is None and penalty.ndim:
        basis = eigenbasis(summed)
    if basis is None:
        weights = _system(summed.scatter, summed.cross, penalty)
    else:
        weights = basis.solve(penalty)
    # By the normal equations: |Y - XW|^2 = |Y|^2 - W'X'Y - penalty |W|^2, without the rows.
    squares = summed.spread - (weights * summed.cross).sum(0)
    residual = jnp.maximum(squares - penalty * (weights**2).sum(0), 0)
    return Ridge(
        weights,
        summed.target_mean - matrix_product(summed.feature_mean[None], weights)[0],
        penalty,
        residual / jnp.maximum(summed.count, 1).astype(weights.dtype),
        _condition(summed.scatter, penalty),
    )


@jax.jit
def _dual(features, targets, penalty, kernel: Kernel | None):
    feature_mean, target_mean = features.mean(0), targets.mean(0)
    x, y = features - feature_mean[None], targets - target_mean[None]
    if kernel is None:
        inner = products(x)
        condition = _condition(inner, penalty)
        dual = decompose(inner, y).solve(penalty) if penalty.ndim else _system(inner, y, penalty)
    else:
        dual, condition = kernel.solve(penalty), 1 + kernel.size / penalty
    weights = matrix_product(x.T, dual)
    # (X X' + penalty) dual = Y: what the fit leaves of Y is penalty times the dual.
    return Ridge(
        weights,
        target_mean - matrix_product(feature_mean[None], weights)[0],
        penalty,
        penalty**2 * (dual**2).mean(0),
        condition,
    )


def _condition(matrix: Float[Array, "m m"], penalty: Float[Array, "*t"]) -> Float[Array, "*t"]:
    # No eigenvalue of a positive matrix exceeds the root of the sum of its squared entries.
    size = _size(matrix)
    return 1 + jnp.sqrt(((matrix / size) ** 2).sum()) / (penalty / size)


def _system(
    matrix: Float[Array, "m m"], right: Float[Array, "m t"], penalty: Float[Array, ""]
) -> Float[Array, "m t"]:
    """``(matrix + penalty)^-1 right``."""
    size = _size(matrix)
    shift = penalty / size * jnp.eye(len(matrix), dtype=matrix.dtype)
    factor = jnp.linalg.cholesky(matrix / size + shift, symmetrize_input=False)
    return jax.scipy.linalg.cho_solve((factor, True), right / size)


def _size(matrix: Float[Array, "m m"]) -> Float[Array, ""]:
    """The mean eigenvalue of a positive matrix; 1 if it is 0."""
    size = jnp.trace(matrix) / len(matrix)
    return jnp.where(size > 0, size, 1)


def checked(features: Rows, targets: Targets) -> tuple[Float[Array, "n d"], Float[Array, "n t"]]:
    """Both as floating-point arrays of one precision; of what is not traced, values are checked.

    Raises:
        InputError: as `fit` says of rows.
    """
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
    _check_finite(x, "features")
    _check_finite(y, "targets")
    if not isinstance(x, jax.core.Tracer) and (x == x[:1]).all():
        raise InputError("all rows of the features are equal; nothing can be learned from them")
    return x, y


def check_statistics(summed: Statistics) -> None:
    """Refuse statistics, unless they are traced, from which no ridge can be solved.

    Raises:
        InputError: as `fit` says of rows.
    """
    if isinstance(summed.count, jax.core.Tracer):
        return
    if summed.count < 2:
        raise InputError(f"the statistics are of {summed.count} rows; at least 2 are expected")
    _check_finite(summed.feature_mean, "features")
    _check_finite(summed.scatter, "features")
    _check_finite(summed.cross, "targets")
    if not jnp.trace(summed.scatter) > 0:
        raise InputError("all rows of the features are equal; nothing can be learned from them")


def _check_finite(values: Float[Array, "..."], name: str) -> None:
    if not isinstance(values, jax.core.Tracer) and not jnp.isfinite((values**2).sum()):
        raise InputError(
            f"{name} hold NaN, infinity or numbers too large to be squared; finite numbers are expected"
        )


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
    """Refuse penalties that are not positive numbers.

    Raises:
        InputError: as said.
    """
    if not (np.isfinite(penalties) & (penalties > 0)).all():
        raise InputError(f"penalty is {penalties}; a finite number above 0 is expected")


def _assured(found: Ridge) -> Ridge:
    """What was found, unless the decomposition broke down."""
    if not isinstance(found.bias, jax.core.Tracer) and not jnp.isfinite(found.weights).all():
        raise InputError(
            f"the system's condition is up to {float(jnp.max(found.condition)):.1g}, too much for "
            f"{found.weights.dtype}; a larger penalty or double precision is needed"
        )
    return found
