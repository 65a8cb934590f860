"""Experiments on the data sets that a folder contains."""

from pathlib import Path

from convcorr_jax.report.sections import correspondence, probes
from convcorr_jax.report.sections import pose as pose_sections
from convcorr_jax.tasks import CategoryData, Data
from convcorr_jax.tasks.patches import PatchData
from convcorr_jax.tasks.pose import PoseData
from eval import (
    face_landmarks,
    keypoint_classification,
    keypoint_prediction,
    keypoint_transfer,
    match_explorer,
    patch_reconstruction,
    pose,
    receptive_field_average,
    rgb_reconstruction,
    ridge_keypoints,
    segmentation,
    semantic_directions,
)
from eval.experiments.experiment import Experiment, experiment, on_data, transfer_experiment

_TRANSFER: tuple[tuple[str, keypoint_transfer.Transfer], ...] = (
    ("pf_willow", "box"),
    ("pf_willow", "image"),
    ("lfpw68", "neighbors"),
)
# Tested faces whose 25 neighbours vote; all 224 would take as long as all other experiments together.
_TARGETS = 40
# Pairs of different categories of PF-WILLOW; each takes half a megabyte of the page.
_EXPLORED = 5


def prepared(out: Path, data_root: Path) -> list[Experiment]:
    """Return the experiments of those data sets that are in ``data_root``, each with a subfolder of ``out``."""
    if not data_root.is_dir():
        return []
    available = {path.name for path in data_root.iterdir() if path.is_dir()}
    groups = (_matches, _transfer, _keypoints, _patches, _landmarks, _probes, _pose)
    chosen = [
        configured
        for group in groups
        for configured in group(out, data_root)
        if set(configured.sources) <= available
    ]
    # Transfer takes longest, on one core of this process. The other process begins with the last experiment, so
    # that both meet in the middle.
    return [
        each if each.main is keypoint_transfer.main else each._replace(background_order=len(chosen) - number)
        for number, each in enumerate(chosen, start=1)
    ]


def _matches(out: Path, data_root: Path) -> list[Experiment]:
    data = Data("pf_willow", data_root)
    return [on_data(match_explorer, correspondence.matches, out / "matches", data, pairs=_EXPLORED)]


def _transfer(out: Path, data_root: Path) -> list[Experiment]:
    return [
        transfer_experiment(
            out,
            CategoryData(dataset, data_root),
            protocol,
            targets=_TARGETS if protocol == "neighbors" else None,
        )
        for dataset, protocol in _TRANSFER
    ]


def _keypoints(out: Path, data_root: Path) -> list[Experiment]:
    return [
        on_data(script, section, out / f"{dataset}_{task}", CategoryData(dataset, data_root))
        for dataset in ("lfpw68", "lspet")
        for script, section, task in (
            (keypoint_classification, correspondence.classification, "classification"),
            (keypoint_prediction, correspondence.prediction, "prediction"),
        )
    ]


def _patches(out: Path, data_root: Path) -> list[Experiment]:
    data = PatchData("imagenet_sample", data_root, database=out / "patch_reconstruction" / "database")
    return [
        on_data(script, section, out / name, data)
        for script, section, name in (
            (patch_reconstruction, correspondence.reconstruction, "patch_reconstruction"),
            (receptive_field_average, correspondence.receptive_field_average, "receptive_field_average"),
        )
    ]


def _landmarks(out: Path, data_root: Path) -> list[Experiment]:
    return [
        experiment(
            face_landmarks,
            probes.landmarks,
            out / f"{dataset}_landmarks",
            sources=(dataset,),
            data_root=data_root,
            train=(dataset,),
            test=(dataset,),
        )
        for dataset in ("lfpw68", "helen68")
    ]


def _probes(out: Path, data_root: Path) -> list[Experiment]:
    faces = Data("lfw_attributes", data_root, rendered_train=400, rendered_test=100)
    images = tuple(name for name in ("imagenet_sample", "mini_imagenet") if (data_root / name).is_dir())
    colors = [
        experiment(
            rgb_reconstruction,
            probes.colors,
            out / "rgb_reconstruction",
            sources=images,
            data_root=data_root,
            datasets=images,
        )
    ]
    return [
        on_data(
            ridge_keypoints, probes.keypoints, out / "lspet_ridge_keypoints", CategoryData("lspet", data_root)
        ),
        *(colors if images else ()),
        on_data(segmentation, probes.segmentation, out / "segmentation", Data("camvid", data_root)),
        on_data(semantic_directions, probes.directions, out / "semantic_directions", faces),
    ]


def _pose(out: Path, data_root: Path) -> list[Experiment]:
    people = PoseData(("lspet",), data_root)
    peers = tuple(sorted((data_root / "pose_peers").glob("lspet_test_*.npz")))
    return [on_data(pose, pose_sections.person, out / "lspet_pose", people, peers=peers)]
