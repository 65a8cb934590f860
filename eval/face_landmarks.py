"""Facial landmarks: Table 1, Figures 2a and 3 of Sharif Razavian et al. 2014.

    python -m eval.face_landmarks                                               (rendered faces)
    python -m eval.face_landmarks --train lfpw68 --test lfpw68
    python -m eval.face_landmarks --train lfpw68 helen68 --test helen68
    python -m eval.face_landmarks --train path/to/faces --test path/to/faces

Four ways to the landmarks of a face: the ``mean`` of the training faces, ridge regression from the colours of
the face (``rgb_ridge``), from a network's description of it (``convnet_ridge``), and the latter followed by
``look_back``. ``result.json`` has the mean error of each as a fraction of the distance of the outer eye corners
(``nme_outer``) and of the eyes' centres (``nme_pupil``), errors of every round and every part of the face, and
the errors of training faces that were held out, by which options are to be chosen. What an earlier run finished
under the same settings is not done again.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from convcorr_jax import coords
from convcorr_jax.backbone.weights import load
from convcorr_jax.datasets.records import Record, load_image
from convcorr_jax.errors import InputError
from convcorr_jax.io import make_folder, write_image, write_json
from convcorr_jax.metrics.landmark_error import (
    LANDMARK_FAILURE,
    cumulative_error_curve,
    landmark_errors,
    landmark_summary,
)
from convcorr_jax.probes.landmarks import Description, convnet, look
from convcorr_jax.probes.look_back import look_back_sets
from convcorr_jax.report.colors import name_colors
from convcorr_jax.report.figures import image_grid, pixels, points_overlay
from convcorr_jax.report.plots import cumulative_curves
from convcorr_jax.runtime.runlog import write_run
from convcorr_jax.runtime.script import run
from convcorr_jax.runtime.stages import stage
from convcorr_jax.shapes import Image
from convcorr_jax.tasks.keypoints.categories import RENDERED
from convcorr_jax.tasks.landmarks.faces import (
    FRAME_MARGIN,
    RGB_PX,
    FaceSet,
    frame_of,
    read_faces,
    rgb,
)
from train.ridge_probes import LANDMARK_LAYER, Learning, fit_faces, mean_face

PUBLISHED = {
    "helen": {"mean": 0.501, "rgb_ridge": 0.096, "convnet_ridge": 0.065, "look_back": 0.058},
    "lfpw": {"mean": 0.242, "rgb_ridge": 0.074, "convnet_ridge": 0.056, "look_back": 0.049},
    "ibug": {"mean": 0.352, "rgb_ridge": 0.160, "convnet_ridge": 0.096, "look_back": 0.074},
}
# Thresholds of the cumulative curve: to twice the error that counts as a failure.
THRESHOLDS = np.linspace(0, 2 * LANDMARK_FAILURE, 81)
PANEL_PX = 240


@dataclass(frozen=True)
class Config(Learning):
    """Which faces to test, and how to show them."""

    test: tuple[str, ...] = (RENDERED,)
    """``rendered``, or names or paths of data sets' folders; tested is what is not their training split."""
    rendered_test: int = 60
    shown: int = 6
    """Faces in the picture, evenly spread from the least error to the greatest."""
    out: Path = Path("runs/face_landmarks")


Found = dict[str, np.ndarray]


def main(config: Config) -> Path:
    """Fit, predict, score, and write ``result.json`` and pictures; returns its path."""
    started = time.perf_counter()
    out = make_folder(config.out)
    weights = load(config.network, config.weights)
    layer = config.layer or LANDMARK_LAYER
    train = read_faces(config.train, config.data_root, test=False, rendered=config.rendered_train)
    test = read_faces(config.test, config.data_root, test=True, rendered=config.rendered_test)
    if test.records[0].names != train.records[0].names:
        raise InputError("the faces to test are not marked up like those to learn from")
    normalizers = {"nme_outer": _outer(test), "nme_pupil": _pupil(test)}
    shared = {"train": train.fingerprint, "test": test.fingerprint, "mirrored": config.mirrored}
    of_network = {
        **shared,
        "weights": weights.fingerprint,
        "layer": layer,
        "rounds": config.rounds,
        "share": config.share,
    }
    seen = stage(
        out / "kept" / "convnet.npz",
        of_network,
        lambda: _seen(train, test, convnet(weights, layer), config, config.rounds),
    )
    colors = stage(
        out / "kept" / "rgb.npz",
        {**shared, "side_px": RGB_PX},
        lambda: _seen(train, test, rgb(), config, 0),
    )
    last = max(int(name.removeprefix("points_")) for name in seen if name.startswith("points_"))
    predicted = {
        "mean": mean_face(train, test),
        "rgb_ridge": colors["points_0"],
        "convnet_ridge": seen["points_0"],
        "look_back": seen[f"points_{last}"],
    }
    errors = {
        name: {
            method: landmark_errors(points, test.points, normalizer)
            for method, points in predicted.items()
        }
        for name, normalizer in normalizers.items()
    }
    outer = errors["nme_outer"]
    _draw(test, seen, last, outer, config)
    sets = _sets(train)
    result: dict[str, Any] = {
        "train": {"datasets": list(config.train), "faces": len(train.records)},
        "test": {"datasets": list(config.test), "faces": len(test.records)},
        "left_out": {"train": train.left_out, "test": test.left_out},
        "network": weights.network.name,
        "weights": weights.source,
        "layer": layer,
        "frame_margin": FRAME_MARGIN,
        **{
            name: {m: landmark_summary(one).mean for m, one in found.items()}
            for name, found in errors.items()
        },
        "outer": {method: landmark_summary(one)._asdict() for method, one in outer.items()},
        "rounds": [_mean(seen[f"points_{i}"], test) for i in range(last + 1)],
        "held_out_rounds": [_mean(seen[f"held_out_{i}"], train) for i in range(last + 1)],
        "per_set": {
            name: {method: float(one[:, members].mean()) for method, one in outer.items()}
            for name, members in sets.items()
        },
        "inner": _inner(train, outer),
        "published": PUBLISHED,
    }
    write_json(out / "result.json", result)
    write_run(out, config, seconds=time.perf_counter() - started)
    return out / "result.json"


def _seen(
    train: FaceSet, test: FaceSet, description: Description, config: Config, rounds: int
) -> Found:
    """Predictions for the tested faces, and for the training faces while they are held out, a round each."""
    probe, held_out = fit_faces(train, description, config, rounds=rounds)
    sights = look(probe, test.faces, description)
    found = {f"held_out_{i}": one for i, one in enumerate(held_out)}
    for i, sight in enumerate(sights):
        found[f"points_{i}"] = sight.points
        found[f"squares_{i}"] = np.array(list(sight.squares.values()))
    return found


def _outer(faces: FaceSet) -> Float[np.ndarray, " faces"]:
    """The data set's own length: of 300-W's mark-up, the distance of the outer eye corners."""
    lengths = [one.normalizer_px for one in faces.records]
    if None in lengths:
        raise InputError("a face to test has no length that normalizes its error")
    return np.array(lengths, np.float64)


def _pupil(faces: FaceSet) -> Float[np.ndarray, " faces"]:
    """The distance of the eyes' centres, each the mean of its landmarks."""
    parts = faces.records[0].part_sets
    if not {"left_eye", "right_eye"} <= set(parts):
        raise InputError("the faces' mark-up names no left_eye and right_eye")
    left, right = (faces.points[:, list(parts[eye])].mean(1) for eye in ("left_eye", "right_eye"))
    return np.linalg.norm(left - right, axis=-1)


def _mean(points: Float[np.ndarray, "faces n 2"], faces: FaceSet) -> float:
    return landmark_summary(landmark_errors(points, faces.points, _outer(faces))).mean


def _sets(faces: FaceSet) -> dict[str, tuple[int, ...]]:
    one = faces.records[0]
    return look_back_sets(one.part_sets, left_right_pairs=one.left_right_pairs)


def _inner(faces: FaceSet, outer: Mapping[str, np.ndarray]) -> dict[str, float]:
    """The errors without the jaw, which papers report beside those of all landmarks."""
    jaw = faces.records[0].part_sets.get("jaw", ())
    kept = [index for index in range(len(faces.records[0].names)) if index not in jaw]
    return {method: float(one[:, kept].mean()) for method, one in outer.items()}


def _draw(test: FaceSet, seen: Found, last: int, outer: dict[str, np.ndarray], config: Config):
    curve = {method: cumulative_error_curve(one, THRESHOLDS) for method, one in outer.items()}
    figure = cumulative_curves(
        THRESHOLDS,
        curve,
        x_label="mean error of a face, over the distance of the outer eye corners",
        y_label="faces",
    )
    write_image(config.out / "cumulative_error.png", pixels(figure))
    order = np.argsort(outer["look_back"].mean(axis=1))
    chosen = order[np.linspace(0, len(order) - 1, min(config.shown, len(order))).astype(int)]
    rows = [_row(test.records[face], face, seen, last) for face in chosen]
    captions = [
        [
            ("annotated",),
            (f"whole face: {outer['convnet_ridge'][face].mean():.3f}",),
            (f"look-back: {outer['look_back'][face].mean():.3f}",),
        ]
        for face in chosen
    ]
    write_image(
        config.out / "figure_3.jpg", pixels(image_grid(rows, captions=captions, cell_px=PANEL_PX))
    )


def _row(record: Record, face: int, seen: Found, last: int) -> list[Image]:
    """The face as annotated, as first seen with the squares of the first look-back, and as seen in the end."""
    photograph = load_image(record)
    looked_at = seen["squares_1"][:, face].tolist() if last else []
    panels = [
        (record.points, [frame_of(record)]),
        (seen["points_0"][face], [coords.Box(*edges) for edges in looked_at]),
        (seen[f"points_{last}"][face], []),
    ]
    colors = name_colors(len(record.names))
    return [
        points_overlay(photograph, points, colors=colors, boxes=boxes, longest_px=PANEL_PX)
        for points, boxes in panels
    ]


if __name__ == "__main__":
    run(Config, main, __doc__)
