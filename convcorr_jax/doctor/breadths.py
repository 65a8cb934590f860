"""The vector from left to right of every pair of keypoints, in a frame that knows no left and right.

The middles of left/right pairs and the keypoints without sides stay where they are when names are exchanged.
By these alone every figure is turned, scaled and moved in the plane onto the median figure. Points are
complex numbers here, so a turn with a scale is one factor.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Complex

from convcorr_jax.datasets.records import Record

# The median figure settles within a few.
_ROUNDS = 5
# The correlation of a figure with the median one; a body that is bent double has no upright.
_LEAST_ALIKE = 0.5
# A keypoint that fewer figures have, by their share, does not help to align them.
_LEAST_SHARE = 0.25


def breadths(records: Sequence[Record]) -> Complex[np.ndarray, "records pairs"]:
    """From the first to the second of each left/right pair, in the median figure's frame and size.

    It is upright if most figures are. NaN where either is absent, or the figure cannot be aligned. All records
    must have the same keypoints.
    """
    points = np.stack([record.points for record in records]) @ np.array([1, 1j])
    pairs = np.array(records[0].left_right_pairs)
    first, second = points[:, pairs[:, 0]], points[:, pairs[:, 1]]
    without_side = np.setdiff1d(np.arange(points.shape[1]), pairs)
    middles = np.concatenate([(first + second) / 2, points[:, without_side]], axis=1)
    # Dividing by NaN is meant: it says that a figure cannot be aligned.
    with np.errstate(invalid="ignore"):
        return (second - first) / _factors(middles)[:, None]


def _factors(points: Complex[np.ndarray, "records n"]) -> Complex[np.ndarray, " records"]:
    """The factor that turns and scales the median figure onto each figure, by least squares."""
    present = ~np.isnan(points)
    points, present = (a[:, present.mean(axis=0) >= _LEAST_SHARE] for a in (points, present))
    factors = np.full(len(points), np.nan + 0j)
    enough = present.sum(axis=1) >= 2
    points, present = points[enough], present[enough]
    if not len(points):
        return factors
    figures = _centred(points, present)
    energy = (np.abs(figures) ** 2).sum(axis=1)
    found = np.sqrt(energy / present.sum(axis=1)).astype(complex)
    for _ in range(_ROUNDS):
        scaled = figures / np.where(energy > 0, found, np.nan)[:, None]
        usual = median(np.where(present, scaled, np.nan))
        usual /= max(float(np.linalg.norm(usual)), np.finfo(float).tiny)
        placed = _centred(np.broadcast_to(usual, points.shape), present)
        power = (np.abs(placed) ** 2).sum(axis=1)
        product = (placed.conj() * figures).sum(axis=1)
        alike = np.abs(product) > _LEAST_ALIKE * np.sqrt(power * energy)
        found = product / np.where(alike, power, np.nan)
    factors[enough] = found
    return factors


def _centred(
    points: Complex[np.ndarray, "records n"], present: Bool[np.ndarray, "records n"]
) -> Complex[np.ndarray, "records n"]:
    """Points less the mean of those present; 0 where absent."""
    points = np.where(present, points, 0)
    means = points.sum(axis=1, keepdims=True) / present.sum(axis=1, keepdims=True)
    return np.where(present, points - means, 0)


def median(values: Complex[np.ndarray, "rows columns"]) -> Complex[np.ndarray, " columns"]:
    """The median of each column, of real and imaginary parts apart, without NaN; 0 of an empty column."""
    filled = np.where(np.isnan(values).all(axis=0), 0, values)
    return np.nanmedian(filled.real, axis=0) + 1j * np.nanmedian(filled.imag, axis=0)
