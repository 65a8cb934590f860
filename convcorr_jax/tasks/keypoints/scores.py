"""PCK of what was predicted of a data set's tested objects, by the rules of Long et al. 2014."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from convcorr_jax.metrics.pck import LONG_2014, Pck, pck
from convcorr_jax.tasks.keypoints.categories import Category


def pck_of(
    categories: Sequence[Category],
    predicted: Mapping[str, Float[np.ndarray, "_ _ 2"]],
    *,
    alphas: Sequence[float],
) -> Pck:
    """PCK over the tested objects of all categories, in fractions of the longer side of the box.

    Args:
        categories: whose objects.
        predicted: of each category, the keypoints of its tested objects in pixels of their photographs; NaN
            where there is no prediction, as of a keypoint that no training object shows: it does not count.
        alphas: thresholds.
    """
    most = max(len(one.names) for one in categories)
    rows, truth, counted, longer, groups = [], [], [], [], []
    for one in categories:
        tested = np.flatnonzero(one.folds >= 0)
        fill = ((0, 0), (0, most - len(one.names)))
        rows.append(np.pad(predicted[one.name], (*fill, (0, 0)), constant_values=np.nan))
        truth.append(np.pad(one.points[tested], (*fill, (0, 0)), constant_values=np.nan))
        counted.append(np.pad(one.visible[tested], fill))
        longer += [max(one.boxes[i].width, one.boxes[i].height) for i in tested]
        groups += [one.name] * len(tested)
    found = np.concatenate(rows)
    return pck(
        found,
        np.concatenate(truth),
        np.concatenate(counted) & ~np.isnan(found[..., 0]),
        np.array(longer),
        groups,
        alphas=alphas,
        protocol=LONG_2014,
    )
