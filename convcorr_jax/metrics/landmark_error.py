"""The error of facial landmarks: distances divided by a length of the face, and their summary over many images.

The length changes the result by a third: the distance of the outer eye corners ("inter-ocular", official for
300-W) is about 1.4 times that of the eyes' centres ("inter-pupil"). State which one a result uses.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from convcorr_jax.errors import InputError
from convcorr_jax.metrics.pck import normalized_distances

LANDMARK_FAILURE = 0.1
"""The mean error above which an image counts as a failure: a tenth of the eyes' distance (Burgos-Artizzu,
Perona and Dollár, "Robust face landmark estimation under occlusion", ICCV 2013)."""


class LandmarkError(NamedTuple):
    """A summary of the errors of many images, in fractions of the normalizing length."""

    mean: float
    """The mean over the landmarks of an image, then over images."""
    median: float
    """The median, over images, of the mean over an image's landmarks."""
    failure_rate: float
    """The share of images whose mean error is above `LANDMARK_FAILURE`."""
    auc: float
    """The area under the cumulative curve from 0 to `LANDMARK_FAILURE`, divided by `LANDMARK_FAILURE`: 1 is
    perfect."""


def landmark_errors(
    predicted: Float[np.ndarray, "images n 2"],
    truth: Float[np.ndarray, "images n 2"],
    normalizer: Float[np.ndarray, " images"],
) -> Float[np.ndarray, "images n"]:
    """Compute ``|predicted - truth| / normalizer`` of every landmark.

    >>> landmark_errors(np.array([[[3.0, 4.0]]]), np.zeros((1, 1, 2)), np.array([50.0]))
    array([[0.1]])

    Args:
        predicted: predicted landmarks (x, y) in pixels.
        truth: annotated landmarks in the same frame; NaN where a landmark is not annotated.
        normalizer: the length of each image's face in pixels.

    Returns:
        The normalized errors; NaN where a landmark is not annotated.

    Raises:
        InputError: a normalizer is not a positive length, or an annotated landmark has no prediction.
    """
    if not (np.isfinite(normalizer) & (normalizer > 0)).all():
        raise InputError("every normalizer of a landmark error must be a positive length")
    present = ~np.isnan(truth).any(axis=-1)
    if not np.isfinite(predicted[present]).all():
        raise InputError("a landmark has a true position but no predicted one")
    return normalized_distances(
        predicted, truth, np.broadcast_to(normalizer[:, None], truth.shape[:2])
    )


def landmark_summary(errors: Float[np.ndarray, "images n"]) -> LandmarkError:
    """Compute the summary of many images' errors, in which each image has the same weight.

    Args:
        errors: normalized errors, as `landmark_errors` returns them; NaN does not count.

    Raises:
        InputError: an image has no landmark that counts.
    """
    image_errors = mean_error_per_image(errors)
    # The cumulative curve is a staircase; each image adds the area to the right of its step.
    area = np.clip(LANDMARK_FAILURE - image_errors, 0, None).mean() / LANDMARK_FAILURE
    return LandmarkError(
        float(image_errors.mean()),
        float(np.median(image_errors)),
        float((image_errors > LANDMARK_FAILURE).mean()),
        float(area),
    )


def mean_error_per_image(errors: Float[np.ndarray, "images n"]) -> Float[np.ndarray, " images"]:
    """Compute the mean error over the landmarks of each image, rounded: equal errors may have another mean.

    Args:
        errors: normalized errors, as `landmark_errors` returns them; NaN does not count.

    Raises:
        InputError: an image has no landmark that counts.
    """
    counts = ~np.isnan(errors)
    if not len(errors) or not counts.any(axis=1).all():
        raise InputError("a landmark error needs images that each have at least one landmark")
    return np.where(counts, errors, 0).sum(axis=1) / counts.sum(axis=1)


def cumulative_error_curve(
    errors: Float[np.ndarray, "images n"], thresholds: Float[np.ndarray, " thresholds"]
) -> Float[np.ndarray, " thresholds"]:
    """Compute the share of images whose mean error is at most each threshold.

    Args:
        errors: normalized errors, as `landmark_errors` returns them; NaN does not count.
        thresholds: in the same unit as the errors.

    Raises:
        InputError: an image has no landmark that counts.
    """
    return (mean_error_per_image(errors)[:, None] <= thresholds[None]).mean(axis=0)
