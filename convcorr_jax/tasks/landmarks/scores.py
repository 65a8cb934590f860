"""Errors of predicted landmarks: by method, by round of look-back, and by part of the face."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from convcorr_jax.errors import InputError
from convcorr_jax.metrics import landmark_errors, landmark_summary
from convcorr_jax.probes import look_back_sets
from convcorr_jax.tasks.landmarks.faces import FaceSet
from convcorr_jax.tasks.landmarks.fitting import RoundPredictions

Errors = Mapping[str, Mapping[str, Float[np.ndarray, "faces n"]]]
"""Error of every landmark, by normalizer (``nme_outer`` or ``nme_pupil``) and method."""


def outer_eye_distances(faces: FaceSet) -> Float[np.ndarray, " faces"]:
    """Return the data set's normalizing lengths: in the 300-W mark-up, the distances of the outer eye corners.

    Args:
        faces: the faces.

    Returns:
        Lengths in pixels of each image.

    Raises:
        InputError: a face has no such length.
    """
    lengths = [record.normalizer_px for record in faces.records]
    if None in lengths:
        raise InputError("a face to test has no length that normalizes its error")
    return np.array(lengths, np.float64)


def eye_centre_distances(faces: FaceSet) -> Float[np.ndarray, " faces"]:
    """Compute the distances of the eyes' centres, each the mean of the eye's landmarks.

    Args:
        faces: the faces.

    Returns:
        Distances in pixels of each image.

    Raises:
        InputError: the mark-up does not name both eyes.
    """
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
    """Compute the error of every landmark of every test face.

    Args:
        predicted: landmarks in pixels of each test image, by method.
        test: the test faces.
        normalizers: length in pixels that divides the errors of each face, by name.

    Returns:
        Errors in fractions of the length, by normalizer and method.
    """
    return {
        name: {
            method: landmark_errors(points, test.points, lengths)
            for method, points in predicted.items()
        }
        for name, lengths in normalizers.items()
    }


def landmark_scores(
    errors: Errors, predictions: RoundPredictions, *, train: FaceSet, test: FaceSet
) -> dict[str, Any]:
    """Summarize errors as ``result.json`` holds them.

    Args:
        errors: error of every landmark, by normalizer and method; ``nme_outer`` is one of the normalizers.
        predictions: predictions of every round of look-back.
        train: the training faces.
        test: the test faces.

    Returns:
        The mean error of every method for each normalizer, and, for ``nme_outer``, more statistics of every
        method (``outer``), the mean errors of each round on test faces (``rounds``) and on held-out training
        faces (``held_out_rounds``), of each set of landmarks (``per_set``), and without the jaw (``inner``).
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
