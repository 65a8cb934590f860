"""Generalised distance transforms: the lower envelope of one cone or parabola per sample.

A sampled function f and a penalty rho give ``D(q) = min_p f(p) + rho(q - p - shift)``, where p and q run
over the same grid. The squared penalty is ``weight * d^2``, the absolute one ``weight * |d|``. Over several
axes the penalty is the sum of one term an axis, so one axis is transformed after the other. Axes that are
not named are batch.

Source: P. F. Felzenszwalb and D. P. Huttenlocher, "Distance transforms of sampled functions", Theory of
Computing 8 (2012).
"""

import functools
from collections.abc import Sequence
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int

Penalty = Literal["squared", "absolute"]

# Candidates that the dense form unrolls into one fused loop. With fewer, XLA on CPU fuses the slicing of
# the block into the loop, which then no longer vectorises.
BLOCK = 16


class DistanceTransform(NamedTuple):
    """The transform, and which sample attains it."""

    values: Float[Array, "*shape"]
    argmin: Int[Array, "*shape axes"]
    """Index of the nearest sample along each transformed axis, in the order of ``axes``."""


@functools.partial(jax.jit, static_argnames=("axes", "penalty"))
def distance_transform(
    costs: Float[Array, "*shape"],
    *,
    weight: float | Float[Array, ""] = 1.0,
    axes: int | tuple[int, ...] = -1,
    penalty: Penalty = "squared",
    shift: float | Sequence[float] | Float[Array, ""] | Float[Array, " axes"] = 0.0,
) -> DistanceTransform:
    """The lower envelope of ``costs``: each sample's cost plus a penalty on the way to it.

    ``D(q) = min_p f(p) + sum_a rho(q_a - p_a - shift_a)`` with ``rho(d) = weight * d^2``
    ("squared") or ``weight * |d|`` ("absolute").

    >>> costs = jnp.array([0.0, 9.0, 9.0, 9.0, 1.0])
    >>> transform = distance_transform(costs)
    >>> transform.values.tolist(), transform.argmin[:, 0].tolist()
    ([0.0, 1.0, 4.0, 2.0, 1.0], [0, 0, 0, 4, 4])
    """
    named = (axes,) if isinstance(axes, int) else tuple(axes)
    named = tuple(axis % costs.ndim for axis in named)
    shifts = jnp.broadcast_to(jnp.asarray(shift, costs.dtype), (len(named),))
    weight = jnp.asarray(weight, costs.dtype)
    values, chosen = costs, []
    for axis, axis_shift in zip(named, shifts, strict=True):
        values, argmin = _pass(values, weight, axis_shift, axis, penalty)
        chosen = [jnp.take_along_axis(earlier, argmin, axis) for earlier in chosen] + [argmin]
    return DistanceTransform(values, jnp.stack(chosen, axis=-1))


def penalty_matrix(
    length: int,
    weight: Float[Array, ""],
    shift: float | Float[Array, ""] = 0.0,
    penalty: Penalty = "squared",
) -> Float[Array, "length length"]:
    """``rho(q - p - shift)`` as a matrix ``[p, q]``."""
    positions = jnp.arange(length, dtype=weight.dtype)
    return weight * _unit_penalty(positions[None, :] - positions[:, None] - shift, penalty)


def _unit_penalty(displacement, penalty):
    return displacement**2 if penalty == "squared" else jnp.abs(displacement)


@functools.partial(jax.custom_jvp, nondiff_argnums=(3, 4))
def _pass(costs, weight, shift, axis, penalty):
    matrix = penalty_matrix(costs.shape[axis], weight, shift, penalty)
    return min_plus(costs, (matrix,), axes=(axis,)), _argmin_plus(costs, matrix, axis)


@_pass.defjvp
def _pass_jvp(axis, penalty, primals, tangents):
    costs, weight, shift = primals
    values, argmin = _pass(costs, weight, shift, axis, penalty)
    positions = lax.broadcasted_iota(costs.dtype, costs.shape, axis)
    moved, slope = jax.jvp(
        lambda d: _unit_penalty(d, penalty), (positions - argmin - shift,), (jnp.ones_like(costs),)
    )
    from_costs = jnp.take_along_axis(tangents[0], argmin, axis)
    tangent = from_costs + tangents[1] * moved - tangents[2] * weight * slope
    return (values, argmin), (tangent, np.zeros(argmin.shape, jax.dtypes.float0))


def min_plus(
    costs: Float[Array, "*shape"],
    matrices: Sequence[Float[Array, "*lead length length"]],
    *,
    axes: Sequence[int],
) -> Float[Array, "*shape"]:
    """Min-plus products along several axes, one after the other.

    Along one axis, ``out[q] = min_p costs[p] + matrix[p, q]``. Leading axes of a matrix go with the leading
    axes of ``costs``.
    """
    passes = [
        functools.partial(_min_plus_once, matrix=matrix, axis=axis)
        for matrix, axis in zip(matrices, axes, strict=True)
    ]
    # XLA would fuse one pass into the next and compute the first anew for every candidate of the second;
    # it does not look across the trips of a loop. (A single pass gets an idle second trip.)
    if len(passes) == 1:
        passes.append(lambda costs: costs)
    return lax.fori_loop(0, len(passes), lambda i, out: lax.switch(i, passes, out), costs)


def soft_min_plus(
    costs: Float[Array, "*shape"],
    matrices: Sequence[Float[Array, "*lead length length"]],
    *,
    axes: Sequence[int],
    temperature: float | Float[Array, ""],
) -> Float[Array, "*shape"]:
    """`min_plus` with a soft minimum, ``out[q] = -T log sum_p exp(-(costs[p] + matrix[p, q]) / T)``.

    It falls short of the minimum by at most ``T log(length)`` an axis, and every candidate has a gradient.
    """
    for matrix, axis in zip(matrices, axes, strict=True):
        costs = _soft_min_plus_once(costs, matrix, temperature, axis)
    return costs


# Recomputing the candidates on the way back costs less than keeping all of them, ``length`` times the costs.
@functools.partial(jax.checkpoint, static_argnums=(3,))
def _soft_min_plus_once(costs, matrix, temperature, axis):
    least = lax.stop_gradient(min_plus(costs, (matrix,), axes=(axis,)))
    lead = matrix.shape[:-2]
    shape = [*lead, *[1] * (costs.ndim + 1 - len(lead))]
    shape[axis], shape[axis + 1] = matrix.shape[-2:]
    excess = jnp.expand_dims(costs, axis + 1) + matrix.reshape(shape) - jnp.expand_dims(least, axis)
    return least - temperature * jnp.log(jnp.exp(-excess / temperature).sum(axis))


def _min_plus_once(costs, *, matrix, axis):
    length = costs.shape[axis]
    blocks = max(1, length // BLOCK)
    size = -(-length // blocks)

    def fold(costs, matrix, best):
        for p in range(costs.shape[axis]):
            candidate = lax.slice_in_dim(costs, p, p + 1, axis=axis) + _row(
                matrix, p, axis, costs.ndim
            )
            best = candidate if best is None else jnp.minimum(best, candidate)
        return best

    def block(i, best):
        # The last block is moved up against the end; counting a candidate twice does no harm.
        part = lax.dynamic_slice_in_dim(costs, i * size, size, axis)
        rows = lax.dynamic_slice_in_dim(matrix, i * size, size, matrix.ndim - 2)
        return fold(part, rows, best)

    if blocks == 1:
        return fold(costs, matrix, None)
    return lax.fori_loop(0, blocks, block, jnp.full(costs.shape, jnp.inf, costs.dtype))


def _row(matrix, p, axis, ndim):
    lead = matrix.shape[:-2]
    shape = [*lead, *[1] * (ndim - len(lead))]
    shape[axis] = matrix.shape[-1]
    return matrix[..., p, :].reshape(shape)


def _argmin_plus(costs, matrix, axis):
    best = jnp.full(costs.shape, jnp.inf, costs.dtype)
    at = jnp.zeros(costs.shape, jnp.int32)
    for p in range(costs.shape[axis]):
        candidate = lax.slice_in_dim(costs, p, p + 1, axis=axis) + _row(matrix, p, axis, costs.ndim)
        at = jnp.where(candidate < best, p, at)
        best = jnp.minimum(candidate, best)
    return at
