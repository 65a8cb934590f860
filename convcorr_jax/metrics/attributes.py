"""Scores of attributes that are predicted from images, against the values that people annotated."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from convcorr_jax.errors import InputError
from convcorr_jax.metrics.bootstrap import Interval, UnitSums, unit_means

_Values = Float[np.ndarray, " n"]


class TwoValuedScores(NamedTuple):
    """Scores of an attribute with two values; all are fractions between 0 and 1."""

    accuracy: float
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
    predicted: _Values, truth: _Values, *, values: tuple[float, float], threshold: float
) -> TwoValuedScores:
    """Compute the scores of predictions of an attribute with two values.

    A prediction, on any scale that rises with the attribute, stands for the higher value if it is above the
    threshold, and for the lower otherwise.

    >>> predicted = np.array([0.1, 0.3, 0.9, 0.2])
    >>> two_valued_scores(predicted, np.array([1.0, 1.0, 2.0, 2.0]), values=(1, 2), threshold=0.5)
    TwoValuedScores(accuracy=0.75, balanced_accuracy=0.75, commoner=0.5)

    Raises:
        InputError: ``truth`` has other values than the two, or only one of them; or a prediction or the
            threshold is NaN.
    """
    _check_known(predicted, np.array([threshold]))
    if (found := np.unique(truth).tolist()) != sorted(values):
        raise InputError(f"the true values of the attribute are {found}; exactly {sorted(values)} are expected")
    is_higher = truth == max(values)
    correct = (predicted > threshold) == is_higher
    recalls = correct[is_higher].mean(), correct[~is_higher].mean()
    commoner = max(is_higher.mean(), (~is_higher).mean())
    return TwoValuedScores(float(correct.mean()), float(np.mean(recalls)), float(commoner))


def graded_scores(predicted: _Values, truth: _Values, *, middle: float | None = None) -> GradedScores:
    """Compute the scores of predictions that should rise with an attribute.

    >>> graded_scores(np.array([1.0, 2.0, 3.0]), np.array([-1.0, 0.0, 1.0]), middle=0.0)
    GradedScores(correlation=1.0, side_accuracy=0.5)

    Args:
        middle: the value of an object that is its own mirror image, such as a face from the front; None if the
            attribute has no such value.

    Raises:
        InputError: all true values are equal, or all predictions are, or one of them is NaN or infinite.
    """
    _check_known(predicted, truth)
    if not (np.isfinite(predicted) & np.isfinite(truth)).all():
        raise InputError("the attribute or its predictions hold infinity; finite numbers are expected")
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


def two_valued_sums(
    predicted: _Values, truth: _Values, *, values: tuple[float, float], threshold: float
) -> dict[str, UnitSums]:
    """Return what each image adds to the scores of `two_valued_scores` but ``commoner``, for their intervals.

    Raises:
        InputError: a prediction or the threshold is NaN, or a true value is neither of the two.
    """
    _check_known(predicted, truth, np.array([threshold]))
    if not np.isin(truth, values).all():
        raise InputError(f"the true values are {np.unique(truth).tolist()}; {values} are expected")
    is_higher = truth == max(values)
    correct = (predicted > threshold) == is_higher
    members = np.stack([is_higher, ~is_higher], axis=1).astype(np.float64)
    balanced = UnitSums((members * correct[:, None])[..., None], members, np.zeros(len(truth), np.int64))
    return {"accuracy": unit_means(correct), "balanced_accuracy": balanced}


def _check_known(*columns: Float[np.ndarray, " _"]) -> None:
    if not all(map(len, columns)):
        raise InputError("the attribute has no values; at least one image is expected")
    if any(np.isnan(column).any() for column in columns):
        raise InputError(
            "the predictions, true values or threshold of the attribute hold NaN; numbers are expected"
        )


def correlation_interval(correlation: float, *, n: int) -> Interval:
    """Return the 95 % interval of Pearson's correlation of n images, by Fisher's transformation.

    It is ``tanh(artanh(r) -+ 1.96 / sqrt(n - 3))``.

    >>> low, high = correlation_interval(0.5, n=103)
    >>> round(low, 3), round(high, 3)
    (0.339, 0.632)

    Source: Fisher, "On the probable error of a coefficient of correlation deduced from a small sample", 1921.

    Raises:
        InputError: there are fewer than four images, or the correlation is below -1 or above 1.
    """
    if abs(correlation) > 1:
        raise InputError(f"the correlation is {correlation}; a number from -1 to 1 is expected")
    if n < 4:
        raise InputError(f"a correlation of {n} images has no interval; at least 4 are expected")
    # Beyond this, artanh is infinite in double precision.
    center = np.arctanh(np.clip(correlation, -1 + 1e-12, 1 - 1e-12))
    reach = 1.959963984540054 / np.sqrt(n - 3)
    return Interval(float(np.tanh(center - reach)), float(np.tanh(center + reach)))
