"""Experiments without data sets: rendered categories, and warps of photographs that other packages install."""

from pathlib import Path
from typing import Any

from convcorr_jax.report.sections import correspondence, matches, probes
from convcorr_jax.report.sections import pose as pose_sections
from convcorr_jax.tasks.keypoints import DetectorOptions
from convcorr_jax.tasks.landmarks import LandmarkOptions
from convcorr_jax.tasks.options import Data
from convcorr_jax.tasks.patches import PatchData
from convcorr_jax.tasks.pose import PoseData, Training
from convcorr_jax.tasks.reading import PHOTOGRAPHS, RENDERED
from eval import (
    face_landmarks,
    flow_accuracy,
    keypoint_classification,
    keypoint_prediction,
    match_explorer,
    patch_reconstruction,
    pose_ablations,
    receptive_field_average,
    rgb_reconstruction,
    ridge_keypoints,
    segmentation,
    semantic_directions,
)
from eval.experiments.experiment import Experiment, experiment, on_data, transfer_experiment

# People in a step of the pose cascade's training.
POSE_BATCH = 16
# Instances of every category; more change little.
_FEW: dict[str, Any] = {"rendered_train": 60, "rendered_test": 20}
_RENDERED = (RENDERED,)
_PHOTOGRAPHS = (PHOTOGRAPHS,)


def embedded(out: Path) -> list[Experiment]:
    """Return all experiments, each with a subfolder of ``out``."""
    # The main job first: it is on the page within a minute.
    explorer = on_data(match_explorer, matches.matches, out / "matches", Data(PHOTOGRAPHS))
    return [explorer, *_transfer(out), *_keypoints(out), *_patches(out), *_probes(out), *_pose(out)]


def _transfer(out: Path) -> list[Experiment]:
    warped = out / "warped_photographs"
    data = Data(rendered_train=150, rendered_test=8)
    return [
        experiment(flow_accuracy, correspondence.accuracy, warped, sources=_PHOTOGRAPHS, seeds=2),
        transfer_experiment(out, data, "neighbors", sizes_px=(227,)),
    ]


def _keypoints(out: Path) -> list[Experiment]:
    return [
        on_data(
            keypoint_classification,
            correspondence.classification,
            out / "keypoint_classification",
            Data(rendered_train=40, rendered_test=20),
            windows=40,
        ),
        on_data(
            keypoint_prediction,
            correspondence.prediction,
            out / "keypoint_prediction",
            Data(rendered_train=60),
            training=DetectorOptions(images=30, rounds=1, folds=2),
        ),
    ]


def _patches(out: Path) -> list[Experiment]:
    average = correspondence.receptive_field_average
    data = PatchData(database=out / "patch_reconstruction" / "database")
    return [
        on_data(script, section, out / name, data)
        for script, section, name in (
            (patch_reconstruction, correspondence.reconstruction, "patch_reconstruction"),
            (receptive_field_average, average, "receptive_field_average"),
        )
    ]


def _probes(out: Path) -> list[Experiment]:
    few = Data(**_FEW)
    options: dict[str, Any] = {"sources": _RENDERED, **_FEW}
    faces = Data(rendered_train=150, rendered_test=50)
    return [
        experiment(
            face_landmarks,
            probes.landmarks,
            out / "landmarks",
            options=LandmarkOptions(rounds=1),
            **options,
        ),
        on_data(ridge_keypoints, probes.keypoints, out / "ridge_keypoints", few),
        experiment(
            rgb_reconstruction,
            probes.colors,
            out / "rgb_reconstruction",
            images=(60, 120),
            **options,
        ),
        on_data(segmentation, probes.segmentation, out / "segmentation", few, copies=3),
        on_data(semantic_directions, probes.directions, out / "semantic_directions", faces),
    ]


def _pose(out: Path) -> list[Experiment]:
    return [
        on_data(
            pose_ablations,
            pose_sections.cascade,
            out / "pose",
            PoseData(rendered_train=400),
            training=Training(steps=(300, 100, 50), batch=POSE_BATCH, validate_every=400),
            variants=("8x",),
        )
    ]
