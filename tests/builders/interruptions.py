"""What interrupts a run: a full disk, and rows cached in parts for processes that are killed meanwhile."""

import contextlib
import resource
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from convcorr_jax.runtime.stages import cached_in_parts

COUNT, PART = 11, 2


@contextlib.contextmanager
def full_disk() -> Iterator[None]:
    """Let no file grow beyond 64 bytes during a ``with`` block, which fails as a full disk does."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)


def rows(items: range) -> dict[str, np.ndarray]:
    """Return two arrays with a row for each item."""
    draws = [np.random.default_rng(item).standard_normal((2, 3)) for item in items]
    return {"features": np.array(draws, np.float32).reshape(-1, 2, 3), "item": np.array(items)}


def cached_rows(
    folder: Path,
    compute: Callable[[range], Mapping[str, np.ndarray]] = rows,
    *,
    settings: Mapping[str, Any] | None = None,
    count: int = COUNT,
) -> dict[str, np.ndarray]:
    """Return the rows of all items, cached in a folder."""
    return cached_in_parts(folder, "rows", settings or {}, compute, count=count, part=PART)
