"""Fitted models: the JSON of one, or its arrays, with the checksum of the arrays made right."""

import hashlib
import json
import random

import jax

from convcorr_jax.annotation import AnnotationModel
from convcorr_jax.io import load_fitted, save_fitted
from convcorr_jax.keypoints import KeypointModel
from convcorr_jax.pose import TrainedCascade, cascade
from convcorr_jax.probes import LandmarkModel
from tests.builders.fitted_models import annotation_model, keypoint_model, landmark_model
from tests.builders.pose_architectures import TINY
from tests.fuzz.mutation import folder_target, mutated, mutated_archive, unzipped, zipped


def _mutate(rng: random.Random, content: bytes) -> bytes:
    files = unzipped(content)
    facts, arrays = files["model.json"], files["model.npz"]
    if rng.random() < 0.7:
        return zipped({"model.json": mutated(rng, facts), "model.npz": arrays})
    arrays = mutated_archive(rng, arrays)
    stated = json.loads(facts) | {"arrays_sha256": hashlib.sha256(arrays).hexdigest()}
    return zipped({"model.json": json.dumps(stated).encode(), "model.npz": arrays})


def _pose_model() -> TrainedCascade:
    return TrainedCascade(cascade.init(jax.random.key(1), TINY), TINY, {"pck": 0.5})


TARGETS = [
    folder_target(
        f"model-{name}",
        lambda folder, build=build: save_fitted(folder / "model", build()),
        lambda folder, kind=kind: load_fitted(folder / "model", kind),
        _mutate,
    )
    for name, kind, build in (
        ("pose", TrainedCascade, _pose_model),
        ("keypoints", KeypointModel, keypoint_model),
        ("landmarks", LandmarkModel, landmark_model),
        ("annotation", AnnotationModel, annotation_model),
    )
]
