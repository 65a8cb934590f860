"""Batches of one size, so that one compiled program serves all of them."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Int


def padded_batches(count: int, *, size: int) -> Iterator[tuple[Int[np.ndarray, " size"], int]]:
    """Yield the row numbers of every batch of ``size`` rows, and how many of them are the batch's own.

    The last batch is padded with copies of its last row; drop what is computed from them.

    >>> [(rows.tolist(), own) for rows, own in padded_batches(5, size=2)]
    [([0, 1], 2), ([2, 3], 2), ([4, 4], 1)]

    Args:
        count: the number of rows.
        size: the number of rows of a batch.
    """
    for start in range(0, count, size):
        yield np.minimum(np.arange(start, start + size), count - 1), min(size, count - start)
