"""Weighted sums of an array around many centres on its first axis, each over the rows it reaches.

The matrix of all weights ``[centres, rows]`` is zero but for a diagonal band. Neighbouring centres
are taken in blocks: a block is one dense product of its weights with the rows that it can reach. So
the work grows with the reach and not with the length of the axis.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

# Blocks span at least about this many rows: below it, a product is too small to be worth starting.
MIN_BLOCK_ROWS = 16
# Sums are finished in groups of about this many numbers: few enough to be still in the cache, and
# enough for XLA on a CPU to reduce them with vector instructions, which begins at 2^19.
GROUP_NUMBERS = 2**20
# The blocks of a group are written out one by one in the program, which should stay short.
MOST_BLOCKS_IN_GROUP = 16

Weigh = Callable[[Float[Array, "centers length"]], Float[Array, "centers ... length"]]
"""From the offsets of rows (row minus centre) to their weights; axes between become the sums'."""


class Windows(NamedTuple):
    """Centres in blocks of equal size, and for each block the window of rows that it needs."""

    starts: Int[np.ndarray, " blocks"]
    offsets: Float[np.ndarray, "blocks centers length"]
    count: int
    """How many centres there are; the last block may be filled up with repetitions of the last."""


def windows(centers: Float[np.ndarray, " n"], size: int, *, reach: float) -> Windows:
    """Plan the sums around evenly spaced, ascending centres, for an axis of ``size`` rows.

    ``reach`` is the largest offset whose weight is not zero. Centres may lie anywhere, also between
    rows and outside the axis; rows outside the axis count as zero.
    """
    stride = centers[1] - centers[0] if len(centers) > 1 else 1.0
    # Blocks as wide as they reach spend half of the product on zeros; narrower ones copy more rows.
    per_block = _share(len(centers), wanted=max(MIN_BLOCK_ROWS, 2 * reach) / stride)
    blocks = _filled_up(centers, per_block)
    # Two rows more than the span, for a start that is rounded down and an end that is rounded up.
    length = min(size, math.ceil((per_block - 1) * stride + 2 * reach) + 2)
    starts = np.clip(np.floor(blocks[:, 0] - reach).astype(int), 0, size - length)
    rows = starts[:, None] + np.arange(length)
    return Windows(starts, rows[:, None, :] - blocks[:, :, None], len(centers))


def window_sums(
    array: Float[Array, "size ..."],
    windows: Windows,
    weigh: Weigh,
    finish: Callable[[Array], Array] | None = None,
) -> Array:
    """Weighted sums, as ``[n, axes of the weights, other axes of the array]``.

    ``finish`` is applied to the sums of each group of centres, while they are at hand; it must keep
    their first axis.
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
    # With nothing to finish, blocks are best taken one at a time: the loop over them makes XLA
    # compute the array once, and not again in each of the overlapping windows.
    wanted = 1 if finish is None else min(GROUP_NUMBERS / numbers_per_block, MOST_BLOCKS_IN_GROUP)
    grouped = _filled_up(blocks, _share(len(blocks), wanted=wanted))
    groups = jax.lax.map(group_sums, (jnp.asarray(windows.starts[grouped]), weights[grouped]))
    return groups.reshape(-1, *groups.shape[2:])[: windows.count]


def _share(count: int, *, wanted: float) -> int:
    """Into shares of which size, near the wanted one, to divide so that the last lacks the least.

    What it lacks is computed for nothing, and cutting it off the result is a copy.
    """
    near = min(count, max(1, round(wanted)))
    return min(range(-(-2 * near // 3), 3 * near // 2 + 1), key=lambda size: -count % size)


def _filled_up(items: np.ndarray, share: int) -> np.ndarray:
    """Shares of the items, the last one filled up with repetitions of the last item."""
    missing = -len(items) % share
    return np.concatenate([items, items[-1:].repeat(missing, axis=0)]).reshape(
        -1, share, *items.shape[1:]
    )
