"""Intervals of means by the bootstrap: the values are drawn again, with replacement."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from convcorr_jax.errors import InputError


class Interval(NamedTuple):
    """An interval of a mean."""

    low: float
    """The lower end."""
    high: float
    """The upper end."""


def bootstrap_interval(
    groups: Sequence[Float[np.ndarray, " _"] | Bool[np.ndarray, " _"]],
    *,
    level: float = 0.95,
    draws: int = 1000,
    seed: int = 0,
) -> Interval:
    """Compute the percentile interval of a mean over groups, by drawing the values of each group again.

    The statistic is the mean over groups of the mean over a group's values. Groups are fixed and their values
    are drawn with replacement: the interval states how the mean varies with other values of the same groups.

    >>> bootstrap_interval([np.full(5, 0.25), np.full(3, 0.75)])
    Interval(low=0.5, high=0.5)

    Source: Efron, *Bootstrap Methods: Another Look at the Jackknife*, 1979.

    Args:
        groups: the values of each group, such as the correctness of each keypoint of a pair.
        level: the share of draws inside the interval, between 0 and 1.
        draws: the number of draws.
        seed: the seed of the draws.

    Raises:
        InputError: a group has no values, or there is no group.
    """
    if not groups or any(not len(group) for group in groups):
        raise InputError("an interval needs at least one group, and at least one value in each")
    rng = np.random.default_rng(seed)
    means = np.zeros(draws)
    for group in groups:
        values = np.asarray(group, np.float64)
        means += values[rng.integers(len(values), size=(draws, len(values)))].mean(axis=1)
    ends = np.quantile(means / len(groups), [(1 - level) / 2, (1 + level) / 2])
    return Interval(*ends.tolist())
