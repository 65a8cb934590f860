"""How far predictions scatter, in pixels: the spread of errors, and their histogram along x.

Errors are told in pixels of the network's input, where the paper's are. A joint that is off by more than 20
pixels in x or y is left out: there a model took another person's joint, which says nothing of its precision.

Source: Tompson et al. 2015, section 5, Table 1 and Figure 11.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from convcorr_jax.metrics.joint_table import COLUMNS, column_of

OUTLIER_PX = 20


class Spread(NamedTuple):
    """Of a kind of joint, both sides together; NaN where none is counted."""

    x_px: float
    """Standard deviation of the errors along x."""
    y_px: float
    counted: int
    outliers: int
    """Joints that were left out because they are off by too much."""


def error_spreads(
    errors: Float[np.ndarray, "people joints 2"], joints: Sequence[str]
) -> dict[str, Spread]:
    """The spread of every column of `joint_table` that has joints.

    Args:
        errors: prediction minus truth, in pixels; NaN where either is absent.
        joints: their names.
    """
    found = {}
    for column in COLUMNS:
        members = [index for index, name in enumerate(joints) if column_of(name) == column]
        if not members:
            continue
        known = errors[:, members].reshape(-1, 2)
        known = known[~np.isnan(known).any(axis=-1)]
        near = known[_near(known)]
        x, y = near.std(axis=0) if len(near) else (np.nan, np.nan)
        found[column] = Spread(float(x), float(y), len(near), len(known) - len(near))
    return found


def x_error_histogram(
    errors: Float[np.ndarray, "*joints 2"],
) -> tuple[Int[np.ndarray, " bins"], Float[np.ndarray, " bins"]]:
    """How many joints are off by each whole number of pixels along x: the numbers, and their shares.

    >>> pixels, shares = x_error_histogram(np.array([[0.2, 0.0], [-0.4, 3.0], [2.9, 0.0], [50.0, 0.0]]))
    >>> dict(zip(pixels[shares > 0].tolist(), shares[shares > 0].round(3).tolist()))
    {0: 0.667, 3: 0.333}

    Args:
        errors: prediction minus truth, in pixels; NaN where either is absent.
    """
    bins = np.arange(-OUTLIER_PX, OUTLIER_PX + 1)
    nearest = np.rint(errors[_near(errors)][:, 0]).astype(int)
    counts = np.bincount(nearest + OUTLIER_PX, minlength=len(bins))
    return bins, counts / max(counts.sum(), 1)


def _near(errors: Float[np.ndarray, "*joints 2"]) -> Bool[np.ndarray, "*joints"]:
    """What is no outlier, and there."""
    return np.asarray((np.abs(errors) <= OUTLIER_PX).all(axis=-1))
