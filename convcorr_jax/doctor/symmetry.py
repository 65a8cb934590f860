"""Vectors from left to right keypoints, in a frame that does not change when left and right are exchanged.

The midpoints of left/right pairs and the keypoints without a side stay where they are when the names of all
pairs are exchanged. By these points alone, each object is aligned with the median object: shifted, rotated and
scaled in the image plane. Points are complex numbers in this module, so that a rotation with a scale is one
factor.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Complex

from convcorr_jax.datasets.records import Record

# The median object changes no more after a few rounds.
_ROUNDS = 5
# The least correlation of an object's symmetric points with the median object's; below it the orientation is
# uncertain, as for a body that is bent over.
_LEAST_CORRELATION = 0.5
# A keypoint that a smaller fraction of the objects has does not take part in the alignment.
_LEAST_FRACTION = 0.25


def left_right_vectors(records: Sequence[Record]) -> Complex[np.ndarray, "records pairs"]:
    """Compute the vector from the first to the second keypoint of each pair, in the median object's frame.

    The frame has the orientation and size of the median object, so it is upright if most objects are.

    Args:
        records: objects with the same keypoints and left/right pairs.

    Returns:
        ``[records, pairs]`` vectors ``x + iy``; NaN where one of the two keypoints is absent, or where the
        object cannot be aligned.
    """
    points = np.stack([record.points for record in records]) @ np.array([1, 1j])
    pairs = np.array(records[0].left_right_pairs)
    first, second = points[:, pairs[:, 0]], points[:, pairs[:, 1]]
    without_side = np.setdiff1d(np.arange(points.shape[1]), pairs)
    symmetric = np.concatenate([(first + second) / 2, points[:, without_side]], axis=1)
    # A factor of NaN marks an object that cannot be aligned, and its vectors become NaN.
    with np.errstate(invalid="ignore"):
        return (second - first) / _alignment_factors(symmetric)[:, None]


def componentwise_median(
    values: Complex[np.ndarray, "rows columns"],
) -> Complex[np.ndarray, " columns"]:
    """Compute the median of each column, separately for real and imaginary parts.

    Args:
        values: ``[rows, columns]``; NaN is left out.

    Returns:
        ``[columns]`` medians; 0 for a column without values.
    """
    filled = np.where(np.isnan(values).all(axis=0), 0, values)
    return np.nanmedian(filled.real, axis=0) + 1j * np.nanmedian(filled.imag, axis=0)


def _alignment_factors(points: Complex[np.ndarray, "records n"]) -> Complex[np.ndarray, " records"]:
    """Compute the factor that rotates and scales the median object onto each object, by least squares."""
    present = ~np.isnan(points)
    points, present = (a[:, present.mean(axis=0) >= _LEAST_FRACTION] for a in (points, present))
    factors = np.full(len(points), np.nan + 0j)
    enough = present.sum(axis=1) >= 2
    points, present = points[enough], present[enough]
    if not len(points):
        return factors
    centred = _centred(points, present)
    energy = (np.abs(centred) ** 2).sum(axis=1)
    factor = np.sqrt(energy / present.sum(axis=1)).astype(complex)
    for _ in range(_ROUNDS):
        aligned = centred / np.where(energy > 0, factor, np.nan)[:, None]
        reference = componentwise_median(np.where(present, aligned, np.nan))
        reference /= max(float(np.linalg.norm(reference)), np.finfo(float).tiny)
        references = _centred(np.broadcast_to(reference, points.shape), present)
        power = (np.abs(references) ** 2).sum(axis=1)
        product = (references.conj() * centred).sum(axis=1)
        similar = np.abs(product) > _LEAST_CORRELATION * np.sqrt(power * energy)
        factor = product / np.where(similar, power, np.nan)
    factors[enough] = factor
    return factors


def _centred(
    points: Complex[np.ndarray, "records n"], present: Bool[np.ndarray, "records n"]
) -> Complex[np.ndarray, "records n"]:
    """Subtract the mean of each object's present points; absent points become 0."""
    points = np.where(present, points, 0)
    means = points.sum(axis=1, keepdims=True) / present.sum(axis=1, keepdims=True)
    return np.where(present, points - means, 0)
