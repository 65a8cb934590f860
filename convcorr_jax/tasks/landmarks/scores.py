"""Errors of predicted landmarks, the figures of a landmark probe's card, and drawings.

A probe meets boxes of a detector, boxes drawn by hand, and boxes that it found itself. Errors are those after
the last round of look-back, over the distance of the outer eye corners, where nothing else is stated.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from convcorr_jax import coords, metrics, report
from convcorr_jax.datasets import load_image
from convcorr_jax.doctor import leaked_rows
from convcorr_jax.errors import InputError
from convcorr_jax.probes import (
    FeatureExtractor,
    LandmarkModel,
    find_faces,
    look_back_sets,
    mosaic,
    predict_landmarks,
)
from convcorr_jax.probes.landmarks import Cache
from convcorr_jax.runtime import progress
from convcorr_jax.shapes import Image
from convcorr_jax.tasks.landmarks.faces import (
    ANNOTATED,
    DETECTOR,
    JITTERS,
    FaceSet,
    annotated_boxes,
    detector_boxes,
    frame_of,
    jittered_boxes,
    read_faces,
)
from convcorr_jax.tasks.landmarks.fitting import RoundPredictions, mean_face, random_faces
from convcorr_jax.tasks.reading import evenly_spread

Errors = Mapping[str, Mapping[str, Float[np.ndarray, "faces n"]]]
"""Error of every landmark, by normalizer (``nme_outer`` or ``nme_pupil``) and method."""
SUCCESSES = (0.08, 0.1)
"""Errors below which a face counts as found."""
# A search takes as long as fifty predictions in a box.
_SEARCHED = 12
# A detector's box differs from the annotated one if an edge does by more than this.
_DIFFERENT_PX = 1.0
# Errors at which the cumulative curve is drawn: up to twice the error that counts as a failure.
_THRESHOLDS = np.linspace(0, 2 * metrics.LANDMARK_FAILURE, 81)
_PANEL_PX = 240


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
        name: {
            method: metrics.landmark_errors(points, test.points, lengths)
            for method, points in predicted.items()
        }
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
            name: {method: metrics.landmark_summary(values).mean for method, values in methods.items()}
            for name, methods in errors.items()
        },
        "outer": {method: metrics.landmark_summary(values)._asdict() for method, values in outer.items()},
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
    errors = metrics.landmark_errors(points, faces.points, outer_eye_distances(faces))
    return metrics.landmark_summary(errors).mean


def errors_by_kind(
    train: FaceSet,
    test: FaceSet,
    *,
    boxes: Mapping[str, Sequence[coords.Box]],
    colors: Mapping[str, RoundPredictions],
    network: Mapping[str, RoundPredictions],
) -> dict[str, Errors]:
    """Compute the errors of a random and the mean training face, of ridge from colours, and from a network.

    They are by kind of boxes, by normalizer (``nme_outer``, ``nme_pupil``) and by method.
    """
    normalizers = {"nme_outer": outer_eye_distances(test), "nme_pupil": eye_centre_distances(test)}
    return {
        kind: method_errors(
            {
                "random_face": random_faces(train, test, boxes=of_kind),
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

    ``boxes`` has means and 95 % bootstrap intervals over faces, by kind and method, also of the ``faces`` whose
    detector's box is not the annotated one (``detector_differs``). ``without_duplicates`` has means without the
    test faces whose photograph is among the training faces (``left_out``).
    """
    kinds: dict[str, dict[str, Any]] = {
        kind: _with_intervals(each["nme_outer"]) for kind, each in errors.items()
    }
    if (differ := np.flatnonzero(_different_boxes(test))).size:
        of_differing = {method: values[differ] for method, values in errors[DETECTOR]["nme_outer"].items()}
        kinds["detector_differs"] = {**_with_intervals(of_differing), "faces": len(differ)}
    shared = leaked_rows(test.records, train.records)
    kept = np.setdiff1d(np.arange(len(test.records)), shared)
    return {
        "boxes": kinds,
        "without_duplicates": {
            "left_out": [test.records[row].source_id for row in shared],
            "mean": {
                kind: {method: float(values[kept].mean()) for method, values in each["nme_outer"].items()}
                for kind, each in errors.items()
                if len(kept)
            },
        },
    }


def _different_boxes(test: FaceSet) -> Bool[np.ndarray, " faces"]:
    """Return whether a detector's box is not the annotated one; False for all faces without such boxes."""
    annotated, detector = annotated_boxes(test), detector_boxes(test)
    apart = np.abs(np.array(annotated) - np.array(annotated if detector is None else detector))
    return np.asarray(apart.max(axis=1) > _DIFFERENT_PX)


def _with_intervals(errors: Mapping[str, Float[np.ndarray, "faces n"]]) -> dict[str, dict[str, Any]]:
    """Compute the mean error of every method and its 95 % bootstrap interval over faces."""
    of_faces = {method: metrics.mean_error_per_image(values) for method, values in errors.items()}
    return {
        "mean": {method: float(values.mean()) for method, values in of_faces.items()},
        "interval": {method: list(metrics.mean_interval(values)) for method, values in of_faces.items()},
    }


def figures_of_tests(
    model: LandmarkModel, extractor: FeatureExtractor, dataset: str, *, data_root: Path | None, cache: Cache
) -> dict[str, Any]:
    """Compute the errors of a probe with a finder on the test faces of a data set with detector's boxes.

    They are the mean errors with annotated boxes, with a detector's, and with annotated boxes displaced and
    scaled at random; and, of every twelfth face, the share that the search finds.
    """
    test = read_faces([dataset], data_root=data_root, test=True, rendered=0)
    annotated, detector = annotated_boxes(test), detector_boxes(test)
    if detector is None:
        raise InputError(f"{dataset} has no detector's boxes")
    differ = _different_boxes(test)

    def errors(name: str, compute: Callable[[], Float[np.ndarray, " faces"]]) -> np.ndarray:
        return cache(f"{dataset}_{name}", lambda: {"errors": compute()})["errors"]

    def in_boxes(boxes: Sequence[coords.Box]) -> Float[np.ndarray, " faces"]:
        return _errors(model, extractor, test, boxes)

    by_detector = errors("detector", lambda: in_boxes(detector))
    jittered = {
        str(shift): errors(f"jitter_{shift}", lambda shift=shift: in_boxes(jittered_boxes(annotated, shift)))
        for shift in JITTERS
    }
    searched = errors("searched", lambda: _search_errors(model, extractor, test))
    return {
        "faces": len(test.records),
        "annotated_boxes": float(errors("annotated", lambda: in_boxes(annotated)).mean()),
        "detector_boxes": float(by_detector.mean()),
        "detector_boxes_that_differ": {"faces": int(differ.sum()), "error": float(by_detector[differ].mean())},
        "jittered_boxes": {name: float(values.mean()) for name, values in jittered.items()},
        "searched": {
            "faces": len(searched),
            "median": float(np.median(searched)),
            **{f"below_{limit}": float((searched < limit).mean()) for limit in SUCCESSES},
            "below_0.1_in_detector_boxes": float((by_detector[::_SEARCHED] < SUCCESSES[-1]).mean()),
        },
    }


def _errors(
    model: LandmarkModel, extractor: FeatureExtractor, test: FaceSet, boxes: Sequence[coords.Box]
) -> Float[np.ndarray, " faces"]:
    faces = test.faces(margin=model.features.frame_margin, boxes=boxes)
    points = predict_landmarks(model.probe, faces, extractor)[-1].points
    return metrics.landmark_errors(points, test.points, outer_eye_distances(test)).mean(axis=1)


def _search_errors(
    model: LandmarkModel, extractor: FeatureExtractor, test: FaceSet
) -> Float[np.ndarray, " searched"]:
    if model.finder is None:
        raise InputError("the probe has no finder; backgrounds are expected in its training")
    part = FaceSet(test.records[::_SEARCHED], test.left_out)
    margin = model.features.frame_margin
    finder, face = model.finder._replace(threshold=-np.inf), model.probe.face
    found = (
        find_faces([mosaic(load_image(record), extractor)], face, finder, extractor, margin=margin)
        for record in progress(part.records, description="search")
    )
    boxes = [best.box for ((best, *_),) in found]
    return _errors(model, extractor, part, boxes)


def cumulative_figure(errors: Mapping[str, Float[np.ndarray, "faces n"]]) -> Image:
    """Draw the fraction of faces with at most a given error, one curve for each method."""
    curves = {method: metrics.cumulative_error_curve(values, _THRESHOLDS) for method, values in errors.items()}
    x_label = "mean error of a face, over the distance of the outer eye corners"
    return report.pixels(report.cumulative_curves(_THRESHOLDS, curves, x_label=x_label, y_label="faces"))


def jitter_figure(boxes: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Image:
    """Draw the mean errors of `kinds_report` against the displacement of boxes, with their intervals."""
    kinds = {0.0: ANNOTATED, **{deviation: f"jitter_{deviation}" for deviation in JITTERS}}
    methods = boxes[ANNOTATED]["mean"]

    def of_methods(part: str) -> dict[str, list[Any]]:
        return {name: [boxes[kind][part][name] for kind in kinds.values()] for name in methods}

    return report.pixels(
        report.interval_curves(
            list(kinds),
            of_methods("mean"),
            of_methods("interval"),
            x_label="standard deviation of the box's displacement (sides) and scale (logarithm)",
            y_label="mean error, over the distance of the outer eye corners",
        )
    )


def faces_figure(
    test: FaceSet,
    predictions: RoundPredictions,
    errors: Mapping[str, Float[np.ndarray, "faces n"]],
    *,
    shown: int,
) -> Image:
    """Draw Figure 3: faces as annotated, as predicted from the whole face, and after look-back.

    The faces are evenly spread from the least error after look-back to the greatest.
    """
    order = np.argsort(errors["look_back"].mean(axis=1))
    chosen = order[evenly_spread(len(order), shown)].tolist()
    captions = [
        [
            ("annotated",),
            (f"whole face: {errors['convnet_ridge'][face].mean():.3f}",),
            (f"look-back: {errors['look_back'][face].mean():.3f}",),
        ]
        for face in chosen
    ]
    rows = [_panels(test, face, predictions) for face in chosen]
    return report.pixels(report.image_grid(rows, captions=captions, cell_px=_PANEL_PX))


def _panels(test: FaceSet, face: int, predictions: RoundPredictions) -> list[Image]:
    """Draw a face three times; on the second image are the squares of the first round of look-back."""
    record = test.records[face]
    photograph = load_image(record)
    squares = predictions.squares[1][:, face].tolist() if len(predictions.squares) > 1 else []
    panels = [
        (record.points, [frame_of(record)]),
        (predictions.points[0][face], [coords.Box(*edges) for edges in squares]),
        (predictions.points[-1][face], []),
    ]
    colors = report.name_colors(len(record.names))
    return [
        report.points_overlay(photograph, points, colors=colors, boxes=boxes, longest_px=_PANEL_PX)
        for points, boxes in panels
    ]
