"""Weighted sums of an array around many centres on its first axis, each over the rows it reaches.

The matrix of all weights ``[centres, rows]`` is a band of zeros but for a diagonal. Neighbouring
centres are taken in blocks: a block is one dense product of its weights with the rows it can reach,
so the work grows with the reach and not with the length of the axis, and what a block yields is
still in the cache when it is passed on.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

# Blocks span at least about this many rows: below it, starting a block costs more than computing
# it.
MIN_BLOCK_ROWS = 40

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
    count = len(centers)
    stride = centers[1] - centers[0] if count > 1 else 1.0
    # Blocks as wide as they reach spend half of the product on zeros; narrower ones copy more rows.
    wanted = min(count, max(1, round(max(MIN_BLOCK_ROWS, 2 * reach) / stride)))
    # Near the wanted size, take the one that needs the least filling up: cutting that off is a
    # copy.
    per_block = min(range(-(-2 * wanted // 3), 3 * wanted // 2 + 1), key=lambda k: -count % k)
    filled = np.concatenate([centers, np.repeat(centers[-1:], -count % per_block)])
    blocks = filled.reshape(-1, per_block)
    # Two rows more than the span, for a start that is rounded down and an end that is rounded up.
    length = min(size, math.ceil((per_block - 1) * stride + 2 * reach) + 2)
    starts = np.clip(np.floor(blocks[:, 0] - reach).astype(int), 0, size - length)
    rows = starts[:, None] + np.arange(length)
    return Windows(starts, rows[:, None, :] - blocks[:, :, None], count)


def window_sums(
    array: Float[Array, "size ..."],
    windows: Windows,
    weigh: Weigh,
    finish: Callable[[Array], Array] = lambda sums: sums,
) -> Array:
    """Weighted sums, as ``[n, axes of the weights, other axes of the array]``.

    ``finish`` is applied to the sums of each block, while they are at hand, and may reshape all but
    their first axis.
    """
    length = windows.offsets.shape[-1]

    def one_block(block: tuple[Array, Array]) -> Array:
        start, offsets = block
        rows = jax.lax.dynamic_slice_in_dim(array, start, length)
        sums = jnp.tensordot(weigh(offsets), rows, axes=1, precision=jax.lax.Precision.HIGHEST)
        return finish(sums)

    offsets = jnp.asarray(windows.offsets, array.dtype)
    per_block = jax.lax.map(one_block, (jnp.asarray(windows.starts), offsets))
    return per_block.reshape(-1, *per_block.shape[2:])[: windows.count]
