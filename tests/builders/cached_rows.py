"""Rows of random numbers, cached in parts, for tests of stages and for the processes that they start."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from convcorr_jax.runtime.stages import cached_in_parts

COUNT, PART = 11, 2


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
