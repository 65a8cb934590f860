"""Intervals of means by the bootstrap: images, pairs or people are drawn again, with replacement.

PCK, the mean error of landmarks, accuracy and mean IoU are all means of ratios of sums over units:

    s = mean over groups g of (mean over terms k of (sum_{i in g} a[i, k] / sum_{i in g} b[i, k]))

A unit i is what is sampled independently: an image, a pair, a person. A group is a category or subset, whose
number of units is fixed. A term is a keypoint type or a class; there is one term where units are averaged at
once. In a draw, each group's units are drawn with replacement, and the statistic is computed again.

Two methods that are scored on the same units in the same order are drawn alike under the same seed. The
difference of their samples is therefore paired: its interval leaves out how difficult the drawn units are.

Pairs of photographs share photographs, and keypoints are not independent of their image. Draw images, or pairs,
and not keypoints. An interval over pairs still is somewhat too short where each photograph is in many pairs.

Source: Efron, *Bootstrap Methods: Another Look at the Jackknife*, 1979.
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

    A term whose denominator is 0 in a draw is left out of that draw's mean, and so is a group without terms.
    The time is that of a matrix product of ``draws x units`` counts with the sums of the units. Equal seeds
    draw the same units of equal groups. The deviations of the draws from the statistics of all units have the
    digits of single precision.

    Raises:
        InputError: ``draws`` is under 1, or every denominator of a group is 0.
    """
    if draws < 1:
        raise InputError(f"draws is {draws}; at least 1 is expected")
    center = mean_ratios(sums)
    sizes = np.bincount(sums.groups)
    # Groups are padded to one length; the length is rounded up, so that similar data share a program.
    longest = -(-int(sizes.max()) // 64) * 64
    units, terms, statistics = sums.numerators.shape
    parts = np.zeros((len(sizes), longest, terms, statistics + 1), np.float32)
    order = np.argsort(sums.groups, kind="stable")
    rows = np.arange(units) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    bottom = sums.denominators[..., None]
    # Ratios less a number are ratios of numerators less that number times the denominators.
    of_units = np.concatenate([sums.numerators - center * bottom, bottom], axis=2)
    parts[sums.groups[order], rows] = of_units[order]
    # JAX takes a second to import, and most of what imports this room draws nothing.
    from convcorr_jax.metrics.drawing import draw

    samples = draw(parts, sizes.astype(np.int32), draws=draws, seed=seed)
    return center + np.asarray(samples, np.float64)


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
