"""Padding of problems to one of a few shapes, so that fits of similar sizes share a compiled program.

Neither samples of weight 0 nor columns of zeros change a classifier: such samples do not count, and the weight
of such a column is 0. The classifier of a class whose samples all have weight 0 is 0 from the start.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float


class Padded(NamedTuple):
    """The arrays of a fit, with appended samples, columns and classes that do not count."""

    features: Float[np.ndarray, "length width"]
    """One sample a row."""
    positive: Bool[np.ndarray, "length classes"]
    """True where a sample is of a class."""
    weights: Float[np.ndarray, "length classes"]
    """The weight of every sample in the fit of every class."""


class Least(NamedTuple):
    """The smallest shape that problems are padded to: smaller ones take less time than compiling does."""

    rows: int = 1
    columns: int = 1
    classes: int = 1


def pad(
    features: Float[np.ndarray, "n d"],
    positive: Bool[np.ndarray, "n classes"],
    *,
    weights: Float[np.ndarray, "n _"] | None = None,
    least: Least,
) -> Padded:
    """Append samples of weight 0, columns of zeros and classes without samples.

    The numbers of columns and of classes are rounded up to multiples of their least numbers; the number of
    samples to a multiple of an eighth of the next power of two as well, so that long arrays grow by at most a
    quarter.

    Args:
        features: one sample a row.
        positive: True where a sample is of a class.
        weights: one column for all classes or a column for each; 1 by default.
        least: the smallest shape.
    """
    (n, d), classes = features.shape, positive.shape[1]
    step = max(least.rows, (1 << (n - 1).bit_length()) // 8)
    rows, columns, more = (0, -n % step), (0, -d % least.columns), (0, -classes % least.classes)
    if weights is None:
        weights = np.ones((n, 1), features.dtype)
    return Padded(
        np.pad(features, (rows, columns)),
        np.pad(positive, (rows, more)),
        np.pad(np.broadcast_to(weights, positive.shape), (rows, more)),
    )
