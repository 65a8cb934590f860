"""Scores of attributes that are predicted from images, against the values that people annotated."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from convcorr_jax.errors import InputError


class TwoValuedScores(NamedTuple):
    """Scores of an attribute with two values; all are fractions between 0 and 1."""

    accuracy: float
    """The share of images that are classified correctly."""
    balanced_accuracy: float
    """The mean, over the two values, of the share of their images that are classified correctly."""
    commoner: float
    """The accuracy of always predicting the more frequent value."""


class GradedScores(NamedTuple):
    """Scores of an attribute with any number of ordered values."""

    correlation: float
    """Pearson's correlation between predictions and values, from -1 to 1."""
    side_accuracy: float
    """The share of images predicted on the correct side of the middle value, of those whose value is not the
    middle one; NaN for an attribute without a middle value.
    """


def two_valued_scores(
    predicted: Float[np.ndarray, " n"],
    truth: Float[np.ndarray, " n"],
    *,
    values: tuple[float, float],
    threshold: float,
) -> TwoValuedScores:
    """Compute the scores of predictions of an attribute with two values.

    A prediction above the threshold stands for the higher value, any other for the lower.

    >>> two_valued_scores(
    ...     np.array([0.1, 0.3, 0.9, 0.2]), np.array([1.0, 1.0, 2.0, 2.0]), values=(1, 2), threshold=0.5
    ... )
    TwoValuedScores(accuracy=0.75, balanced_accuracy=0.75, commoner=0.5)

    Args:
        predicted: one number for each image, on any scale that rises with the attribute.
        truth: the annotated value of each image, one of ``values``.
        values: the two values of the attribute.
        threshold: the prediction that separates the two values.

    Raises:
        InputError: ``truth`` has other values than the two, or only one of them.
    """
    present = np.unique(truth).tolist()
    if present != sorted(values):
        raise InputError(
            f"the true values of the attribute are {present}; exactly {sorted(values)} are expected"
        )
    is_higher = truth == max(values)
    correct = (predicted > threshold) == is_higher
    recalls = correct[is_higher].mean(), correct[~is_higher].mean()
    commoner = max(is_higher.mean(), (~is_higher).mean())
    return TwoValuedScores(float(correct.mean()), float(np.mean(recalls)), float(commoner))


def graded_scores(
    predicted: Float[np.ndarray, " n"],
    truth: Float[np.ndarray, " n"],
    *,
    middle: float | None = None,
) -> GradedScores:
    """Compute the scores of predictions that should rise with an attribute.

    >>> graded_scores(np.array([1.0, 2.0, 3.0]), np.array([-1.0, 0.0, 1.0]), middle=0.0)
    GradedScores(correlation=1.0, side_accuracy=0.5)

    Args:
        predicted: one number for each image, in the units of the attribute.
        truth: the annotated value of each image.
        middle: the value of an object that is its own mirror image, such as a face from the front; None if the
            attribute has no such value.

    Raises:
        InputError: all true values are equal, or all predictions are.
    """
    if np.ptp(truth) == 0 or np.ptp(predicted) == 0:
        raise InputError(
            "the true values of the attribute, or its predictions, are all equal; a correlation needs "
            "different ones"
        )
    side_accuracy = np.nan
    if middle is not None and (off_middle := truth != middle).any():
        same_side = (predicted > middle) == (truth > middle)
        side_accuracy = float(same_side[off_middle].mean())
    return GradedScores(float(np.corrcoef(predicted, truth)[0, 1]), side_accuracy)
