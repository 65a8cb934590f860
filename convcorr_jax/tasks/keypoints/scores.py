"""PCK of the predicted keypoints of a data set's tested objects, by the rules of Long et al. 2014."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from convcorr_jax.datasets import box_lengths
from convcorr_jax.metrics import LONG_2014, Pck, bootstrap, named_intervals, pck
from convcorr_jax.tasks.keypoints.categories import Category


def pck_of(
    categories: Sequence[Category],
    predicted: Mapping[str, Float[np.ndarray, "_ _ 2"]],
    *,
    alphas: Sequence[float],
) -> Pck:
    """Compute the PCK over the tested objects of all categories.

    Args:
        categories: the annotated objects.
        predicted: by the name of the category, the keypoints (x, y) of its tested objects in pixels of their
            photographs; NaN where there is no prediction. A keypoint without a prediction, such as one that no
            training object shows, does not count.
        alphas: thresholds, as fractions of the longer side of the object's box.

    Raises:
        InputError: a tested object has no box (see `check_scorable`).
    """
    columns = max(len(category.names) for category in categories)
    points, truth, counted, longer_px, groups = [], [], [], [], []
    for category in categories:
        tested = category.tested
        padding = ((0, 0), (0, columns - len(category.names)))
        absent = {"pad_width": (*padding, (0, 0)), "constant_values": np.nan}
        points.append(np.pad(predicted[category.name], **absent))
        truth.append(np.pad(category.points[tested], **absent))
        counted.append(np.pad(category.visible[tested], padding))
        longer_px += box_lengths([category.records[i] for i in tested], LONG_2014).normalizers_px
        groups += [category.name] * len(tested)
    all_points = np.concatenate(points)
    return pck(
        all_points,
        np.concatenate(truth),
        np.concatenate(counted) & ~np.isnan(all_points[..., 0]),
        np.array(longer_px),
        groups,
        alphas=alphas,
        protocol=LONG_2014,
    )


def check_scorable(categories: Sequence[Category]) -> None:
    """Refuse tested objects without a box, by which errors are divided, before anything is computed.

    Args:
        categories: the annotated objects.

    Raises:
        InputError: a tested object has no box.
    """
    for category in categories:
        box_lengths([category.records[i] for i in category.tested], LONG_2014)


def intervals(score: Pck) -> dict[str, list[float]]:
    """Compute the 95 % bootstrap interval of the mean PCK at every threshold, drawing each category's objects.

    Args:
        score: the PCK.

    Returns:
        The ends of the interval by threshold, as JSON holds them.
    """
    return named_intervals(map(str, score.alphas), bootstrap(score.sums))


def by_alpha(score: Pck, values: Float[np.ndarray, " alphas"]) -> dict[str, float]:
    """Name values by their thresholds, as JSON holds them.

    Args:
        score: the PCK, which has the thresholds.
        values: one value for every threshold.
    """
    return dict(zip(map(str, score.alphas), values.tolist(), strict=True))
