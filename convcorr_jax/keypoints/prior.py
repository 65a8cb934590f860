"""Transfer of keypoints by alignment; the prior of a keypoint's position, and how it joins a detector's score.

Transfer predicts the keypoints of an image from those of annotated images aligned with it. The prior of a
keypoint is a Gaussian with a standard deviation of 22 pixels (for a box of 500 pixels) around the keypoint's
position in the most similar training object, by the cosine of pool5. From a positive score s and the prior p
the paper ranks candidates by ``s^(1 - eta) p^eta``; this module works with the logarithm of that.

The paper leaves open how the score of a support vector machine, which may be negative, becomes positive.
`log_scores` has three ways: ``calibrated``, the probability ``1 / (1 + exp(-(a s + b)))`` that the candidate is
a positive example, with a and b of every keypoint fitted to scores of held-out images (Platt 1999);
``exponential``, ``exp(s)``; and ``shifted``, the score minus the lowest score of its image.

Source: Long, Zhang and Darrell 2014, sections 3 and 5.
"""

from typing import Literal, NamedTuple, get_args

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Int8

from convcorr_jax import coords, retrieval
from convcorr_jax.errors import InputError
from convcorr_jax.flow import sample_flow

# The paper's: 25 neighbors are aligned, and the five with the lowest deformation energy vote.
NEIGHBORS = 25
VOTERS = 5


def carry_points(
    points_px: Float[np.ndarray, "n 2"],
    flow: Float[Array, "h w 2"] | Float[np.ndarray, "h w 2"],
    *,
    source_to_px: coords.Transform,
    target_to_px: coords.Transform,
) -> Float[np.ndarray, "n 2"]:
    """Move points of the source image to the target image by the flow between their grids.

    A point p is at cell ``c = source_to_px^-1(p)`` and moves to ``target_to_px(c + w(c))``. The displacement w
    is interpolated bilinearly between cells and is constant beyond the outermost cells. Points are (x, y) in
    pixels; NaN where absent.
    """
    cells = source_to_px.inverse(points_px)
    displacement = sample_flow(jnp.asarray(flow), jnp.asarray(cells, jnp.float32))
    return target_to_px(cells + np.asarray(displacement, np.float64))


def vote(
    candidates: Float[np.ndarray, "candidates n 2"],
    order: Int[np.ndarray, " candidates"],
    *,
    voters: int = VOTERS,
) -> Float[np.ndarray, "n 2"]:
    """Compute the coordinate-wise median of each keypoint's first candidates that are present.

    The order is best first; the paper orders neighbors by deformation energy, lowest first, and takes the top
    five. A keypoint that no neighbor has is NaN.

    Differs from the paper: it takes the five best neighbors, and does not say what happens to keypoints that
    some of them lack; here each keypoint is predicted by the five best neighbors that have it.

    >>> vote(np.array([[[1.0, 9.0]], [[np.nan, np.nan]], [[3.0, 5.0]]]), np.array([0, 1, 2]), voters=2)
    array([[2., 7.]])
    """
    ranked = candidates[order]
    present = ~np.isnan(ranked).any(axis=-1)
    chosen = present & (np.cumsum(present, axis=0) <= voters)
    result = np.full(ranked.shape[1:], np.nan)
    for keypoint in np.flatnonzero(chosen.any(axis=0)):
        result[keypoint] = np.median(ranked[chosen[:, keypoint], keypoint], axis=0)
    return result


# The paper's.
SIGMA_PX = 22.0
# Training objects that are searched, the most similar first, for one that shows the keypoint.

# The fitted probability of a useless detector may fall with its score; a positive slope keeps its
# candidates' order.
MIN_SLOPE = 1e-6

Positive = Literal["calibrated", "exponential", "shifted"]
"""How a score becomes positive."""
POSITIVES: tuple[Positive, ...] = get_args(Positive)


class Calibration(NamedTuple):
    """The parameters of every keypoint's logistic curve ``1 / (1 + exp(-(slope * s + offset)))``."""

    slope: Float[np.ndarray, " n"]
    """Positive."""
    offset: Float[np.ndarray, " n"]


def calibrate(
    scores: Float[np.ndarray, "images h w n"], labels: Int8[np.ndarray, "images h w n"]
) -> Calibration:
    """Fit the logistic curve from every keypoint's scores to the probability of being a positive example.

    A keypoint that lacks positive or negative examples keeps the slope 1 and the offset 0.

    Args:
        scores: scores of candidates whose images trained none of the detectors.

    Raises:
        InputError: the score of a candidate that counts is NaN or infinite.
    """
    if not np.isfinite(scores[labels != 0]).all():
        raise InputError("the scores of candidates hold NaN or infinity; finite numbers are expected")
    # Importing scikit-learn takes longer than importing the rest of the room.
    from sklearn.linear_model import LogisticRegression

    keypoints = scores.shape[-1]
    slope, offset = np.ones(keypoints), np.zeros(keypoints)
    for k in range(keypoints):
        counts = labels[..., k] != 0
        is_example = labels[..., k][counts] == 1
        if is_example.any() and not is_example.all():
            curve = LogisticRegression(C=np.inf).fit(scores[..., k][counts][:, None], is_example)
            slope[k], offset[k] = max(curve.coef_[0, 0], MIN_SLOPE), curve.intercept_[0]
    return Calibration(slope, offset)


def log_scores(
    scores: Float[np.ndarray, "*b h w n"], calibration: Calibration, *, positive: Positive
) -> Float[np.ndarray, "*b h w n"]:
    """Compute the logarithm of scores made positive in one of the module's three ways.

    It is minus infinity for the lowest shifted score, and NaN for a score of NaN and, if shifted, for all
    scores of that image and keypoint.
    """
    match positive:
        case "calibrated":
            with np.errstate(invalid="ignore"):
                return -np.logaddexp(0, -(calibration.slope * scores + calibration.offset))
        case "exponential":
            return scores
        case "shifted":
            with np.errstate(divide="ignore"):
                return np.log(scores - scores.min(axis=(-3, -2), keepdims=True))


def neighbor_points(
    queries: Float[np.ndarray, "m d"], database: Float[np.ndarray, "n d"], points: Float[np.ndarray, "n k 2"]
) -> Float[np.ndarray, "m k 2"]:
    """Return each keypoint's position in the most similar annotated object that shows it.

    The 25 objects with the highest cosine similarity are searched. Positions are NaN for a keypoint that none
    of them shows.

    Raises:
        InputError: the features differ in length, there are none, or one is not finite.
    """
    near = retrieval.nearest_neighbors(queries, database, k=min(NEIGHBORS, len(database)))
    candidates = points[near.indices]
    first = (~np.isnan(candidates[..., 0])).argmax(axis=1)
    return np.take_along_axis(candidates, first[:, None, :, None], axis=1)[:, 0]


def principal_directions(
    features: Float[np.ndarray, "objects e"], *, count: int
) -> Float[np.ndarray, "e count"]:
    """Compute the directions in which features have the greatest sums of squares.

    The directions are orthonormal. No other ``count`` directions keep more of the features' inner products.
    Features are not centred.

    Raises:
        InputError: the number of directions is out of its range, or a feature is NaN or infinite.
    """
    if not 1 <= count <= min(features.shape):
        raise InputError(f"count is {count}; 1 to {min(features.shape)} directions are expected")
    if not np.isfinite(features).all():
        raise InputError("the features hold NaN or infinity; finite numbers are expected")
    rows = features.astype(np.float32)
    # Eigenvalues ascend.
    vectors = np.linalg.eigh(rows @ rows.T).eigenvectors[:, ::-1]
    # Of features that span fewer directions, the last products are rounding noise, which QR makes orthonormal.
    return np.linalg.qr(rows.T @ vectors[:, :count]).Q.astype(np.float32)


def log_gaussian(
    centers: Float[np.ndarray, "h w 2"], means: Float[np.ndarray, "*b n 2"], *, sigma_px: float = SIGMA_PX
) -> Float[np.ndarray, "*b h w n"]:
    """Compute ``-|c - mean|^2 / (2 sigma^2)`` at every candidate.

    This is the logarithm of the Gaussian up to a constant, which is the same for all candidates. It is 0 at all
    candidates for an absent mean (NaN).
    """
    offsets = centers[:, :, None] - means[..., None, None, :, :]
    absent = np.asarray(np.isnan(means).any(axis=-1))[..., None, None, :]
    return -np.where(absent, 0, (offsets**2).sum(axis=-1)) / (2 * sigma_px**2)


def combine_with_prior(
    scores: Float[np.ndarray, "*b h w n"],
    neighbor_points: Float[np.ndarray, "*b n 2"],
    calibration: Calibration,
    *,
    centers: Float[np.ndarray, "h w 2"],
    eta: float,
    positive: Positive,
) -> Float[np.ndarray, "*b h w n"]:
    """Compute ``(1 - eta) log s + eta log p`` of every candidate.

    The prior of an absent neighbor's point (NaN) is left out.
    """
    log_positive = log_scores(scores, calibration, positive=positive)
    if eta == 0:
        return log_positive
    # At eta = 1 the logarithm of 0 has no weight; 0 times minus infinity would be NaN.
    kept = np.where(np.isneginf(log_positive), 0, log_positive) if eta == 1 else log_positive
    return (1 - eta) * kept + eta * log_gaussian(centers, neighbor_points)
