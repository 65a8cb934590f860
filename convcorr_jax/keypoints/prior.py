"""Where a keypoint may be before it is looked for, and how that joins a detector's score.

The prior of a keypoint is a Gaussian of 22 pixels (of a box of 500) about the place that the keypoint has in
the most similar training object, by the cosine of pool5. With a positive score s and the prior p the paper
ranks candidates by ``s^(1 - eta) p^eta``; here everything is in logarithms.

The paper leaves open how the score of a support vector machine, which may be negative, becomes positive.
`log_scores` has three ways: ``calibrated``, the probability ``1 / (1 + exp(-(a s + b)))`` that the candidate
is an example, with a and b of each keypoint fitted to scores of images that did not train it (Platt 1999);
``exponential``, exp(s); and ``shifted``, the score less the least of its image.

Source: Long, Zhang and Darrell 2014, section 5.
"""

from typing import Literal, NamedTuple, get_args

import numpy as np
from jaxtyping import Float, Int8
from sklearn.linear_model import LogisticRegression

from convcorr_jax import retrieval

SIGMA_PX = 22.0
# How many neighbours are asked for a keypoint that the nearest does not have.
NEIGHBORS = 25

# A useless detector's probability may fall with its score; its candidates still keep their order.
LEAST_SLOPE = 1e-6

Positive = Literal["calibrated", "exponential", "shifted"]
POSITIVES: tuple[Positive, ...] = get_args(Positive)


class Calibration(NamedTuple):
    """a and b of every keypoint."""

    slope: Float[np.ndarray, " n"]
    offset: Float[np.ndarray, " n"]


def calibrate(
    scores: Float[np.ndarray, "images h w n"], labels: Int8[np.ndarray, "images h w n"]
) -> Calibration:
    """The logistic curve from each keypoint's scores to the probability of being an example.

    A keypoint that lacks examples or counterexamples keeps a = 1 and b = 0.

    Args:
        scores: of candidates whose images trained none of the detectors.
        labels: 1 for examples, -1 for counterexamples; others do not count.
    """
    keypoints = scores.shape[-1]
    slope, offset = np.ones(keypoints), np.zeros(keypoints)
    for k in range(keypoints):
        counts = labels[..., k] != 0
        is_example = labels[..., k][counts] == 1
        if is_example.any() and not is_example.all():
            curve = LogisticRegression(C=np.inf).fit(scores[..., k][counts][:, None], is_example)
            slope[k], offset[k] = max(curve.coef_[0, 0], LEAST_SLOPE), curve.intercept_[0]
    return Calibration(slope, offset)


def log_scores(
    scores: Float[np.ndarray, "*b h w n"], calibration: Calibration, *, positive: Positive
) -> Float[np.ndarray, "*b h w n"]:
    """The logarithm of a positive score; see the module's text."""
    match positive:
        case "calibrated":
            return -np.logaddexp(0, -(calibration.slope * scores + calibration.offset))
        case "exponential":
            return scores
        case "shifted":
            with np.errstate(divide="ignore"):
                return np.log(scores - scores.min(axis=(-3, -2), keepdims=True))


def neighbor_points(
    queries: Float[np.ndarray, "m d"],
    database: Float[np.ndarray, "n d"],
    points: Float[np.ndarray, "n k 2"],
) -> Float[np.ndarray, "m k 2"]:
    """Each keypoint's place in the nearest of 25 neighbours that has it; NaN where none of them does.

    Args:
        queries: features of the objects whose keypoints are sought.
        database: features of annotated objects.
        points: their keypoints, all in one frame; NaN where absent.

    Raises:
        InputError: as `retrieval.nearest_neighbors`.
    """
    near = retrieval.nearest_neighbors(queries, database, k=min(NEIGHBORS, len(database)))
    found = points[near.indices]
    first = (~np.isnan(found[..., 0])).argmax(axis=1)
    return np.take_along_axis(found, first[:, None, :, None], axis=1)[:, 0]


def log_gaussian(
    centers: Float[np.ndarray, "h w 2"],
    means: Float[np.ndarray, "*b n 2"],
    *,
    sigma_px: float = SIGMA_PX,
) -> Float[np.ndarray, "*b h w n"]:
    """``-|c - mean|^2 / (2 sigma^2)`` at every candidate; 0 everywhere for an absent mean.

    What it lacks to a logarithm of the Gaussian is the same for all candidates.
    """
    offsets = centers[:, :, None] - means[..., None, None, :, :]
    squared = (offsets**2).sum(axis=-1)
    return -np.where(np.isnan(squared), 0, squared) / (2 * sigma_px**2)


def rank(
    scores: Float[np.ndarray, "*b h w n"],
    neighbor_points: Float[np.ndarray, "*b n 2"],
    calibration: Calibration,
    *,
    centers: Float[np.ndarray, "h w 2"],
    eta: float,
    positive: Positive,
) -> Float[np.ndarray, "*b h w n"]:
    """``(1 - eta) log s + eta log p`` of every candidate; without a prior (eta 0), log s."""
    ranked = log_scores(scores, calibration, positive=positive)
    if eta == 0:
        return ranked
    return (1 - eta) * ranked + eta * log_gaussian(centers, neighbor_points)
