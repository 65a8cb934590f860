"""Facial landmarks: Table 1, Figures 2a and 3 of Sharif Razavian et al. 2014.

    python -m eval.face_landmarks                                               (rendered faces)
    python -m eval.face_landmarks --train lfpw68 --test lfpw68
    python -m eval.face_landmarks --train lfpw68 helen68 --test helen68
    python -m eval.face_landmarks --train path/to/faces --test path/to/faces

Compares five methods: a ``random_face`` of the training faces, their ``mean``, ridge regression from the
colours of the face (``rgb_ridge``), from a network's features of the face (``convnet_ridge``), and the latter
followed by ``look_back``. ``result.json`` has the mean error of each as a fraction of the distance of the outer
eye corners (``nme_outer``) and of the eyes' centres (``nme_pupil``), the errors of every round and part of the
face, and the errors of held-out training faces, by which options should be chosen. These are in boxes around
the annotated landmarks. ``boxes`` has the errors, with their 95 % bootstrap intervals over faces, in the
XX
annotated boxes that are displaced and scaled at random; the paper does not state its boxes.
``without_duplicates`` leaves out the test faces whose photograph is among the training faces. A later run with
the same settings reads finished predictions from the cache.
"""

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convcorr_jax.errors import InputError
from convcorr_jax.io import make_folder, write_image
from convcorr_jax.probes import network_features, rgb_features
from convcorr_jax.runtime import run, write_results
from convcorr_jax.tasks import RENDERED, Backbone, DataRoot, Output, Sources, landmarks
from convcorr_jax.tasks.landmarks import LANDMARK_LAYER, RGB_PX, LandmarkOptions

PUBLISHED = {
    "helen": {"dataset_bias": 0.501, "rgb_ridge": 0.096, "convnet_ridge": 0.065, "look_back": 0.058},
    "lfpw": {"dataset_bias": 0.242, "rgb_ridge": 0.074, "convnet_ridge": 0.056, "look_back": 0.049},
    "ibug": {"dataset_bias": 0.352, "rgb_ridge": 0.160, "convnet_ridge": 0.096, "look_back": 0.074},
}


@dataclass(frozen=True)
class Config:
    """Which faces to train on and to test."""

    train: Sources = (RENDERED,)
    """``rendered``, or names or paths of data sets' folders, whose training faces are joined."""
    test: Sources = (RENDERED,)
    """``rendered``, or names or paths of data sets' folders; all faces outside their training split are
    tested."""
    split: str | None = None
    """Split to test, such as ``challenging`` of 300-W; by default every split but ``train``."""
    rendered_train: int = 200
    """Rendered training faces."""
    rendered_test: int = 60
    """Rendered test faces."""
    data_root: DataRoot = None
    """Folder of data sets; by default $CONVCORR_DATA, or else the user's data folder."""
    backbone: Backbone = Backbone()
    layer: str | None = None
    """Layer whose activations are features; by default conv3."""
    options: LandmarkOptions = LandmarkOptions()
    shown: int = 6
    """Faces in the figure, evenly spread from the least error to the greatest."""
    output: Output = Output(Path("runs/face_landmarks"))


def main(config: Config) -> Path:
    """Fit, predict, score, and write ``result.json`` and figures; return its path."""
    started = time.perf_counter()
    out = make_folder(config.output.out)
    weights, layer = config.backbone.load(), config.layer or LANDMARK_LAYER
    root = config.data_root
    train = landmarks.read_faces(config.train, data_root=root, test=False, rendered=config.rendered_train)
    test = landmarks.read_faces(
        config.test, data_root=root, test=True, rendered=config.rendered_test, split=config.split
    )
    if test.records[0].names != train.records[0].names:
        raise InputError("the faces to test are not marked up like those to learn from")
    boxes = landmarks.boxes_by_kind(test)
    network = landmarks.predict_rounds(
        train,
        test,
        network_features(weights, layer=layer),
        config.options,
        boxes=boxes,
        path=out / "cached" / "convnet.npz",
        features_key={"weights": weights.fingerprint, "layer": layer},
    )
    colors = landmarks.predict_rounds(
        train,
        test,
        rgb_features(side_px=RGB_PX),
        dataclasses.replace(config.options, rounds=0),
        boxes=boxes,
        path=out / "cached" / "rgb.npz",
        features_key={"side_px": RGB_PX},
    )
    errors = landmarks.errors_by_kind(train, test, boxes=boxes, colors=colors, network=network)
    annotated = errors[landmarks.ANNOTATED]
    outer = annotated["nme_outer"]
    write_image(out / "cumulative_error.png", landmarks.cumulative_figure(outer))
    figure = landmarks.faces_figure(test, network[landmarks.ANNOTATED], outer, shown=config.shown)
    write_image(out / "figure_3.jpg", figure)
    kinds = landmarks.kinds_report(train, test, errors)
    write_image(out / "jitter.png", landmarks.jitter_figure(kinds["boxes"]))
    result: dict[str, Any] = {
        "train": {"datasets": list(config.train), "faces": len(train.records)},
        "test": {"datasets": list(config.test), "faces": len(test.records)},
        "left_out": {"train": train.left_out, "test": test.left_out},
        "network": weights.network.name,
        "weights": weights.source,
        "layer": layer,
        "frame_margin": config.options.margin,
        **landmarks.landmark_scores(annotated, network[landmarks.ANNOTATED], train=train, test=test),
        **kinds,
        "published": PUBLISHED,
    }
    return write_results(out, result, config, started=started)


if __name__ == "__main__":
    run(Config, main, __doc__)
