"""PCK of transferred keypoints with intervals: overall, for each category, and for differences of methods."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from convcorr_jax.datasets import Scoring
from convcorr_jax.metrics import Pck, bootstrap, named_intervals, pck
from convcorr_jax.runtime.runlog import plain
from convcorr_jax.tasks.transfer.task import Task


def score(
    task: Task,
    predicted: Float[np.ndarray, "targets n 2"],
    *,
    scoring: Scoring | None = None,
    leave_out_unpredicted: bool = True,
) -> Pck:
    """Compute the PCK of predictions.

    A keypoint counts if the target shows it and, between fixed pairs, the source as well.

    Args:
        task: the targets.
        predicted: keypoints (x, y) in pixels of the target's photograph; NaN where there is none.
        scoring: the protocol; by default the data set's own.
        leave_out_unpredicted: where neighbours vote, do not count keypoints that none of them shows. Otherwise
            they are wrong.
    """
    protocol, lengths = scoring or task.scorings[0]
    counted = task.keypoints.visible[task.targets]
    if task.neighborhoods is None:
        counted = counted & task.keypoints.visible[task.pairs[:, 0]]
    elif leave_out_unpredicted:
        counted = counted & ~np.isnan(predicted).any(axis=-1)
    return pck(
        predicted,
        task.keypoints.points[task.targets],
        counted,
        np.array(lengths)[task.targets],
        task.groups,
        alphas=task.alphas,
        protocol=protocol,
    )


def pck_with_intervals(scores: Pck) -> dict[str, Any]:
    """Return the overall PCK and its 95 % interval by threshold, as JSON stores them.

    Args:
        scores: the PCK; each group's images are drawn again.

    Returns:
        ``pck`` and ``interval``, each by threshold.
    """
    return _by_threshold(scores.alphas, scores.mean, bootstrap(scores.sums))


def score_table(task: Task, scores: Mapping[str, Pck]) -> dict[str, dict[str, Any]]:
    """Return the scores of every method with their 95 % intervals, as JSON stores them.

    Args:
        task: the targets.
        scores: PCK by the name of the method.

    Returns:
        For each method ``pck`` and ``interval`` by threshold, and ``per_category``.
    """
    return {
        name: {**pck_with_intervals(method), "per_category": _per_category(method, task)}
        for name, method in scores.items()
    }


def differences(scores: Mapping[str, Pck]) -> dict[str, dict[str, Any]]:
    """Compute how far the first method is ahead of each other one, with paired 95 % intervals.

    Args:
        scores: PCK by the name of the method, of the same targets.

    Returns:
        By the name of the other method, ``pck`` and ``interval`` of the difference by threshold.
    """
    first, *others = scores
    samples = bootstrap(scores[first].sums)
    return {
        name: _by_threshold(
            scores[name].alphas,
            scores[first].mean - scores[name].mean,
            samples - bootstrap(scores[name].sums),
        )
        for name in others
    }


def other_protocols(
    task: Task, predictions: Mapping[str, Float[np.ndarray, "targets n 2"]]
) -> list[dict[str, Any]]:
    """Score predictions by the further protocols in use for the data set.

    Where neighbours vote, the paper's protocol with keypoints that no voter shows counted as wrong is one.

    Args:
        task: the targets.
        predictions: keypoints (x, y) in pixels of the target's photograph, by the name of the method.

    Returns:
        For each protocol its rules and the ``pck`` and ``interval`` of every method.
    """
    others: list[tuple[dict[str, Any], Mapping[str, Pck]]] = [
        (
            plain(scoring.protocol),
            {name: score(task, points, scoring=scoring) for name, points in predictions.items()},
        )
        for scoring in task.scorings[1:]
    ]
    if task.neighborhoods is not None:
        rules = {**plain(task.protocol), "counted": "all keypoints visible in the target"}
        strict = {
            name: score(task, points, leave_out_unpredicted=False)
            for name, points in predictions.items()
        }
        others.append((rules, strict))
    return [
        {
            "protocol": rules,
            "methods": {name: pck_with_intervals(of_method) for name, of_method in scores.items()},
        }
        for rules, scores in others
    ]


def _by_threshold(
    alphas: tuple[float, ...],
    values: Float[np.ndarray, " alphas"],
    samples: Float[np.ndarray, "draws alphas"],
) -> dict[str, Any]:
    names = [str(alpha) for alpha in alphas]
    return {
        "pck": dict(zip(names, values.tolist(), strict=True)),
        "interval": named_intervals(names, samples),
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
