"""PCK of transferred keypoints, overall and for each category."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from convcorr_jax import coords
from convcorr_jax.datasets import Record
from convcorr_jax.metrics import Pck, pck
from convcorr_jax.tasks.transfer.task import Task


def score(task: Task, predicted: Float[np.ndarray, "targets n 2"]) -> Pck:
    """Compute the PCK of predictions by the task's protocol.

    Args:
        task: the targets and the protocol.
        predicted: keypoints (x, y) in pixels of the target's photograph; NaN where there is none. Where
            neighbours vote, keypoints without a prediction do not count.
    """
    counted = task.keypoints.visible[task.targets]
    if task.neighborhoods is not None:
        counted = counted & ~np.isnan(predicted).any(axis=-1)
    return pck(
        predicted,
        task.keypoints.points[task.targets],
        counted,
        longer_sides([task.records[target] for target in task.targets]),
        task.groups,
        alphas=task.alphas,
        protocol=task.protocol,
    )


def longer_sides(records: Sequence[Record]) -> Float[np.ndarray, " records"]:
    """Return the longer side of every record's box in pixels, or of the whole image if it has no box.

    Args:
        records: the records.
    """
    boxes = [record.box or coords.whole_image(record.size) for record in records]
    return np.array([box.longer_side for box in boxes])


def score_table(task: Task, scores: Mapping[str, Pck]) -> dict[str, dict[str, Any]]:
    """Return the scores of every method, overall and by category, as JSON stores them.

    Args:
        task: the targets.
        scores: PCK by the name of the method.
    """
    return {
        name: {
            "pck": dict(zip(map(str, method.alphas), method.mean.tolist(), strict=True)),
            "per_category": _per_category(method, task),
        }
        for name, method in scores.items()
    }


def _per_category(scores: Pck, task: Task) -> dict[str, dict[str, float]]:
    """Average PCK over the groups of each category, for every alpha."""
    category = dict(zip(task.groups, task.categories, strict=True))
    of_group = np.array([category[str(group)] for group in scores.groups])
    return {
        name: dict(
            zip(
                map(str, scores.alphas),
                scores.per_group[of_group == name].mean(axis=0).tolist(),
                strict=True,
            )
        )
        for name in dict.fromkeys(of_group.tolist())
    }
