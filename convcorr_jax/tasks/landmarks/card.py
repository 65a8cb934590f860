"""The figures of a landmark probe's card: its errors on test faces in frames of several kinds.

A probe meets boxes of a detector, boxes drawn by hand, and boxes that it found itself. Errors are mean
errors of a face's landmarks after the last round of look-back, over the distance of the outer eye corners.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from convcorr_jax import coords
from convcorr_jax.datasets.records import load_image
from convcorr_jax.errors import InputError
from convcorr_jax.metrics import landmark_errors
from convcorr_jax.probes import (
    FeatureExtractor,
    LandmarkModel,
    find_face,
    predict_landmarks,
)
from convcorr_jax.probes.landmarks import Cache, Faces
from convcorr_jax.runtime.progress import progress
from convcorr_jax.tasks.landmarks.faces import FaceSet, read_faces
from convcorr_jax.tasks.landmarks.frames import (
    JITTERS,
    annotated_boxes,
    detector_boxes,
    jittered_boxes,
)
from convcorr_jax.tasks.landmarks.scores import outer_eye_distances

SUCCESSES = (0.08, 0.1)
"""Errors below which a face counts as found."""
# A search takes as long as fifty predictions in a box.
_SEARCHED = 12
# A detector's box differs from the annotated one if an edge does by more than this.
_DIFFERENT_PX = 1.0


def figures_of_tests(
    model: LandmarkModel,
    extractor: FeatureExtractor,
    dataset: str,
    *,
    data_root: Path | None,
    cache: Cache,
) -> dict[str, Any]:
    """Compute the errors of a probe on the test faces of a compact data set, as JSON stores them.

    Args:
        model: the probe, with a finder.
        extractor: computes its features.
        dataset: name or path of a compact folder with detector's boxes, such as ``lfpw68``.
        data_root: the folder of data sets; by default $CONVCORR_DATA, or else the user's data folder.
        cache: returns the arrays of a name, computed or as an earlier run computed them.

    Returns:
        The number of faces; the mean error with annotated boxes, with a detector's, and with annotated boxes
        displaced and scaled at random; and, of every twelfth face, the share that the search finds.

    Raises:
        InputError: the probe has no finder, or the data set cannot be read or has no detector's boxes.
    """
    test = read_faces([dataset], data_root=data_root, test=True, rendered=0)
    annotated, detector = annotated_boxes(test), detector_boxes(test)
    if detector is None:
        raise InputError(f"{dataset} has no detector's boxes")
    differ = np.abs(np.array(annotated) - np.array(detector)).max(axis=1) > _DIFFERENT_PX

    def errors(name: str, compute: Callable[[], Float[np.ndarray, " faces"]]) -> np.ndarray:
        return cache(f"{dataset}_{name}", lambda: {"errors": compute()})["errors"]

    def in_boxes(boxes: Sequence[coords.Box]) -> Float[np.ndarray, " faces"]:
        return _errors(model, extractor, test, boxes)

    by_detector = errors("detector", lambda: in_boxes(detector))
    jittered = {
        str(deviation): errors(
            f"jitter_{deviation}",
            lambda deviation=deviation: in_boxes(jittered_boxes(annotated, deviation)),
        )
        for deviation in JITTERS
    }
    searched = errors("searched", lambda: _search_errors(model, extractor, test))
    return {
        "faces": len(test.records),
        "annotated_boxes": float(errors("annotated", lambda: in_boxes(annotated)).mean()),
        "detector_boxes": float(by_detector.mean()),
        "detector_boxes_that_differ": {
            "faces": int(differ.sum()),
            "error": float(by_detector[differ].mean()),
        },
        "jittered_boxes": {name: float(values.mean()) for name, values in jittered.items()},
        "searched": {
            "faces": len(searched),
            "median": float(np.median(searched)),
            **{f"below_{limit}": float((searched < limit).mean()) for limit in SUCCESSES},
            "below_0.1_in_detector_boxes": float((by_detector[::_SEARCHED] < SUCCESSES[-1]).mean()),
        },
    }


def _errors(
    model: LandmarkModel,
    extractor: FeatureExtractor,
    test: FaceSet,
    boxes: Sequence[coords.Box],
) -> Float[np.ndarray, " faces"]:
    margin = model.features.frame_margin
    frames = tuple(coords.grow(box, margin) for box in boxes)
    faces = Faces(test.faces().load_image, frames, test.points)
    points = predict_landmarks(model.probe, faces, extractor)[-1].points
    return landmark_errors(points, test.points, outer_eye_distances(test)).mean(axis=1)


def _search_errors(
    model: LandmarkModel, extractor: FeatureExtractor, test: FaceSet
) -> Float[np.ndarray, " searched"]:
    if model.finder is None:
        raise InputError("the probe has no finder; backgrounds are expected in its training")
    part = FaceSet(test.records[::_SEARCHED], test.left_out)
    margin = model.features.frame_margin
    boxes = [
        find_face(load_image(record), model.probe.face, model.finder, extractor, margin=margin).box
        for record in progress(part.records, description="search")
    ]
    return _errors(model, extractor, part, boxes)
