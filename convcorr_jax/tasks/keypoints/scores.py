"""PCK of the predicted keypoints of a data set's tested objects, by the rules of Long et al. 2014."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from convcorr_jax.metrics import LONG_2014, Pck, pck
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
        longer_px += [category.boxes[i].longer_side for i in tested]
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


def by_alpha(score: Pck, values: Float[np.ndarray, " alphas"]) -> dict[str, float]:
    """Name values by their thresholds, as JSON holds them.

    Args:
        score: the PCK, which has the thresholds.
        values: one value for every threshold.
    """
    return dict(zip(map(str, score.alphas), values.tolist(), strict=True))
