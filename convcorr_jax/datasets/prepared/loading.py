"""Loading records ahead of the computation that needs them."""

import itertools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from convcorr_jax.datasets.records import Record
from convcorr_jax.errors import InputError

Loaded = TypeVar("Loaded")

# Decoding an image frees Python's lock; one batch in hand and two on their way hide its time.
_THREADS = 2
_BATCHES_AHEAD = 2


def batches(
    records: Sequence[Record], load: Callable[[Record], Loaded], *, size: int
) -> Iterator[list[Loaded]]:
    """What ``load`` makes of the records, ``size`` at a time and in their order; the last may be short.

    Threads read and load the next two batches while the caller works on one, so that memory holds
    three. ``load`` does what the caller would otherwise wait for, such as `records.load_image` and a
    resize; errors that it raises come out here.

    >>> list(batches([], lambda record: record.size, size=8))
    []

    Raises:
        InputError: the size is under 1, or a record cannot be read or loaded.
    """
    if size < 1:
        raise InputError(f"the batch size {size} must be at least 1")
    return _batches(records, load, size)


def _batches(
    records: Sequence[Record], load: Callable[[Record], Loaded], size: int
) -> Iterator[list[Loaded]]:
    indices = range(len(records))
    pool = ThreadPoolExecutor(_THREADS)
    try:
        started = (
            [pool.submit(_load, records, load, index) for index in indices[start : start + size]]
            for start in indices[::size]
        )
        ahead = deque(itertools.islice(started, _BATCHES_AHEAD))
        while ahead:
            loading = ahead.popleft()
            ahead.extend(itertools.islice(started, 1))
            yield [future.result() for future in loading]
    finally:
        pool.shutdown(cancel_futures=True)


def _load(records: Sequence[Record], load: Callable[[Record], Loaded], index: int) -> Loaded:
    return load(records[index])
