"""Errors of landmarks and joints, how they spread, and how far several people's annotations are apart.

The error of a facial landmark is a distance divided by a length of the face, which changes the result by a
third: the distance of the outer eye corners ("inter-ocular", official for 300-W) is about 1.4 times that of the
eyes' centres ("inter-pupil"). State which one a result uses.

The precision of predicted joints is the standard deviation of errors in pixels of the network's input, as in
the paper. A joint that is off by more than 20 pixels in x or y is left out: the model then found another
person's joint, which says nothing about its precision. Label noise is the same of annotations of one joint by
several people: no model can be expected to be closer to one person's annotation than another person's is.

Source: Tompson et al. 2015, section 5, Table 1, Figures 10 (13 people annotate 10 images) and 11.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from convcorr_jax.errors import InputError
from convcorr_jax.metrics.joint_table import COLUMNS, members_of
from convcorr_jax.metrics.pck import normalized_distances

LANDMARK_FAILURE = 0.1
"""The mean error above which an image counts as a failure: a tenth of the eyes' distance (Burgos-Artizzu,
Perona and Dollár, "Robust face landmark estimation under occlusion", ICCV 2013)."""


_Points = Float[np.ndarray, "images n 2"]


class LandmarkError(NamedTuple):
    """A summary of images' mean errors over landmarks, in normalizing lengths."""

    mean: float
    median: float
    failure_rate: float
    """The share of images above `LANDMARK_FAILURE`."""
    auc: float
    """The area under the cumulative curve from 0 to `LANDMARK_FAILURE`, divided by that: 1 is perfect."""


def landmark_errors(
    predicted: _Points, truth: _Points, normalizer: Float[np.ndarray, " images"]
) -> Float[np.ndarray, "images n"]:
    """Compute ``|predicted - truth| / normalizer`` of every landmark.

    Positions (x, y) and normalizers are in pixels. An error is NaN where a landmark is not annotated (NaN).

    >>> landmark_errors(np.array([[[3.0, 4.0]]]), np.zeros((1, 1, 2)), np.array([50.0]))
    array([[0.1]])

    Raises:
        InputError: a normalizer is not a positive length, or an annotated landmark has no prediction.
    """
    if not (np.isfinite(normalizer) & (normalizer > 0)).all():
        raise InputError("every normalizer of a landmark error must be a positive length")
    present = ~np.isnan(truth).any(axis=-1)
    if not np.isfinite(predicted[present]).all():
        raise InputError("a landmark has a true position but no predicted one")
    return normalized_distances(predicted, truth, np.broadcast_to(normalizer[:, None], truth.shape[:2]))


def landmark_summary(errors: Float[np.ndarray, "images n"]) -> LandmarkError:
    """Compute the summary of many images' errors, in which each image has the same weight.

    Errors are those of `landmark_errors`; NaN does not count.

    Raises:
        InputError: an image has no landmark that counts.
    """
    of_images = mean_error_per_image(errors)
    failed = of_images > LANDMARK_FAILURE
    # The cumulative curve is a staircase; each image adds the area to the right of its step.
    area = np.clip(LANDMARK_FAILURE - of_images, 0, None).mean() / LANDMARK_FAILURE
    return LandmarkError(*map(float, (of_images.mean(), np.median(of_images), failed.mean(), area)))


def mean_error_per_image(errors: Float[np.ndarray, "images n"]) -> Float[np.ndarray, " images"]:
    """Compute the mean error over the landmarks of each image, rounded: equal errors may have another mean.

    NaN does not count.
    """
    counts = ~np.isnan(errors)
    if not len(errors) or not counts.any(axis=1).all():
        raise InputError("a landmark error needs images that each have at least one landmark")
    return np.where(counts, errors, 0).sum(axis=1) / counts.sum(axis=1)


def cumulative_error_curve(
    errors: Float[np.ndarray, "images n"], thresholds: Float[np.ndarray, " thresholds"]
) -> Float[np.ndarray, " thresholds"]:
    """Compute the share of images whose mean error is at most each threshold.

    NaN does not count, and an image has at least one landmark.
    """
    return (mean_error_per_image(errors)[:, None] <= thresholds[None]).mean(axis=0)


OUTLIER_PX = 20
"""Errors beyond this many pixels in x or y are outliers (the paper's limit)."""


class Spread(NamedTuple):
    """The standard deviation of errors of one kind of joint, left and right together; NaN where none counts."""

    x_px: float
    y_px: float
    counted: int
    """Joints that are not ``outliers``, which are left out."""
    outliers: int


def error_spreads(errors: Float[np.ndarray, "people joints 2"], joints: Sequence[str]) -> dict[str, Spread]:
    """Compute the spread of errors for every column of `joint_table` that has joints.

    Errors are prediction minus truth (x, y), in pixels; NaN where either is missing.
    """
    result = {}
    for column in COLUMNS:
        if members := members_of((column,), joints, count=errors.shape[1]):
            known = errors[:, members].reshape(-1, 2)
            known = known[~np.isnan(known).any(axis=-1)]
            near = known[_near(known)]
            x, y = near.std(axis=0) if len(near) else (np.nan, np.nan)
            result[column] = Spread(float(x), float(y), len(near), len(known) - len(near))
    return result


def x_error_histogram(
    errors: Float[np.ndarray, "*joints 2"],
) -> tuple[Int[np.ndarray, " bins"], Float[np.ndarray, " bins"]]:
    """Compute the bins of one pixel and the shares of errors along x, without outliers, of `error_spreads`.

    An error halfway between two bins counts in the even one.

    >>> pixels, shares = x_error_histogram(np.array([[0.2, 0.0], [-0.4, 3.0], [2.9, 0.0], [50.0, 0.0]]))
    >>> dict(zip(pixels[shares > 0].tolist(), shares[shares > 0].round(3).tolist()))
    {0: 0.667, 3: 0.333}
    """
    bins = np.arange(-OUTLIER_PX, OUTLIER_PX + 1)
    nearest = np.rint(errors[_near(errors)][:, 0]).astype(int)
    counts = np.bincount(nearest + OUTLIER_PX, minlength=len(bins))
    return bins, counts / max(counts.sum(), 1)


def _near(errors: Float[np.ndarray, "*joints 2"]) -> Bool[np.ndarray, "*joints"]:
    """Return which errors are present and no outliers."""
    return np.asarray((np.abs(errors) <= OUTLIER_PX).all(axis=-1))


class LabelSpread(NamedTuple):
    """The mean standard deviation of one kind of joint, left and right together; NaN where no joint counts."""

    x: float
    y: float
    counted: int
    """Joints, of all images, with at least two annotations."""


class MatchedSides(NamedTuple):
    """Annotations whose left and right joints have been exchanged where they contradict a reference."""

    points: _Points
    exchanged: Bool[np.ndarray, "images pairs"]
    compared: Bool[np.ndarray, "images pairs"]
    """Which pairs of joints have both joints in both annotations."""


def label_spreads(
    annotations: Float[np.ndarray, "annotators images joints 2"], joints: Sequence[str]
) -> dict[str, LabelSpread]:
    """Compute the standard deviation across annotators, averaged over images, by column of `joint_table`.

    With the annotations a_1 ... a_n of one joint in one image along one axis, and N joints of all images,

        s^2 = 1/(n - 1) sum_k (a_k - mean a)^2,    sigma = 1/N sum s / c_4(n),

    where ``c_4(n) = sqrt(2/(n - 1)) Gamma(n/2) / Gamma((n - 1)/2)`` makes s / c_4 unbiased for normal noise:
    0.98 with 13 annotators, 0.80 with 2, for whom sigma is 0.89 times the mean distance along the axis. Joints
    (x, y) are in any unit; NaN where an annotator did not annotate one. A joint with fewer than two annotations
    does not count.

    Raises:
        InputError: the names are not those of all joints, each once.

    Differs from the paper: the division by c_4 makes spreads of different numbers of annotators comparable; the
    paper does not state which standard deviation it uses.
    """
    present = np.asarray(~np.isnan(annotations).any(axis=-1))
    counts = present.sum(axis=0)
    mean = np.where(present[..., None], annotations, 0).sum(axis=0) / np.maximum(counts, 1)[..., None]
    squares = np.where(present[..., None], (annotations - mean) ** 2, 0).sum(axis=0)
    factors = np.array([_c4(n) if n >= 2 else np.nan for n in range(len(annotations) + 1)])
    spreads = np.sqrt(squares / np.maximum(counts - 1, 1)[..., None]) / factors[counts][..., None]
    result = {}
    for column in COLUMNS:
        if members := members_of((column,), joints, count=annotations.shape[2]):
            of_column = spreads[:, members][counts[:, members] >= 2]
            x, y = of_column.mean(axis=0) if len(of_column) else (np.nan, np.nan)
            result[column] = LabelSpread(float(x), float(y), len(of_column))
    return result


def match_sides(points: _Points, reference: _Points, pairs: Sequence[tuple[int, int]]) -> MatchedSides:
    """Exchange left and right joints where the annotation then agrees far better with a reference.

    A pair of joints is exchanged if the sum of the distances of both joints to the reference becomes less than
    half of what it was: with a greater share, the noise of joints that are close to each other, such as the
    hips of a person in profile, would become too small. Annotators confuse sides as a whole, which is not the
    noise of a joint's position. Joints are (x, y) in pixels; a pair of indices with a missing joint (NaN) stays
    as it is.
    """
    matched = points.copy()
    exchanged, compared = np.zeros((2, len(points), len(pairs)), np.bool_)
    for number, sides in enumerate(map(list, pairs)):
        own = np.linalg.norm(points[:, sides] - reference[:, sides], axis=-1).sum(axis=1)
        other = np.linalg.norm(points[:, sides[::-1]] - reference[:, sides], axis=-1).sum(axis=1)
        compared[:, number] = ~np.isnan(own)
        exchanged[:, number] = other < 0.5 * own
        rows = np.flatnonzero(exchanged[:, number])[:, None]
        matched[rows, sides] = points[rows, sides[::-1]]
    return MatchedSides(matched, exchanged, compared)


def _c4(n: int) -> float:
    """Return the expectation of the sample standard deviation of n normal numbers of variance 1."""
    return math.sqrt(2 / (n - 1)) * math.exp(math.lgamma(n / 2) - math.lgamma((n - 1) / 2))
