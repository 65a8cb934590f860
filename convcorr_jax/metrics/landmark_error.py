"""The error of facial landmarks: distances over a length of the face, and what is read off many of them.

Which length divides makes a third of the figure: the distance of the outer eye corners ("inter-ocular",
official for 300-W) is some 1.4 times that of the eyes' centres ("inter-pupil"). Say which.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from convcorr_jax.errors import InputError

# An image whose landmarks are off by more than a tenth of the eyes' distance counts as a failure (Burgos-
# Artizzu, Perona and Dollár, "Robust face landmark estimation under occlusion", ICCV 2013).
LANDMARK_FAILURE = 0.1


class LandmarkError(NamedTuple):
    """Of many images, in fractions of the length that normalizes."""

    mean: float
    """Over landmarks of an image, then over images."""
    median: float
    """Over images."""
    failure_rate: float
    """The share of images whose error is above `LANDMARK_FAILURE`."""
    auc: float
    """The area under the cumulative curve from 0 to `LANDMARK_FAILURE`, divided by `LANDMARK_FAILURE`: 1 is perfect."""


def landmark_errors(
    predicted: Float[np.ndarray, "images n 2"],
    truth: Float[np.ndarray, "images n 2"],
    normalizer: Float[np.ndarray, " images"],
) -> Float[np.ndarray, "images n"]:
    """``|predicted - truth| / normalizer`` of every landmark; NaN where the truth is absent.

    >>> landmark_errors(np.array([[[3.0, 4.0]]]), np.zeros((1, 1, 2)), np.array([50.0]))
    array([[0.1]])

    Raises:
        InputError: a normalizer is not a positive length, or a prediction is absent where the truth is not.
    """
    if not (np.isfinite(normalizer) & (normalizer > 0)).all():
        raise InputError("every normalizer of a landmark error must be a positive length")
    present = ~np.isnan(truth).any(axis=-1)
    if not np.isfinite(predicted[present]).all():
        raise InputError("a landmark has a true position but no predicted one")
    return np.linalg.norm(predicted - truth, axis=-1) / normalizer[:, None]


def landmark_summary(errors: Float[np.ndarray, "images n"]) -> LandmarkError:
    """The figures of many images' errors, each image counting once.

    Args:
        errors: of `normalized_errors`; NaN does not count.

    Raises:
        InputError: an image has no landmark that counts.
    """
    of_image = mean_error_per_image(errors)
    # The cumulative curve is a staircase; each image adds what lies to the right of its step.
    area = np.clip(LANDMARK_FAILURE - of_image, 0, None).mean() / LANDMARK_FAILURE
    return LandmarkError(
        float(of_image.mean()),
        float(np.median(of_image)),
        float((of_image > LANDMARK_FAILURE).mean()),
        float(area),
    )


def mean_error_per_image(errors: Float[np.ndarray, "images n"]) -> Float[np.ndarray, " images"]:
    """The mean over the landmarks of each image.

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
    """The share of images whose mean error is at most each threshold."""
    return (mean_error_per_image(errors)[:, None] <= thresholds[None]).mean(axis=0)
