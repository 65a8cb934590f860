"""The generalized distance transform by its definition: every position against every sample, in float64."""

import itertools
from collections.abc import Sequence

import numpy as np


def distance_transform(
    costs: np.ndarray,
    *,
    weight: Sequence[float],
    axes: Sequence[int],
    penalty: str,
    shift: Sequence[float],
    truncation: float = np.inf,
) -> np.ndarray:
    """Compute the transform's values; weight and shift have one value for each of ``axes``."""
    lines = np.moveaxis(costs.astype(np.float64), axes, range(-len(axes), 0))
    sizes = lines.shape[-len(axes) :]
    values = np.full_like(lines, np.inf)
    for place in itertools.product(*map(range, sizes)):
        for sample in itertools.product(*map(range, sizes)):
            way = np.array(place) - np.array(sample) - np.array(shift)
            way = way**2 if penalty == "squared" else np.abs(way)
            cost = lines[(..., *sample)] + min(np.dot(weight, way), truncation)
            values[(..., *place)] = np.fmin(values[(..., *place)], cost)
    return np.moveaxis(values, range(-len(axes), 0), axes)


def transform_line(costs: np.ndarray, *, weight: float, penalty: str, shift: float) -> np.ndarray:
    """Compute values along the last axis by one broadcast, for lines too long for the loops."""
    places = np.arange(costs.shape[-1], dtype=np.float64)
    way = places[None, :] - places[:, None] - shift
    way = way**2 if penalty == "squared" else np.abs(way)
    return (costs.astype(np.float64)[..., :, None] + weight * way).min(axis=-2)
