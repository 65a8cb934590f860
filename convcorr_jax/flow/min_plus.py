"""Min-plus products of an array with a matrix along one axis, hard and soft.

``out[q] = min_p costs[p] + matrix[p, q]``: a matrix product whose sum is a minimum and whose product is a sum.
A distance transform is the product with a matrix of penalties, and so is a message of belief propagation.
A sample that is NaN or plus infinity counts as absent; where all samples are absent, the result is infinite.
"""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

# Candidates that are unrolled into one fused loop. With fewer, XLA on a CPU fuses the slicing of the block into
# that loop, which then does not vectorise (eight times slower at 8 than at 16); with more, registers spill.
BLOCK = 16


def min_plus(
    costs: Float[Array, "..."], matrices: Sequence[Float[Array, "..."]], *, axes: Sequence[int]
) -> Float[Array, "..."]:
    """Compute min-plus products with square matrices along several axes, one axis after the other.

    A matrix is ``[p, q]``, and may have leading axes before these two, which correspond to those of ``costs``.
    """
    passes = [
        functools.partial(min_plus_once, matrix=matrix, axis=axis)
        for matrix, axis in zip(matrices, axes, strict=True)
    ]
    return unfused(passes, costs)


def unfused(passes, value):
    """Apply functions one after the other so that XLA does not fuse them.

    XLA would fuse one product into the next and compute the first again for every candidate of the second.
    It does not fuse across the iterations of a loop; a single function gets an idle second iteration.
    """
    if len(passes) == 1:
        passes = [*passes, lambda value: value]
    return lax.fori_loop(0, len(passes), lambda i, v: lax.switch(i, passes, v), value)


def min_plus_once(costs, *, matrix, axis):
    """Compute the product along one axis, ``[p] -> [q]``, with a matrix ``[..., p, q]`` as in `min_plus`."""

    def fold(best, costs, matrix, _):
        for p in range(costs.shape[axis]):
            candidate = _candidate(costs, matrix, p, axis)
            # Not `minimum`, whose propagation of NaN costs more than the minimum itself.
            best = jnp.where(candidate < best, candidate, best)
        return best

    shape = list(costs.shape)
    shape[axis] = matrix.shape[-1]
    return _over_blocks(fold, jnp.full(shape, jnp.inf, costs.dtype), costs, matrix, axis)


def argmin_plus_once(costs, product, *, matrix, axis):
    """Find the first p, a 32-bit index, that attains each element of the product of `min_plus_once`."""

    def fold(first, costs, matrix, start):
        for p in range(costs.shape[axis]):
            candidate = _candidate(costs, matrix, p, axis)
            first = jnp.minimum(first, jnp.where(candidate <= product, start + p, last))
        return first

    last = costs.shape[axis] - 1
    return _over_blocks(fold, jnp.full(product.shape, last, jnp.int32), costs, matrix, axis)


def _candidate(costs, matrix, p, axis):
    lead = matrix.shape[:-2]
    shape = [*lead, *[1] * (costs.ndim - len(lead))]
    shape[axis] = matrix.shape[-1]
    return lax.slice_in_dim(costs, p, p + 1, axis=axis) + matrix[..., p, :].reshape(shape)


def _over_blocks(fold, value, costs, matrix, axis):
    length = costs.shape[axis]
    count = max(1, length // BLOCK)
    if count == 1:
        return fold(value, costs, matrix, 0)
    size = -(-length // count)

    def block(i, value):
        # The last block is shifted to end with the axis: meeting a candidate twice does not change a minimum.
        start = jnp.minimum(i * size, length - size)
        part = lax.dynamic_slice_in_dim(costs, start, size, axis)
        rows = lax.dynamic_slice_in_dim(matrix, start, size, matrix.ndim - 2)
        return fold(value, part, rows, start)

    return lax.fori_loop(0, count, block, value)


def soft_min_plus(
    costs: Float[Array, "..."],
    matrices: Sequence[Float[Array, "..."]],
    *,
    axes: Sequence[int],
    temperature: float | Float[Array, ""],
) -> Float[Array, "..."]:
    """Compute min-plus products with the soft minimum ``-T log sum_p exp(-(costs[p] + matrix[p, q]) / T)``.

    The soft minimum is below the minimum by at most ``T log(length)`` for each axis, and every candidate has a
    gradient. T, above 0, is in units of ``costs``.
    """
    for matrix, axis in zip(matrices, axes, strict=True):
        costs = _soft_min_plus_once(costs, matrix, temperature, axis)
    return costs


# Computing the candidates again in the backward pass costs less than storing them all.
@functools.partial(jax.checkpoint, static_argnums=(3,))
def _soft_min_plus_once(costs, matrix, temperature, axis):
    costs = jnp.where(jnp.isnan(costs), jnp.inf, costs)
    least = lax.stop_gradient(min_plus(costs, (matrix,), axes=(axis,)))
    least = jnp.where(jnp.isinf(least), 0, least)
    lead = matrix.shape[:-2]
    shape = [*lead, *[1] * (costs.ndim + 1 - len(lead))]
    shape[axis], shape[axis + 1] = matrix.shape[-2:]
    excess = jnp.expand_dims(costs, axis + 1) + matrix.reshape(shape) - jnp.expand_dims(least, axis)
    return least - temperature * jnp.log(jnp.exp(-excess / temperature).sum(axis))
