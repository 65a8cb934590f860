"""Experiments without data sets: rendered categories, and warps of photographs that other packages install."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from convcorr_jax.keypoints import COSTS
from convcorr_jax.report.sections import correspondence, probes
from convcorr_jax.report.sections import pose as pose_sections
from convcorr_jax.tasks import PHOTOGRAPHS, RENDERED, CategoryData, Data
from convcorr_jax.tasks.keypoints import DetectorOptions, FeatureOptions
from convcorr_jax.tasks.landmarks import LandmarkOptions
from convcorr_jax.tasks.patches import PatchData
from convcorr_jax.tasks.pose import PoseData, Training
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
    shipped_models,
)
from eval.experiments.experiment import Experiment, experiment, on_data, transfer_experiment

# People in a step of the pose cascade's training.
POSE_BATCH = 8
# These run in another process, one after the other, until their turn comes. The first two compile programs that
# no other experiment uses, for as long as all others together.
_BESIDE = ("keypoint_classification", "pose", "semantic_directions", "segmentation")
_RENDERED = (RENDERED,)
_PHOTOGRAPHS = (PHOTOGRAPHS,)


@dataclass(frozen=True)
class Sizes:
    """How much each experiment computes; pairs are numbers of rendered instances for training and for tests."""

    categories: tuple[str, ...]
    """Rendered categories whose keypoints are transferred, classified and predicted; all if there is none."""
    warps: int
    """Warps of every photograph."""
    transfer: tuple[int, int]
    classification: tuple[int, int]
    features: FeatureOptions
    """SIFT's radii and layers that are compared by keypoint classification."""
    windows: int
    """Test keypoints of Figure 4 of Long et al."""
    costs: tuple[float, ...]
    """C of the support vector machines of keypoint classification."""
    prediction: tuple[int, int]
    detector_images: int
    """Objects of a category whose boxes train its detectors."""
    rounds: int
    """How often violators are added to the detectors' examples."""
    patches: int
    """Patches of a database."""
    rebuilt: int
    """Photographs that are rebuilt from patches."""
    averages: tuple[int, ...]
    """Numbers of neighbours whose receptive fields are averaged."""
    seeds: int
    """Patches whose neighbours are averaged."""
    probes: tuple[int, int]
    colors: tuple[int, ...]
    """Numbers of training images on the curve of RGB reconstruction."""
    copies: int
    """Variations of every training image of the segmentation."""
    directions: tuple[int, int]
    people: int
    """Rendered people for the cascade's training and validation; a quarter as many others are for testing."""
    steps: tuple[int, int, int]
    """Steps of the cascade's phases: coarse, fine, joint."""
    winograd: bool = True
    """Whether convolutions take longer to compile and less time to run."""


# Small enough for a first look on two cores; FULL has what a comparison needs.
SMALL = Sizes(
    # Categories with about as many keypoints share compiled programs.
    categories=("person", "quadruped"),
    warps=1,
    # Each test image has 25 neighbours, as in the paper.
    transfer=(25, 1),
    classification=(10, 5),
    # Features of similar lengths share compiled programs.
    features=FeatureOptions(layers=("conv1", "conv4"), radii_px=(20,)),
    windows=8,
    costs=(1e-2, 1e-1, 1e0),
    prediction=(8, 4),
    detector_images=5,
    rounds=0,
    patches=20_000,
    rebuilt=2,
    averages=(5, 50),
    seeds=3,
    probes=(16, 4),
    colors=(16,),
    copies=2,
    directions=(40, 12),
    people=64,
    steps=(30, 10, 0),
    winograd=False,
)
FULL = Sizes(
    categories=(),
    warps=2,
    transfer=(150, 8),
    classification=(40, 20),
    features=FeatureOptions(),
    windows=40,
    costs=COSTS,
    prediction=(60, 25),
    detector_images=30,
    rounds=1,
    patches=1_000_000,
    rebuilt=6,
    averages=(5, 50, 500),
    seeds=8,
    probes=(60, 20),
    colors=(60, 120),
    copies=3,
    directions=(150, 50),
    people=400,
    steps=(300, 100, 50),
)


def embedded(out: Path, sizes: Sizes) -> list[Experiment]:
    """Return all experiments, each with a subfolder of ``out``."""
    # The main job first: it is on the page within a minute.
    explorer = on_data(match_explorer, correspondence.matches, out / "matches", Data(PHOTOGRAPHS))
    models = experiment(shipped_models, correspondence.shipped, out / "shipped_models", sources=_PHOTOGRAPHS)
    parts = (_transfer, _keypoints, _patches, _probes, _pose)
    experiments = [explorer, models, *(each for part in parts for each in part(out, sizes))]
    if not sizes.winograd:
        experiments = [_compiling_fast(each) for each in experiments]
    places = {name: place for place, name in enumerate(_BESIDE)}
    return [each._replace(background_order=places.get(each.name)) for each in experiments]


def _compiling_fast(experiment: Experiment) -> Experiment:
    config = experiment.config
    if hasattr(config, "backbone"):
        config = replace(config, backbone=replace(config.backbone, winograd=False))
    return experiment._replace(config=config)


def _rendered(train_and_test: tuple[int, int]) -> Data:
    train, test = train_and_test
    return Data(rendered_train=train, rendered_test=test)


def _categories(train_and_test: tuple[int, int], sizes: Sizes) -> CategoryData:
    train, test = train_and_test
    return CategoryData(rendered_train=train, rendered_test=test, categories=sizes.categories)


def _transfer(out: Path, sizes: Sizes) -> list[Experiment]:
    return [
        experiment(
            flow_accuracy,
            correspondence.accuracy,
            out / "warped_photographs",
            sources=_PHOTOGRAPHS,
            seeds=sizes.warps,
        ),
        transfer_experiment(out, _categories(sizes.transfer, sizes), "neighbors", sizes_px=(227,)),
    ]


def _keypoints(out: Path, sizes: Sizes) -> list[Experiment]:
    return [
        on_data(
            keypoint_classification,
            correspondence.classification,
            out / "keypoint_classification",
            _categories(sizes.classification, sizes),
            windows=sizes.windows,
            costs=sizes.costs,
            features=sizes.features,
        ),
        on_data(
            keypoint_prediction,
            correspondence.prediction,
            out / "keypoint_prediction",
            _categories(sizes.prediction, sizes),
            training=DetectorOptions(images=sizes.detector_images, rounds=sizes.rounds, folds=2),
        ),
    ]


def _patches(out: Path, sizes: Sizes) -> list[Experiment]:
    data = PatchData(database=out / "patch_reconstruction" / "database", patches=sizes.patches)
    return [
        on_data(
            patch_reconstruction,
            correspondence.reconstruction,
            out / "patch_reconstruction",
            data,
            examples=sizes.rebuilt,
        ),
        on_data(
            receptive_field_average,
            correspondence.receptive_field_average,
            out / "receptive_field_average",
            data,
            neighbors=sizes.averages,
            seeds=sizes.seeds,
        ),
    ]


def _probes(out: Path, sizes: Sizes) -> list[Experiment]:
    train, test = sizes.probes
    few = _rendered(sizes.probes)
    options: dict[str, Any] = {"sources": _RENDERED, "rendered_train": train, "rendered_test": test}
    return [
        experiment(
            face_landmarks, probes.landmarks, out / "landmarks", options=LandmarkOptions(rounds=1), **options
        ),
        on_data(ridge_keypoints, probes.keypoints, out / "ridge_keypoints", _categories(sizes.probes, sizes)),
        experiment(
            rgb_reconstruction, probes.colors, out / "rgb_reconstruction", images=sizes.colors, **options
        ),
        on_data(segmentation, probes.segmentation, out / "segmentation", few, copies=sizes.copies),
        on_data(
            semantic_directions, probes.directions, out / "semantic_directions", _rendered(sizes.directions)
        ),
    ]


def _pose(out: Path, sizes: Sizes) -> list[Experiment]:
    return [
        on_data(
            pose_ablations,
            pose_sections.cascade,
            out / "pose",
            PoseData(rendered_train=sizes.people),
            training=Training(steps=sizes.steps, batch=POSE_BATCH, validate_every=400),
            variants=("8x",),
        )
    ]
