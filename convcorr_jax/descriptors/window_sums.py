"""Weighted sums of an array around many centres on its first axis, each over a limited number of rows.

The matrix of all weights ``[centres, rows]`` is a diagonal band. Neighbouring centres form blocks, and a block
is one dense product of its weights with the rows within its reach. The cost therefore grows with the reach and
not with the length of the axis.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

# Blocks span at least about this many rows; the overhead of a smaller product exceeds its cost.
MIN_BLOCK_ROWS = 16
# Sums are finished in groups of about this many numbers: few enough to stay in the cache, and
# enough for XLA on a CPU to reduce them with vector instructions, which begins at 2^19.
GROUP_NUMBERS = 2**20
# The program contains the blocks of a group one by one, and it should stay short.
MOST_BLOCKS_IN_GROUP = 16

Weigh = Callable[[Float[Array, "centers length"]], Float[Array, "centers ... length"]]
"""Maps offsets of rows (row minus centre) to weights; the sums get the axes in between."""


class Windows(NamedTuple):
    """Centres in blocks of equal size, and the window of rows that each block needs."""

    starts: Int[np.ndarray, " blocks"]
    offsets: Float[np.ndarray, "blocks centers length"]
    """The rows of each block's window, which begin at ``starts``, minus each centre."""
    count: int
    """Centres; the last block is padded with repetitions of the last centre."""


def windows(centers: Float[np.ndarray, " n"], size: int, *, reach: float) -> Windows:
    """Plan the sums around evenly spaced, ascending centres on an axis of ``size`` rows.

    Centres, in rows, may be between rows and outside the axis, where rows count as zero. The reach is the
    largest offset, in rows, whose weight is not zero.
    """
    stride = centers[1] - centers[0] if len(centers) > 1 else 1.0
    # Blocks as wide as their reach spend half of the product on zeros; narrower blocks copy more rows.
    per_block = _part_size(len(centers), target=max(MIN_BLOCK_ROWS, 2 * reach) / stride)
    blocks = _in_parts(centers, per_block)
    # Two rows more than the span, for a start that is rounded down and an end that is rounded up.
    length = min(size, math.ceil((per_block - 1) * stride + 2 * reach) + 2)
    starts = np.clip(np.floor(blocks[:, 0] - reach).astype(int), 0, size - length)
    rows = starts[:, None] + np.arange(length)
    return Windows(starts, rows[:, None, :] - blocks[:, :, None], len(centers))


def window_sums(
    array: Float[Array, "size ..."],
    windows: Windows,
    weigh: Weigh,
    *,
    finish: Callable[[Array], Array] | None = None,
) -> Array:
    """Compute weighted sums around centres.

    The result is ``[n, axes of the weights, other axes of the array]``. ``finish`` is applied to the sums of
    each group of centres while they are in the cache, and must keep their first axis.
    """
    length = windows.offsets.shape[-1]
    product = partial(jnp.tensordot, axes=1, precision=jax.lax.Precision.HIGHEST)

    def group_sums(group: tuple[Array, Array]) -> Array:
        starts, weights = group
        rows = [jax.lax.dynamic_slice_in_dim(array, start, length) for start in starts]
        sums = jax.vmap(product)(weights, jnp.stack(rows))
        sums = sums.reshape(-1, *sums.shape[2:])
        return sums if finish is None else finish(sums)

    weights = jax.vmap(weigh)(jnp.asarray(windows.offsets, array.dtype))
    numbers_per_block = math.prod(weights.shape[1:-1]) * math.prod(array.shape[1:])
    blocks = np.arange(len(windows.starts))
    # Without `finish`, one block at a time is fastest: the loop over blocks makes XLA compute the array once,
    # and not again in each of the overlapping windows.
    target = 1 if finish is None else min(GROUP_NUMBERS / numbers_per_block, MOST_BLOCKS_IN_GROUP)
    grouped = _in_parts(blocks, _part_size(len(blocks), target=target))
    groups = jax.lax.map(group_sums, (jnp.asarray(windows.starts[grouped]), weights[grouped]))
    return groups.reshape(-1, *groups.shape[2:])[: windows.count]


def _part_size(count: int, *, target: float) -> int:
    """Choose a size of parts near the target for which the last part needs the least padding."""
    near = min(count, max(1, round(target)))
    return min(range(-(-2 * near // 3), 3 * near // 2 + 1), key=lambda size: -count % size)


def _in_parts(items: np.ndarray, size: int) -> np.ndarray:
    """Divide items into parts of ``size``, and pad the last part with repetitions of the last item."""
    missing = -len(items) % size
    return np.concatenate([items, items[-1:].repeat(missing, axis=0)]).reshape(-1, size, *items.shape[1:])
