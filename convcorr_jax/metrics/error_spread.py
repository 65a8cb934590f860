"""The precision of predicted joints in pixels: the standard deviation of errors, and their histogram along x.

Errors are measured in pixels of the network's input, as in the paper. A joint that is off by more than 20
pixels in x or y is left out: the model then found another person's joint, which says nothing about its
precision.

Source: Tompson et al. 2015, section 5, Table 1 and Figure 11.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from convcorr_jax.metrics.joint_table import COLUMNS, members_of

OUTLIER_PX = 20
"""Errors beyond this many pixels in x or y are outliers (the paper's limit)."""


class Spread(NamedTuple):
    """The spread of the errors of one kind of joint, left and right together; NaN where no joint counts."""

    x_px: float
    """Standard deviation of the errors along x, in pixels."""
    y_px: float
    """Standard deviation of the errors along y, in pixels."""
    counted: int
    """The number of joints that are not outliers."""
    outliers: int
    """The number of joints that were left out as outliers."""


def error_spreads(
    errors: Float[np.ndarray, "people joints 2"], joints: Sequence[str]
) -> dict[str, Spread]:
    """Compute the spread of errors for every column of `joint_table` that has joints.

    Args:
        errors: prediction minus truth (x, y), in pixels; NaN where either is missing.
        joints: names of the joints, in the order of the second axis of ``errors``.

    Returns:
        The spread of every column, by its name.

    Raises:
        InputError: the names are not those of all joints, each once.
    """
    result = {}
    for column in COLUMNS:
        members = members_of((column,), joints, count=errors.shape[1])
        if not members:
            continue
        known = errors[:, members].reshape(-1, 2)
        known = known[~np.isnan(known).any(axis=-1)]
        near = known[_near(known)]
        x, y = near.std(axis=0) if len(near) else (np.nan, np.nan)
        result[column] = Spread(float(x), float(y), len(near), len(known) - len(near))
    return result


def x_error_histogram(
    errors: Float[np.ndarray, "*joints 2"],
) -> tuple[Int[np.ndarray, " bins"], Float[np.ndarray, " bins"]]:
    """Compute the histogram of errors along x, without outliers, in bins of one pixel.

    An error halfway between two bins counts in the even one.

    >>> pixels, shares = x_error_histogram(np.array([[0.2, 0.0], [-0.4, 3.0], [2.9, 0.0], [50.0, 0.0]]))
    >>> dict(zip(pixels[shares > 0].tolist(), shares[shares > 0].round(3).tolist()))
    {0: 0.667, 3: 0.333}

    Args:
        errors: prediction minus truth (x, y), in pixels; NaN where either is missing.

    Returns:
        The error at the centre of every bin, in pixels, and the share of joints in it.
    """
    bins = np.arange(-OUTLIER_PX, OUTLIER_PX + 1)
    nearest = np.rint(errors[_near(errors)][:, 0]).astype(int)
    counts = np.bincount(nearest + OUTLIER_PX, minlength=len(bins))
    return bins, counts / max(counts.sum(), 1)


def _near(errors: Float[np.ndarray, "*joints 2"]) -> Bool[np.ndarray, "*joints"]:
    """Return which errors are present and no outliers."""
    return np.asarray((np.abs(errors) <= OUTLIER_PX).all(axis=-1))
