"""How well an attribute is told: numbers that were read off pictures, against what people said of them."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from convcorr_jax.errors import InputError


class TwoValuedScores(NamedTuple):
    """Of an attribute with two values."""

    accuracy: float
    balanced_accuracy: float
    """The mean of both values' shares of pictures that are told right."""
    commoner: float
    """The accuracy of always saying the commoner value."""


class GradedScores(NamedTuple):
    """Of an attribute with any number of values."""

    correlation: float
    """Pearson's."""
    side_accuracy: float
    """The share told to be on the right side of the middle, of pictures that are not in the middle; NaN
    for an attribute without a middle.
    """


def two_valued_scores(
    read: Float[np.ndarray, " n"],
    truth: Float[np.ndarray, " n"],
    *,
    values: tuple[float, float],
    threshold: float,
) -> TwoValuedScores:
    """Score numbers that mean the higher of two values when they are above a threshold.

    >>> two_valued_scores(
    ...     np.array([0.1, 0.3, 0.9, 0.2]), np.array([1.0, 1.0, 2.0, 2.0]), values=(1, 2), threshold=0.5
    ... )
    TwoValuedScores(accuracy=0.75, balanced_accuracy=0.75, commoner=0.5)

    Args:
        read: off pictures.
        truth: their values.
        values: the lower and the higher.
        threshold: between what is read off either.

    Raises:
        InputError: the truth has another value, or lacks one of both.
    """
    found = np.unique(truth).tolist()
    if found != sorted(values):
        raise InputError(
            f"the values to be told are {found}; both of {sorted(values)}, and no others, are expected"
        )
    higher = truth == max(values)
    right = (read > threshold) == higher
    shares = right[higher].mean(), right[~higher].mean()
    commoner = max(higher.mean(), (~higher).mean())
    return TwoValuedScores(float(right.mean()), float(np.mean(shares)), float(commoner))


def graded_scores(
    read: Float[np.ndarray, " n"], truth: Float[np.ndarray, " n"], *, middle: float | None = None
) -> GradedScores:
    """Score numbers that should rise with the attribute.

    >>> graded_scores(np.array([1.0, 2.0, 3.0]), np.array([-1.0, 0.0, 1.0]), middle=0.0)
    GradedScores(correlation=1.0, side_accuracy=0.5)

    Args:
        read: off pictures.
        truth: their values.
        middle: the value of what looks the same in a mirror, where there is one.

    Raises:
        InputError: all values, or all numbers read, are equal.
    """
    if np.ptp(truth) == 0 or np.ptp(read) == 0:
        raise InputError("the values to be told, or those read, are all equal: nothing correlates")
    sides = np.nan
    if middle is not None and (aside := truth != middle).any():
        sides = float(((read > middle) == (truth > middle))[aside].mean())
    return GradedScores(float(np.corrcoef(read, truth)[0, 1]), sides)
