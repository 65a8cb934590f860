"""Scores of label maps: intersection over union and pixel accuracy, by class and averaged over classes.

All scores are computed from one confusion matrix that counts the pixels of all images. A pixel whose true label
is 255 belongs to no class (VOC's borders, CamVid's unlabelled pixels) and is left out.

"mean Average Precision" in Table 3 of Sharif Razavian et al. 2014 is interpreted as ``mean_iou``, for three
reasons. A label map has no ranking whose precision could be averaged. The state of the art of 47.5 in the same
table is a result of the VOC challenge, whose measure of segmentation is intersection over union. The paper's
mean, 20.73, is over 21 classes with the background, as in VOC. It cannot be the accuracy of each class: then
the 79.12 of the background would be its recall, in a method that favours the background.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from convcorr_jax.errors import InputError
from convcorr_jax.metrics.bootstrap import UnitSums
from convcorr_jax.metrics.labels import LabelArray, label_pairs

IGNORED = 255
"""The true label of pixels that belong to no class."""


class SegmentationScores(NamedTuple):
    """Scores of label maps; all are fractions between 0 and 1."""

    iou: Float[np.ndarray, " classes"]
    """Pixels correctly assigned to the class, divided by pixels of the class or assigned to it; NaN for a class
    that neither occurs nor is predicted."""
    mean_iou: float
    """The mean over the classes that are not NaN; the "mAP" of the paper's Table 3."""
    class_accuracy: Float[np.ndarray, " classes"]
    """The share of the pixels of the class that are assigned to it; NaN for a class that does not occur."""
    mean_class_accuracy: float
    accuracy: float


def confusion_counts(
    truth: LabelArray, predicted: LabelArray, *, classes: int, ignored: int | None = IGNORED
) -> Int[np.ndarray, "classes classes"]:
    """Count the pixels of each class (rows) that are assigned to each class (columns).

    The counts of several images can be added. Pixels whose true label is ``ignored`` are left out.

    >>> confusion_counts(np.array([0, 0, 1, 255]), np.array([0, 1, 1, 1]), classes=2)
    array([[1, 1],
           [0, 1]])

    Raises:
        InputError: the shapes differ; labels are not whole numbers, are one-hot rows, or are of no class; or
            ``ignored`` is also a class, as 255 is with more than 255 classes.
    """
    true, taken = label_pairs(truth, predicted, classes=classes, ignored=ignored)
    return np.bincount(classes * true + taken, minlength=classes**2).reshape(classes, classes)


def segmentation_scores(counts: Int[np.ndarray, "classes classes"]) -> SegmentationScores:
    """Compute the scores of label maps from the sum of their `confusion_counts`.

    Raises:
        InputError: all counts are 0.
    """
    if not counts.sum():
        raise InputError("no pixel has a label; at least one is needed to compute scores")
    correct, true, predicted = counts.diagonal(), counts.sum(axis=1), counts.sum(axis=0)
    iou, of_class = _ratios(correct, true + predicted - correct), _ratios(correct, true)
    accuracy = float(correct.sum() / counts.sum())
    return SegmentationScores(iou, float(np.nanmean(iou)), of_class, float(np.nanmean(of_class)), accuracy)


def iou_sums(counts: Int[np.ndarray, "images classes classes"]) -> UnitSums:
    """Return what each image adds to the mean IoU, from its `confusion_counts`, for its bootstrap interval."""
    correct = np.diagonal(counts, axis1=1, axis2=2).astype(np.float64)
    union = counts.sum(axis=1) + counts.sum(axis=2) - correct
    return UnitSums(correct[..., None], union, np.zeros(len(counts), np.int64))


def _ratios(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Divide elementwise; NaN where ``whole`` is 0."""
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
