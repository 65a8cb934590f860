"""Intervals of means by the bootstrap: images, pairs or people are drawn again, with replacement.

PCK, the mean error of landmarks, accuracy and mean IoU are all means of ratios of sums over units:

    s = mean over groups g of (mean over terms k of (sum_{i in g} a[i, k] / sum_{i in g} b[i, k]))

A unit i is what is sampled independently: an image, a pair, a person. A group is a category or subset, whose
number of units is fixed. A term is a keypoint type or a class; there is one term where units are averaged at
once. In a draw, each group's units are drawn with replacement, and the statistic is computed again.

Two methods that are scored on the same units in the same order are drawn alike under the same seed. The
difference of their samples is therefore paired: its interval leaves out how difficult the drawn units are.

Keypoints are not independent of their image, the frames of a film not of each other, and pairs of photographs
share photographs. Units then name their `UnitSums.clusters`, and clusters are drawn instead: a unit counts as
often as the product of the numbers of times that its clusters are drawn (the pigeonhole bootstrap; of pairs, a
dyadic one). Groups that share clusters are drawn together.

Sources: Efron, *Bootstrap Methods: Another Look at the Jackknife*, 1979; Owen, *The Pigeonhole Bootstrap*,
Annals of Applied Statistics 2007, whose variance is a little too great rather than too small.
"""

from collections.abc import Hashable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from convcorr_jax.errors import InputError
from convcorr_jax.metrics.labels import check_names

DRAWS = 10_000
"""The number of draws: the ends of an interval then vary by about 1 % of its length."""


class Interval(NamedTuple):
    """The interval between two percentiles of the draws, with as many below it as above unless draws are equal.

    A percentile between two draws is interpolated, so that of few draws an interval may contain none.
    """

    low: float
    high: float


class UnitSums(NamedTuple):
    """What every unit adds to the sums of a mean of ratios."""

    numerators: Float[np.ndarray, "units terms statistics"]
    """The unit's part of each numerator; 0 where the denominator is 0."""
    denominators: Float[np.ndarray, "units terms"]
    """The unit's part of each denominator, at least 0, which all statistics share."""
    groups: Int[np.ndarray, " units"]
    """The number of each unit's group, from 0; no group is empty."""
    clusters: Int[np.ndarray, "units ends"] | None = None
    """The numbers of what is drawn in place of units: both photographs of each pair, or each frame's film."""


def unit_means(
    values: Float[np.ndarray, " units"] | Bool[np.ndarray, " units"],
    *,
    groups: Sequence[Hashable] | None = None,
) -> UnitSums:
    """Return the sums of a mean over units, or over the units of each group and then over groups.

    >>> mean_ratios(unit_means(np.array([0.0, 1.0, 1.0]), groups=["a", "a", "b"]))
    array([0.75])

    Raises:
        InputError: there is no unit, a group is NaN, or there is not one group for each value.
    """
    if not len(values):
        raise InputError("a mean needs at least one value")
    numbers = np.zeros(len(values), np.int64) if groups is None else group_numbers(groups)
    if len(numbers) != len(values):
        raise InputError(f"there are {len(numbers)} groups of {len(values)} values; one each is expected")
    return UnitSums(np.asarray(values, np.float64)[:, None, None], np.ones((len(values), 1)), numbers)


def group_numbers(groups: Sequence[Hashable]) -> Int[np.ndarray, " units"]:
    """Return the number of each unit's group, in the order in which groups first occur.

    >>> group_numbers(["car", "duck", "car"])
    array([0, 1, 0])

    Raises:
        InputError: a group is NaN, which equals no group.
    """
    if missing := [unit for unit, name in enumerate(groups) if name != name]:
        raise InputError(f"the group of unit {missing[0]} is NaN; the name of a group is expected")
    numbers = {name: number for number, name in enumerate(dict.fromkeys(groups))}
    return np.array([numbers[name] for name in groups], np.int64)


def group_ratios(sums: UnitSums) -> Float[np.ndarray, "groups statistics"]:
    """Compute the statistics of each group: the mean over those terms whose denominator is positive.

    Raises:
        InputError: there is no unit, every denominator of a group is 0, or one is NaN.
    """
    if not len(sums.groups):
        raise InputError("a mean of ratios needs at least one unit")
    if np.isnan(sums.denominators).any():
        raise InputError("the denominators of a mean of ratios hold NaN; numbers are expected")
    result = []
    for group in range(sums.groups.max(initial=-1) + 1):
        members = sums.groups == group
        bottom = sums.denominators[members].sum(axis=0)
        if not (bottom > 0).any():
            raise InputError(f"nothing counts in group {group}")
        top = sums.numerators[members].sum(axis=0)[bottom > 0]
        result.append((top / bottom[bottom > 0][:, None]).mean(axis=0))
    return np.array(result).reshape(len(result), sums.numerators.shape[2])


def mean_ratios(sums: UnitSums) -> Float[np.ndarray, " statistics"]:
    """Compute the statistics: the means over groups of `group_ratios`."""
    return group_ratios(sums).mean(axis=0)


def bootstrap(sums: UnitSums, *, draws: int = DRAWS, seed: int = 0) -> Float[np.ndarray, "draws statistics"]:
    """Compute the statistics of many draws of the units of each group.

    A term whose denominator is 0 in a draw is left out of that draw's mean, and so is a group without terms; a
    draw in which nothing counts, as of one photograph again and again, is left out. The time is that of a
    matrix product of ``draws x units`` counts with the sums of the units. Equal seeds draw the same units of
    equal groups. The deviations of the draws from the statistics of all units have the digits of single
    precision.

    Raises:
        InputError: ``draws`` is under 1, or every denominator of a group is 0.
    """
    if draws < 1:
        raise InputError(f"draws is {draws}; at least 1 is expected")
    center = mean_ratios(sums)
    rows, longest, sizes = rows_of_groups(sums.groups)
    terms, statistics = sums.numerators.shape[1:]
    parts = np.zeros((len(sizes), longest, terms, statistics + 1), np.float32)
    bottom = sums.denominators[..., None]
    # Ratios less a number are ratios of numerators less that number times the denominators.
    parts[sums.groups, rows] = np.concatenate([sums.numerators - center * bottom, bottom], axis=2)
    ends = None
    if sums.clusters is not None:
        strata, clusters = _strata(sums.groups, sums.clusters)
        of_clusters, width, sizes = rows_of_groups(strata)
        ends = np.zeros((len(parts), longest, clusters.shape[1]), np.int32)
        ends[sums.groups, rows] = (strata * width + of_clusters)[clusters]
        longest = width
    # JAX takes a second to import, and most of what imports this room draws nothing.
    from convcorr_jax.metrics.drawing import draw

    samples = draw(parts, sizes.astype(np.int32), ends, longest=longest, draws=draws, seed=seed)
    counts = ~np.isnan(samples).any(axis=1) | np.isnan(center).any()
    return center + samples[counts].astype(np.float64)


def rows_of_groups(groups: Int[np.ndarray, " n"]) -> tuple[Int[np.ndarray, " n"], int, Int[np.ndarray, " k"]]:
    """Return each unit's row within its group, the rows that hold any group, and the sizes of groups."""
    sizes = np.bincount(groups)
    rows = np.empty(len(groups), np.int64)
    rows[np.argsort(groups, kind="stable")] = np.arange(len(groups)) - np.repeat(
        np.cumsum(sizes) - sizes, sizes
    )
    # Rounded up, so that similar data share a program.
    return rows, -(-int(sizes.max()) // 64) * 64, sizes


def _strata(
    groups: Int[np.ndarray, " units"], clusters: Int[np.ndarray, "units ends"]
) -> tuple[Int[np.ndarray, " clusters"], Int[np.ndarray, "units ends"]]:
    """Return each cluster's stratum, the groups that it is connected with, and the clusters numbered from 0."""
    # Most of what imports this room draws nothing.
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    names, numbers = np.unique(clusters, return_inverse=True)
    numbers = numbers.reshape(clusters.shape)
    if len(numbers) != len(groups):
        raise InputError(f"there are clusters of {len(numbers)} units, and {len(groups)} units")
    edges = np.stack([np.repeat(groups, numbers.shape[1]), numbers.reshape(-1) + groups.max() + 1])
    nodes = int(edges.max()) + 1
    _, components = connected_components(
        coo_array((np.ones(edges.shape[1], np.int8), tuple(edges)), shape=(nodes, nodes)), directed=False
    )
    return np.unique(components[-len(names) :], return_inverse=True)[1], numbers


def interval(samples: Float[np.ndarray, " draws"], *, level: float = 0.95) -> Interval:
    """Return the interval between two percentiles of the draws.

    >>> interval(np.arange(41.0), level=0.5)
    Interval(low=10.0, high=30.0)

    Args:
        samples: one statistic of every draw, or the difference of two; with NaN, both ends are NaN.

    Raises:
        InputError: there is no draw, one is infinite, or the level is not between 0 and 1.
    """
    if not len(samples):
        raise InputError("an interval needs at least one draw")
    if np.isinf(samples).any():
        raise InputError("the draws hold infinity; finite numbers are expected")
    if not 0 < level < 1:
        raise InputError(f"level is {level}; a number between 0 and 1 is expected")
    low, high = np.quantile(samples.astype(np.float64), [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def named_intervals(
    names: Iterable[str], samples: Float[np.ndarray, "draws statistics"]
) -> dict[str, list[float]]:
    """Return the 95 % interval of every statistic by its name, as JSON stores it.

    >>> named_intervals(["0.1"], np.full((3, 1), 0.5))
    {'0.1': [0.5, 0.5]}

    Raises:
        InputError: there is no draw, or there is not one name for each statistic, all different.
    """
    names = list(names)
    check_names(names, count=samples.shape[1], what="names of statistics")
    return {name: list(interval(column)) for name, column in zip(names, samples.T, strict=True)}


def mean_interval(values: Float[np.ndarray, " units"] | Bool[np.ndarray, " units"]) -> Interval:
    """Compute the 95 % bootstrap interval of a mean over units.

    >>> mean_interval(np.full(5, 0.25))
    Interval(low=0.25, high=0.25)
    """
    return interval(bootstrap(unit_means(values))[:, 0])
