"""Errors of predicted landmarks: by method, kind of box, round of look-back and part of the face."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from convcorr_jax import coords
from convcorr_jax.doctor import also_in
from convcorr_jax.errors import InputError
from convcorr_jax.metrics import landmark_errors, landmark_summary, mean_error_per_image, mean_interval
from convcorr_jax.probes import look_back_sets
from convcorr_jax.tasks.landmarks.faces import FaceSet
from convcorr_jax.tasks.landmarks.fitting import RoundPredictions, mean_face

Errors = Mapping[str, Mapping[str, Float[np.ndarray, "faces n"]]]
"""Error of every landmark, by normalizer (``nme_outer`` or ``nme_pupil``) and method."""


def outer_eye_distances(faces: FaceSet) -> Float[np.ndarray, " faces"]:
    """Return the normalizing lengths in pixels: in the 300-W mark-up, between the outer eye corners."""
    lengths = [record.normalizer_px for record in faces.records]
    if None in lengths:
        raise InputError("a face to test has no length that normalizes its error")
    return np.array(lengths, np.float64)


def eye_centre_distances(faces: FaceSet) -> Float[np.ndarray, " faces"]:
    """Compute the distances in pixels of the eyes' centres, each the mean of the eye's landmarks."""
    parts = faces.records[0].part_sets
    if not {"left_eye", "right_eye"} <= set(parts):
        raise InputError("the faces' mark-up names no left_eye and right_eye")
    left, right = (faces.points[:, list(parts[eye])].mean(1) for eye in ("left_eye", "right_eye"))
    return np.linalg.norm(left - right, axis=-1)


def method_errors(
    predicted: Mapping[str, Float[np.ndarray, "faces n 2"]],
    test: FaceSet,
    normalizers: Mapping[str, Float[np.ndarray, " faces"]],
) -> dict[str, dict[str, Float[np.ndarray, "faces n"]]]:
    """Compute every landmark's error by normalizer and method, in fractions of the normalizer's lengths."""
    return {
        name: {method: landmark_errors(points, test.points, lengths) for method, points in predicted.items()}
        for name, lengths in normalizers.items()
    }


def landmark_scores(
    errors: Errors, predictions: RoundPredictions, *, train: FaceSet, test: FaceSet
) -> dict[str, Any]:
    """Summarize errors as ``result.json`` holds them.

    Those of ``nme_outer`` are by method (``outer``), by round on test faces (``rounds``) and on held-out
    training faces (``held_out_rounds``), by set of landmarks (``per_set``), and without the jaw (``inner``).
    """
    outer = errors["nme_outer"]
    markup = train.records[0]
    sets = look_back_sets(markup.part_sets, left_right_pairs=markup.left_right_pairs)
    jaw = markup.part_sets.get("jaw", ())
    inner = [index for index in range(len(markup.names)) if index not in jaw]
    return {
        **{
            name: {method: landmark_summary(values).mean for method, values in methods.items()}
            for name, methods in errors.items()
        },
        "outer": {method: landmark_summary(values)._asdict() for method, values in outer.items()},
        "rounds": [_mean_error(points, test) for points in predictions.points],
        "held_out_rounds": [_mean_error(points, train) for points in predictions.held_out],
        "per_set": {
            name: {method: float(values[:, members].mean()) for method, values in outer.items()}
            for name, members in sets.items()
        },
        # Papers report errors without the jaw beside those of all landmarks.
        "inner": {method: float(values[:, inner].mean()) for method, values in outer.items()},
    }


def _mean_error(points: Float[np.ndarray, "faces n 2"], faces: FaceSet) -> float:
    errors = landmark_errors(points, faces.points, outer_eye_distances(faces))
    return landmark_summary(errors).mean


def errors_by_kind(
    train: FaceSet,
    test: FaceSet,
    *,
    boxes: Mapping[str, Sequence[coords.Box]],
    colors: Mapping[str, RoundPredictions],
    network: Mapping[str, RoundPredictions],
) -> dict[str, Errors]:
    """Compute the errors of the mean face, of ridge from colours and from a network, and of look-back.

    They are by kind of boxes, by normalizer (``nme_outer``, ``nme_pupil``) and by method.
    """
    normalizers = {"nme_outer": outer_eye_distances(test), "nme_pupil": eye_centre_distances(test)}
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


def kinds_report(train: FaceSet, test: FaceSet, errors: Mapping[str, Errors]) -> dict[str, dict[str, Any]]:
    """Summarize errors by kind of boxes as ``result.json`` holds them.

    ``boxes`` has means and 95 % bootstrap intervals over faces, by kind and method. ``without_duplicates`` has
    means without the test faces whose photograph is among the training faces (``left_out``).
    """
    shared = also_in(test.records, train.records)
    kept = np.setdiff1d(np.arange(len(test.records)), shared)
    return {
        "boxes": {kind: _with_intervals(each["nme_outer"]) for kind, each in errors.items()},
        "without_duplicates": {
            "left_out": [test.records[row].source_id for row in shared],
            "mean": {
                kind: {method: float(values[kept].mean()) for method, values in each["nme_outer"].items()}
                for kind, each in errors.items()
                if len(kept)
            },
        },
    }


def _with_intervals(errors: Mapping[str, Float[np.ndarray, "faces n"]]) -> dict[str, dict[str, Any]]:
    """Compute the mean error of every method and its 95 % bootstrap interval over faces."""
    of_faces = {method: mean_error_per_image(values) for method, values in errors.items()}
    return {
        "mean": {method: float(values.mean()) for method, values in of_faces.items()},
        "interval": {method: list(mean_interval(values)) for method, values in of_faces.items()},
    }
