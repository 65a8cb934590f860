"""Scores of label maps: intersection over union and pixel accuracy, by class and in the mean.

All come of one confusion matrix, into which the pixels of all images are counted. A pixel whose true label is
255 is in no object's class (VOC's borders, CamVid's unlabelled pixels) and is left out.

What Sharif Razavian et al. 2014 call "mean Average Precision" in Table 3 is taken to be ``mean_iou``, for three
reasons: a label map has no ranking whose precision could be averaged; the 47.5 of the state of the art that
they set beside it is a result of the VOC challenge, whose measure of segmentation is intersection over union;
and their mean, 20.73, is that of 21 classes with the background, as VOC takes it. It cannot be the accuracy of
each class: then the 79.12 of the background would be its recall, in a method that leans to the background.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Integer

from convcorr_jax.errors import InputError

IGNORED = 255


class SegmentationScores(NamedTuple):
    """Shares between 0 and 1; those of a class are NaN where it is neither there nor predicted."""

    iou: Float[np.ndarray, " classes"]
    """Pixels that are rightly of the class, over those that are of it or taken for it."""
    mean_iou: float
    """The mean over the classes that have one; taken to be the "mAP" of Table 3."""
    class_accuracy: Float[np.ndarray, " classes"]
    """Share of the pixels of the class that are taken for it; NaN where there are none."""
    mean_class_accuracy: float
    accuracy: float
    """Share of all pixels that are right."""


def confusion_counts(
    truth: Integer[np.ndarray, "*pixels"],
    predicted: Integer[np.ndarray, "*pixels"],
    *,
    classes: int,
) -> Int[np.ndarray, "classes classes"]:
    """How many pixels of each class (rows) are taken for each (columns); add up those of all images.

    >>> confusion_counts(np.array([0, 0, 1, 255]), np.array([0, 1, 1, 1]), classes=2)
    array([[1, 1],
           [0, 1]])

    Raises:
        InputError: a true label is neither of 0 to ``classes - 1`` nor 255, or a predicted one, of a pixel that
            counts, is not of the first.
    """
    counted = truth != IGNORED
    truth, predicted = truth[counted].astype(np.int64), predicted[counted].astype(np.int64)
    for what, labels in {"true": truth, "predicted": predicted}.items():
        unknown = labels[(labels < 0) | (labels >= classes)]
        if len(unknown):
            raise InputError(
                f"{what} labels {np.unique(unknown).tolist()} are not of 0 to {classes - 1}"
            )
    return np.bincount(classes * truth + predicted, minlength=classes**2).reshape(classes, classes)


def segmentation_scores(counts: Int[np.ndarray, "classes classes"]) -> SegmentationScores:
    """What the confusions of all images say.

    Raises:
        InputError: no pixel counts.
    """
    if not counts.sum():
        raise InputError("no pixel has a label, so that nothing can be scored")
    right, true, taken = counts.diagonal(), counts.sum(axis=1), counts.sum(axis=0)
    iou = _shares(right, true + taken - right)
    class_accuracy = _shares(right, true)
    return SegmentationScores(
        iou,
        float(np.nanmean(iou)),
        class_accuracy,
        float(np.nanmean(class_accuracy)),
        float(right.sum() / counts.sum()),
    )


def _shares(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
