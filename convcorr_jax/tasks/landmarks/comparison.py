"""Errors of all methods in all kinds of boxes, with intervals, and without shared photographs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from convcorr_jax import coords
from convcorr_jax.doctor import also_in
from convcorr_jax.metrics import mean_error_per_image, mean_interval
from convcorr_jax.tasks.landmarks.faces import FaceSet
from convcorr_jax.tasks.landmarks.fitting import RoundPredictions, mean_face
from convcorr_jax.tasks.landmarks.scores import (
    Errors,
    eye_centre_distances,
    method_errors,
    outer_eye_distances,
)


def errors_by_kind(
    train: FaceSet,
    test: FaceSet,
    *,
    boxes: Mapping[str, Sequence[coords.Box]],
    colors: Mapping[str, RoundPredictions],
    network: Mapping[str, RoundPredictions],
) -> dict[str, Errors]:
    """Compute the errors of the mean face, of ridge from colours and from a network, and of look-back.

    Args:
        train: the training faces.
        test: the test faces.
        boxes: squares around the test faces, by the name of their kind.
        colors: predictions from colours, by kind of boxes.
        network: predictions from a network's features and by look-back, by kind of boxes.

    Returns:
        By kind of boxes, the errors by normalizer (``nme_outer``, ``nme_pupil``) and method.

    Raises:
        InputError: a face has no length that normalizes its error.
    """
    normalizers = {
        "nme_outer": outer_eye_distances(test),
        "nme_pupil": eye_centre_distances(test),
    }
    return {
        kind: method_errors(
            {
                "mean": mean_face(train, test, boxes=of_kind),
                "rgb_ridge": colors[kind].points[0],
                "convnet_ridge": network[kind].points[0],
                "look_back": network[kind].points[-1],
            },
            test,
            normalizers,
        )
        for kind, of_kind in boxes.items()
    }


def kinds_report(
    train: FaceSet, test: FaceSet, errors: Mapping[str, Errors]
) -> dict[str, dict[str, Any]]:
    """Summarize errors by kind of boxes as ``result.json`` holds them.

    Args:
        train: the training faces.
        test: the test faces.
        errors: the errors by kind of boxes.

    Returns:
        ``boxes``: by kind and method, the ``mean`` error over the distance of the outer eye corners and its
        95 % bootstrap ``interval`` over faces. ``without_duplicates``: the means without the test faces whose
        photograph is among the training faces, and which these are (``left_out``).
    """
    return {
        "boxes": {kind: _with_intervals(each["nme_outer"]) for kind, each in errors.items()},
        "without_duplicates": _without_duplicates(train, test, errors),
    }


def _with_intervals(
    errors: Mapping[str, Float[np.ndarray, "faces n"]],
) -> dict[str, dict[str, Any]]:
    """Compute the mean error of every method and its 95 % bootstrap interval over faces.

    Args:
        errors: error of every landmark, by method.

    Returns:
        ``mean`` and ``interval``, each by method.
    """
    of_faces = {method: mean_error_per_image(values) for method, values in errors.items()}
    return {
        "mean": {method: float(values.mean()) for method, values in of_faces.items()},
        "interval": {method: list(mean_interval(values)) for method, values in of_faces.items()},
    }


def _without_duplicates(
    train: FaceSet, test: FaceSet, errors: Mapping[str, Errors]
) -> dict[str, Any]:
    """Compute mean errors without the test faces whose photograph is among the training faces.

    Args:
        train: the training faces.
        test: the test faces.
        errors: error of every landmark, by kind of boxes.

    Returns:
        ``left_out``, the identifiers of these test faces, and ``mean``, by kind of boxes and method, the mean
        error over the distance of the outer eye corners.
    """
    shared = also_in(test.records, train.records)
    kept = np.setdiff1d(np.arange(len(test.records)), shared)
    return {
        "left_out": [test.records[row].source_id for row in shared],
        "mean": {
            kind: {
                method: float(values[kept].mean())
                for method, values in of_kind["nme_outer"].items()
            }
            for kind, of_kind in errors.items()
            if len(kept)
        },
    }
