"""Which scripts `eval.reproduce` runs, with which settings, and how their results are shown."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from convcorr_jax.datasets import roots
from convcorr_jax.report import Section
from convcorr_jax.report.sections import correspondence, probes
from convcorr_jax.report.sections import pose as pose_sections
from convcorr_jax.tasks.keypoints import DetectorOptions
from convcorr_jax.tasks.landmarks import LandmarkOptions
from convcorr_jax.tasks.options import Data, Output
from convcorr_jax.tasks.pose import PoseData, Training
from eval import (
    face_landmarks,
    flow_accuracy,
    keypoint_classification,
    keypoint_prediction,
    keypoint_transfer,
    patch_reconstruction,
    pose,
    pose_ablations,
    receptive_field_average,
    receptive_fields,
    rgb_reconstruction,
    ridge_keypoints,
    segmentation,
    semantic_directions,
)

# People in a step of the pose cascade's training.
POSE_BATCH = 16
PREPARED: tuple[tuple[str, keypoint_transfer.Transfer], ...] = (
    ("pf_willow", "box"),
    ("pf_willow", "image"),
    ("lfpw68", "neighbors"),
)


class Experiment(NamedTuple):
    """A script, its settings, and how its result is shown."""

    name: str
    main: Callable[[Any], Path]
    config: Any
    show: Callable[[str, dict[str, Any]], Section]


def experiments(out: Path, data_root: Path | None) -> tuple[Experiment, ...]:
    """The embedded experiments, or those of the data sets that lie under ``data_root``.

    Raises:
        InputError: ``data_root`` is given and is no folder of prepared data sets.
    """
    fields = Experiment(
        "receptive_fields",
        receptive_fields.main,
        receptive_fields.Config(out=out / "receptive_fields"),
        correspondence.receptive_fields,
    )
    if data_root is None:
        return (
            fields,
            Experiment(
                "warped_photographs",
                flow_accuracy.main,
                flow_accuracy.Config(seeds=2, out=out / "warped_photographs"),
                correspondence.accuracy,
            ),
            transfer_experiment(
                out, "rendered", "neighbors", rendered_train=150, rendered_test=8, sizes_px=(227,)
            ),
            Experiment(
                "keypoint_classification",
                keypoint_classification.main,
                keypoint_classification.Config(
                    data=Data(rendered_train=40, rendered_test=20),
                    windows=40,
                    output=Output(out / "keypoint_classification"),
                ),
                correspondence.classification,
            ),
            Experiment(
                "keypoint_prediction",
                keypoint_prediction.main,
                keypoint_prediction.Config(
                    data=Data(rendered_train=60),
                    training=DetectorOptions(images=30, rounds=1, folds=2),
                    output=Output(out / "keypoint_prediction"),
                ),
                correspondence.prediction,
            ),
            *_figures_1_and_2(out, patch_database=out / "patch_database"),
            *_rendered_probes(out),
            Experiment(
                "pose",
                pose_ablations.main,
                pose_ablations.Config(
                    PoseData(rendered_train=400),
                    Training(steps=(300, 100, 50), batch=POSE_BATCH, validate_every=400),
                    variants=("8x",),
                    output=Output(out / "pose"),
                ),
                pose_sections.cascade,
            ),
        )
    found = [
        transfer_experiment(out, dataset, protocol, data_root=data_root)
        for dataset, protocol in PREPARED
        if (data_root / dataset).is_dir()
    ]
    for dataset in ("lfpw68", "lspet"):
        if (data_root / dataset).is_dir():
            data = Data(dataset, data_root)
            classify, predict = f"{dataset}_classification", f"{dataset}_prediction"
            found += [
                Experiment(
                    classify,
                    keypoint_classification.main,
                    keypoint_classification.Config(data=data, output=Output(out / classify)),
                    correspondence.classification,
                ),
                Experiment(
                    predict,
                    keypoint_prediction.main,
                    keypoint_prediction.Config(data=data, output=Output(out / predict)),
                    correspondence.prediction,
                ),
            ]
    if (data_root / "imagenet_sample").is_dir():
        found += _figures_1_and_2(
            out,
            dataset="imagenet_sample",
            data_root=data_root,
            patch_database=out / "patch_database",
        )
    found += _prepared_probes(out, data_root)
    if (data_root / "lspet").is_dir():
        found.append(
            Experiment(
                "lspet_pose",
                pose.main,
                pose.Config(data=PoseData("lspet", data_root), output=Output(out / "lspet_pose")),
                pose_sections.person,
            )
        )
    if not found:
        # Says where it looked, in the words of every other script.
        roots.find_folder("pf_willow", data_root=data_root)
    return (fields, *found)


def _figures_1_and_2(out: Path, *, patch_database: Path, **options: Any) -> list[Experiment]:
    """Both figures from one patch database."""
    return [
        Experiment(
            "patch_reconstruction",
            patch_reconstruction.main,
            patch_reconstruction.Config(
                database=patch_database, out=out / "patch_reconstruction", **options
            ),
            correspondence.reconstruction,
        ),
        Experiment(
            "receptive_field_average",
            receptive_field_average.main,
            receptive_field_average.Config(
                database=patch_database, out=out / "receptive_field_average", **options
            ),
            correspondence.receptive_field_average,
        ),
    ]


def _rendered_probes(out: Path) -> list[Experiment]:
    """The ridge probes of rendered categories."""
    few: dict[str, Any] = {"rendered_train": 60, "rendered_test": 20}
    data = Data(**few)
    return [
        _landmarks(out, "landmarks", **few, options=LandmarkOptions(rounds=1)),
        Experiment(
            "ridge_keypoints",
            ridge_keypoints.main,
            ridge_keypoints.Config(data=data, output=Output(out / "ridge_keypoints")),
            probes.keypoints,
        ),
        Experiment(
            "rgb_reconstruction",
            rgb_reconstruction.main,
            rgb_reconstruction.Config(
                images=(60, 120), output=Output(out / "rgb_reconstruction"), **few
            ),
            probes.colors,
        ),
        Experiment(
            "segmentation",
            segmentation.main,
            segmentation.Config(data=data, copies=3, output=Output(out / "segmentation")),
            probes.segmentation,
        ),
        Experiment(
            "semantic_directions",
            semantic_directions.main,
            semantic_directions.Config(
                data=Data(rendered_train=150, rendered_test=50),
                output=Output(out / "semantic_directions"),
            ),
            probes.directions,
        ),
    ]


def _prepared_probes(out: Path, data_root: Path) -> list[Experiment]:
    """The ridge probes of those data sets that are there."""
    there = {path.name for path in data_root.iterdir() if path.is_dir()}
    found = [
        _landmarks(out, f"{one}_landmarks", train=(one,), test=(one,), data_root=data_root)
        for one in ("lfpw68", "helen68")
        if one in there
    ]
    if "lspet" in there:
        found.append(
            Experiment(
                "lspet_ridge_keypoints",
                ridge_keypoints.main,
                ridge_keypoints.Config(
                    data=Data("lspet", data_root), output=Output(out / "lspet_ridge_keypoints")
                ),
                probes.keypoints,
            )
        )
    photographs = tuple(one for one in ("imagenet_sample", "mini_imagenet") if one in there)
    if photographs:
        found.append(
            Experiment(
                "rgb_reconstruction",
                rgb_reconstruction.main,
                rgb_reconstruction.Config(
                    datasets=photographs,
                    data_root=data_root,
                    output=Output(out / "rgb_reconstruction"),
                ),
                probes.colors,
            )
        )
    if "camvid" in there:
        found.append(
            Experiment(
                "segmentation",
                segmentation.main,
                segmentation.Config(
                    data=Data("camvid", data_root), output=Output(out / "segmentation")
                ),
                probes.segmentation,
            )
        )
    if "lfw_attributes" in there:
        found.append(
            Experiment(
                "semantic_directions",
                semantic_directions.main,
                semantic_directions.Config(
                    data=Data("lfw_attributes", data_root, rendered_train=400, rendered_test=100),
                    output=Output(out / "semantic_directions"),
                ),
                probes.directions,
            )
        )
    return found


def _landmarks(out: Path, name: str, **options: Any) -> Experiment:
    config = face_landmarks.Config(output=Output(out / name), **options)
    return Experiment(name, face_landmarks.main, config, probes.landmarks)


def transfer_experiment(
    out: Path,
    dataset: str,
    protocol: keypoint_transfer.Transfer,
    *,
    name: str | None = None,
    **options: Any,
) -> Experiment:
    """`eval.keypoint_transfer` with these settings, in a subfolder of its own."""
    name = name or f"{dataset}_{protocol}"
    config = keypoint_transfer.Config(dataset=dataset, protocol=protocol, out=out / name, **options)
    return Experiment(name, keypoint_transfer.main, config, correspondence.transfer)
