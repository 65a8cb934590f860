"""Sufficient statistics of rows for ridge regression, whose size does not depend on the number of rows.

For n rows of features x (d of them) and targets y (t of them), with means m_x and m_y, the statistics are n,
the means, and

    scatter = sum (x - m_x)(x - m_x)'     cross = sum (x - m_x)(y - m_y)'     spread = sum (y - m_y)^2.

The sums are taken about the means, not about zero: in single precision, sums about zero lose the differences
between rows as soon as the mean is large compared with them. Two sets of rows are merged, or one is removed
from the other, by the rule of Chan, Golub and LeVeque 1983 ("Algorithms for computing the sample variance", The
American Statistician 37): the scatters add up, together with ``n_a n_b / n (m_a - m_b)(m_a - m_b)'``.

Hence k folds cost one pass over the rows and k subtractions, rows may arrive in blocks or be spread over many
devices, and a pass may be stopped, stored and resumed. Memory is O(d^2 + d t), never O(n d).
"""

import functools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int32

from convcorr_jax.linear.folds import full_precision_matmul

# The scatter is symmetric: only the part of its column panels on and above the diagonal is multiplied out.
_PANELS = 8
# Narrower panels cost more time than the products they save.
_LEAST_PANEL = 256
# A running sum of more rows loses digits: of five million rows in single precision, two are left.
_ROWS_AT_ONCE = 16_384


class Statistics(NamedTuple):
    """The statistics of a set of rows that the module describes: counts, means, and sums about the means."""

    count: Int32[Array, ""]
    """Number of rows n, exact up to 2^31 - 1."""
    feature_mean: Float[Array, " d"]
    target_mean: Float[Array, " t"]
    scatter: Float[Array, "d d"]
    cross: Float[Array, "d t"]
    spread: Float[Array, " t"]


def empty_statistics(features: int, targets: int, *, dtype: jnp.dtype = jnp.float32) -> Statistics:
    """Return the statistics of no rows, from which an accumulation starts."""
    return Statistics(
        jnp.zeros((), jnp.int32),
        jnp.zeros(features, dtype),
        jnp.zeros(targets, dtype),
        jnp.zeros((features, features), dtype),
        jnp.zeros((features, targets), dtype),
        jnp.zeros(targets, dtype),
    )


@jax.jit
def statistics(
    features: Float[Array, "n d"], targets: Float[Array, "n t"], *, mask: Bool[Array, " n"] | None = None
) -> Statistics:
    """Compute the statistics of rows, block by block if there are many.

    >>> statistics(jnp.array([[1.0], [3.0]]), jnp.array([[0.0], [4.0]])).cross
    Array([[4.]], dtype=float32)

    Args:
        mask: True for rows that count; all rows by default. With a mask, blocks that are padded to one size
            share one compiled program.
    """
    arrays = (features, targets) if mask is None else (features, targets, mask)
    blocks, rest = divmod(len(features), _ROWS_AT_ONCE)

    def of_rows(start: int | Array, size: int) -> Statistics:
        return _of_block(*(lax.dynamic_slice_in_dim(one, start, size) for one in arrays))

    if blocks == 0:
        return _of_block(*arrays)
    total = lax.fori_loop(
        1,
        blocks,
        lambda i, total: add(total, of_rows(i * _ROWS_AT_ONCE, _ROWS_AT_ONCE)),
        of_rows(0, _ROWS_AT_ONCE),
    )
    return add(total, of_rows(blocks * _ROWS_AT_ONCE, rest)) if rest else total


def _of_block(features, targets, mask=None) -> Statistics:
    count = jnp.asarray(len(features)) if mask is None else mask.sum()
    divisor = jnp.maximum(count, 1).astype(features.dtype)
    centered = []
    for values in (features, targets):
        masked = values if mask is None else jnp.where(mask[:, None], values, 0)
        mean = masked.sum(axis=0) / divisor
        offsets = masked - mean[None]
        centered.append((mean, offsets if mask is None else jnp.where(mask[:, None], offsets, 0)))
    (feature_mean, x), (target_mean, y) = centered
    return Statistics(
        count.astype(jnp.int32),
        feature_mean,
        target_mean,
        gram(x),
        full_precision_matmul(x.T, y),
        (y**2).sum(axis=0),
    )


@jax.jit
def add(a: Statistics, b: Statistics) -> Statistics:
    """Merge the statistics of two disjoint sets of rows."""
    n_a, n_b, n = _counts(a, b, a.count + b.count)
    weight, fraction = n_a * n_b / n, n_b / n
    x, y = b.feature_mean - a.feature_mean, b.target_mean - a.target_mean
    return Statistics(
        a.count + b.count,
        a.feature_mean + fraction * x,
        a.target_mean + fraction * y,
        a.scatter + b.scatter + weight * jnp.outer(x, x),
        a.cross + b.cross + weight * jnp.outer(x, y),
        a.spread + b.spread + weight * y**2,
    )


@functools.partial(jax.jit, donate_argnums=0)
def accumulate(
    total: Statistics,
    features: Float[Array, "n d"],
    targets: Float[Array, "n t"],
    *,
    mask: Bool[Array, " n"] | None = None,
) -> Statistics:
    """Add a block of rows to statistics, whose arrays are donated and must not be used afterwards."""
    return add(total, statistics(features, targets, mask=mask))


@jax.jit
def subtract(whole: Statistics, part: Statistics) -> Statistics:
    """Compute the statistics of the rows of ``whole`` that are not in ``part``.

    The subtraction cancels digits: where a hundredth of the rows remains, two decimal digits are lost.
    """
    n_part, n, n_rest = _counts(part, whole, whole.count - part.count)
    x, y = part.feature_mean - whole.feature_mean, part.target_mean - whole.target_mean
    weight, fraction = n_part * n / n_rest, n_part / n_rest
    return Statistics(
        whole.count - part.count,
        whole.feature_mean - fraction * x,
        whole.target_mean - fraction * y,
        whole.scatter - part.scatter - weight * jnp.outer(x, x),
        whole.cross - part.cross - weight * jnp.outer(x, y),
        whole.spread - part.spread - weight * y**2,
    )


def leave_out_each(
    parts: Sequence[Statistics], *, outside: tuple[Statistics, ...] = ()
) -> Iterator[Statistics]:
    """Yield, for each of at least two disjoint sets of rows, the statistics of all others and those outside.

    They are added up, which cancels no digits, about ``log2(k)`` times for each of k sets.
    """
    if len(parts) == 1:
        yield outside[0]
        return
    halves = parts[: len(parts) // 2], parts[len(parts) // 2 :]
    for inside, other in (halves, halves[::-1]):
        yield from leave_out_each(inside, outside=(functools.reduce(add, (*outside, *other)),))


def all_reduce(part: Statistics, *, axis_name: str) -> Statistics:
    """Merge the statistics of all devices and processes, and return the result on each of them.

    Args:
        axis_name: a mapped axis, bound by `jax.pmap`, `jax.shard_map` or `jax.vmap` around the call.
    """
    n_part = part.count.astype(part.scatter.dtype)
    count = lax.psum(part.count, axis_name)
    fraction = n_part / jnp.maximum(count, 1).astype(part.scatter.dtype)
    feature_mean = lax.psum(fraction * part.feature_mean, axis_name)
    target_mean = lax.psum(fraction * part.target_mean, axis_name)
    x, y = part.feature_mean - feature_mean, part.target_mean - target_mean
    sums = (
        part.scatter + n_part * jnp.outer(x, x),
        part.cross + n_part * jnp.outer(x, y),
        part.spread + n_part * y**2,
    )
    return Statistics(count, feature_mean, target_mean, *lax.psum(sums, axis_name))


def gram(rows: Float[Array, "n d"]) -> Float[Array, "d d"]:
    """Compute ``rows' rows``, with each product of two columns computed once."""
    d = rows.shape[1]
    width = max(-(-d // _PANELS), _LEAST_PANEL)
    result = jnp.zeros((d, d), rows.dtype)
    for start in range(0, d, width):
        panel = full_precision_matmul(rows[:, start : start + width].T, rows[:, start:])
        result = lax.dynamic_update_slice(result, panel, (start, start))
        # The mirrored part is written a panel at a time: transposing the whole matrix at once takes longer.
        result = lax.dynamic_update_slice(result, panel[:, width:].T, (start + width, start))
    return result


def _counts(a: Statistics, b: Statistics, total: Int32[Array, ""]):
    dtype = a.scatter.dtype
    return a.count.astype(dtype), b.count.astype(dtype), jnp.maximum(total, 1).astype(dtype)
