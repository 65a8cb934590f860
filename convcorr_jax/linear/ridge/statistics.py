"""All that ridge regression needs to know of its rows, in arrays whose size does not depend on their number.

With n rows of features x (d of them) and targets y (t of them), and their means m_x and m_y, these are n, the
means and

    scatter = sum (x - m_x)(x - m_x)'     cross = sum (x - m_x)(y - m_y)'     spread = sum (y - m_y)^2.

They are kept about the mean, not about zero: sums about zero lose in single precision what the differences
between rows say, as soon as the mean is large against them. Two sets of rows are put together, or one is taken
out of the other, by the rule of Chan, Golub and LeVeque 1983 ("Algorithms for computing the sample variance",
The American Statistician 37): the scatters add up, and so does ``n_a n_b / n (m_a - m_b)(m_a - m_b)'``.

Hence k folds cost one pass over the rows and k subtractions, rows may come in blocks or lie on many devices,
and a pass may be stopped, kept on disk, and go on. Memory is O(d^2 + d t), never O(n d).
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int32

# The scatter is symmetric: of its panels of columns only the part on and above the diagonal is multiplied out.
_PANELS = 8
# Narrower panels than this are slower than what they save.
_LEAST_PANEL = 256


class Statistics(NamedTuple):
    """Count, means and sums of squares and products about the means; see the module's text.

    The count is exact up to 2^31 - 1 rows.
    """

    count: Int32[Array, ""]
    feature_mean: Float[Array, " d"]
    target_mean: Float[Array, " t"]
    scatter: Float[Array, "d d"]
    cross: Float[Array, "d t"]
    spread: Float[Array, " t"]


def empty(features: int, targets: int, *, dtype: jnp.dtype = jnp.float32) -> Statistics:
    """The statistics of no rows: what a sum starts from."""
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
    features: Float[Array, "n d"],
    targets: Float[Array, "n t"],
    counted: Bool[Array, " n"] | None = None,
) -> Statistics:
    """Of one block of rows.

    >>> statistics(jnp.array([[1.0], [3.0]]), jnp.array([[0.0], [4.0]])).cross
    Array([[4.]], dtype=float32)

    Args:
        features: one row a sample.
        targets: in the same precision.
        counted: which rows count; all by default. Blocks that are filled up to one size compile once.
    """
    count = jnp.asarray(len(features)) if counted is None else counted.sum()
    divisor = jnp.maximum(count, 1).astype(features.dtype)
    around = []
    for values in (features, targets):
        kept = values if counted is None else jnp.where(counted[:, None], values, 0)
        mean = kept.sum(axis=0) / divisor
        offsets = kept - mean[None]
        around.append(
            (mean, offsets if counted is None else jnp.where(counted[:, None], offsets, 0))
        )
    (feature_mean, x), (target_mean, y) = around
    return Statistics(
        count.astype(jnp.int32),
        feature_mean,
        target_mean,
        gram(x),
        matrix_product(x.T, y),
        (y**2).sum(axis=0),
    )


@jax.jit
def add(a: Statistics, b: Statistics) -> Statistics:
    """The statistics of all rows of both."""
    n_a, n_b, n = _counts(a, b, a.count + b.count)
    weight, share = n_a * n_b / n, n_b / n
    x, y = b.feature_mean - a.feature_mean, b.target_mean - a.target_mean
    return Statistics(
        a.count + b.count,
        a.feature_mean + share * x,
        a.target_mean + share * y,
        a.scatter + b.scatter + weight * jnp.outer(x, x),
        a.cross + b.cross + weight * jnp.outer(x, y),
        a.spread + b.spread + weight * y**2,
    )


@functools.partial(jax.jit, donate_argnums=0)
def accumulate(
    total: Statistics,
    features: Float[Array, "n d"],
    targets: Float[Array, "n t"],
    counted: Bool[Array, " n"] | None = None,
) -> Statistics:
    """The statistics of the rows of ``total`` and of one block more; the arrays of ``total`` are used up.

    Args:
        total: of the rows so far.
        features: as of `statistics`.
        targets: as of `statistics`.
        counted: as of `statistics`.
    """
    return add(total, statistics(features, targets, counted))


@jax.jit
def subtract(whole: Statistics, part: Statistics) -> Statistics:
    """The statistics of the rows of ``whole`` that are not in ``part``.

    The less is left, the fewer digits are: rows that are a hundredth of the whole have lost two.
    """
    n_part, n, n_left = _counts(part, whole, whole.count - part.count)
    x, y = part.feature_mean - whole.feature_mean, part.target_mean - whole.target_mean
    weight, share = n_part * n / n_left, n_part / n_left
    return Statistics(
        whole.count - part.count,
        whole.feature_mean - share * x,
        whole.target_mean - share * y,
        whole.scatter - part.scatter - weight * jnp.outer(x, x),
        whole.cross - part.cross - weight * jnp.outer(x, y),
        whole.spread - part.spread - weight * y**2,
    )


def all_sum(part: Statistics, *, axis_name: str) -> Statistics:
    """The statistics of the rows of all devices and processes, on each of them.

    To be called where ``axis_name`` is bound: under `jax.pmap`, `jax.shard_map` or `jax.vmap`.
    """
    n_part = part.count.astype(part.scatter.dtype)
    count = lax.psum(part.count, axis_name)
    share = n_part / jnp.maximum(count, 1).astype(part.scatter.dtype)
    feature_mean = lax.psum(share * part.feature_mean, axis_name)
    target_mean = lax.psum(share * part.target_mean, axis_name)
    x, y = part.feature_mean - feature_mean, part.target_mean - target_mean
    sums = (
        part.scatter + n_part * jnp.outer(x, x),
        part.cross + n_part * jnp.outer(x, y),
        part.spread + n_part * y**2,
    )
    return Statistics(count, feature_mean, target_mean, *lax.psum(sums, axis_name))


def gram(rows: Float[Array, "n d"]) -> Float[Array, "d d"]:
    """``rows' rows``, each product of two columns computed once."""
    d = rows.shape[1]
    width = max(-(-d // _PANELS), _LEAST_PANEL)
    found = jnp.zeros((d, d), rows.dtype)
    for start in range(0, d, width):
        panel = matrix_product(rows[:, start : start + width].T, rows[:, start:])
        found = lax.dynamic_update_slice(found, panel, (start, start))
        # Its mirror image, a panel at a time: transposing the whole at once takes longer.
        found = lax.dynamic_update_slice(found, panel[:, width:].T, (start + width, start))
    return found


def matrix_product(a: Float[Array, "n d"], b: Float[Array, "d m"]) -> Float[Array, "n m"]:
    """``a b`` in the full precision of both."""
    # Accelerators multiply single precision in fewer bits unless they are told not to.
    return jnp.matmul(a, b, precision=lax.Precision.HIGHEST)


def _counts(a: Statistics, b: Statistics, total: Int32[Array, ""]):
    dtype = a.scatter.dtype
    return a.count.astype(dtype), b.count.astype(dtype), jnp.maximum(total, 1).astype(dtype)
