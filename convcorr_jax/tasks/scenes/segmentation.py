"""Segmentation of scenes: cached fits to several kinds of features, scores, and a figure.

Penalties are chosen by four folds. They divide neither the variations of an image nor runs of consecutive
images, because consecutive frames of a film are nearly equal.
"""

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets import load_image
from convcorr_jax.linear import grouped_folds
from convcorr_jax.linear.ridge import least_error
from convcorr_jax.metrics import (
    SegmentationScores,
    bootstrap,
    confusion_counts,
    interval,
    iou_sums,
    segmentation_scores,
)
from convcorr_jax.probes import apply_mixing, class_responses, predict_label_map, resize_responses
from convcorr_jax.report import Segmented, pixels, segmentation_figure
from convcorr_jax.runtime import progress
from convcorr_jax.runtime.stages import CachedParts, stage
from convcorr_jax.shapes import Image
from convcorr_jax.tasks.reading import evenly_spread
from convcorr_jax.tasks.scenes.fitting import (
    FEATURES,
    FOLDS,
    SceneRows,
    Scenes,
    features_of,
    fit_scene_mixing,
    fit_scenes,
    scene_parts,
)

RUN_LENGTH = 20
"""Consecutive images that are held out together."""
MIXINGS = ("none", "same", "held_out")
"""Without the matrix M; with M fitted to responses to the training images; or to held-out training images."""


class SegmentationOptions(NamedTuple):
    """Options of segmentation."""

    layer: str
    copies: int
    shown: tuple[int, ...]
    """Numbers of the test images whose responses the result contains."""


class SegmentationResult(NamedTuple):
    """Scores of a probe of one kind of features, and its responses to some test images."""

    confusions: Int[np.ndarray, "mixings test classes classes"]
    """Confusion counts of every test image, for each of `MIXINGS`."""
    penalties: Float[np.ndarray, " p"]
    held_out_error: Float[np.ndarray, " p"]
    """Mean squared error on held-out folds, for every penalty."""
    responses: Float[np.ndarray, "shown side side classes"]
    """Responses to some of the test images, before M."""
    mixed: Float[np.ndarray, "shown side side classes"]
    """Responses to the same images after M as fitted to the training images."""

    @property
    def penalty(self) -> float:
        """The penalty with the least error on held-out folds, the first of several."""
        return float(self.penalties[least_error(self.held_out_error)])


def segment_scenes(
    scenes: Scenes, weights: Weights, options: SegmentationOptions, *, out: Path
) -> dict[str, SegmentationResult]:
    """Fit probes to both kinds of features, plain and augmented, or read the results from the cache.

    Results are named ``convnet``, ``convnet_augmented``, ``rgb`` and ``rgb_augmented``.
    """
    parts, test = scene_parts(scenes, weights, layer=options.layer, copies=options.copies, folder=out)
    folds = training_folds(len(scenes.train))
    results = {}
    for kind in FEATURES:
        for name, copies in {kind: 1, f"{kind}_augmented": options.copies}.items():
            rows = SceneRows(parts, kind, options.copies // copies, folds)
            path = out / "probes" / f"{name}.npz"
            key = {**rows.settings, "test": test.settings, "shown": options.shown}
            compute = functools.partial(_segment, scenes, rows, test, options.shown, path)
            arrays = stage(path, key, lambda compute=compute: compute()._asdict())
            results[name] = SegmentationResult(**arrays)
    return results


def _segment(
    scenes: Scenes, rows: SceneRows, test: CachedParts, shown: Sequence[int], path: Path
) -> SegmentationResult:
    """Fit to training rows, and score."""
    fit = fit_scenes(rows, path=path)
    features = np.concatenate([features_of(rows.kind, arrays) for arrays in test])
    responses = {"none": class_responses(fit.probe, features)}
    penalty = fit.curve.best()
    for name, models in {
        "same": [fit.probe] * FOLDS,
        "held_out": (fit.sums.without(fold, penalty) for fold in range(FOLDS)),
    }.items():
        responses[name] = apply_mixing(responses["none"], fit_scene_mixing(rows, models))
    return SegmentationResult(
        _confusions(scenes, [responses[name] for name in MIXINGS]),
        fit.curve.penalties,
        fit.curve.errors.mean(axis=1),
        responses["none"][list(shown)],
        responses["same"][list(shown)],
    )


def _confusions(
    scenes: Scenes, responses: Sequence[Float[np.ndarray, "test side side classes"]]
) -> Int[np.ndarray, "mixings test classes classes"]:
    size = len(scenes.classes)
    confusions = np.zeros((len(responses), len(scenes.test), size, size), np.int64)
    for number, record in enumerate(progress(scenes.test, description="scoring")):
        truth = scenes.class_map(record)
        for counts, response in zip(confusions, responses, strict=True):
            labels = predict_label_map(response[number], record.size)
            counts[number] = confusion_counts(truth, labels, classes=size)
    return confusions


def training_folds(images: int) -> Int[np.ndarray, " images"]:
    """Return each training image's fold, 0 to 3; where there are fewer than four runs, runs are shorter."""
    run_length = min(RUN_LENGTH, max(1, images // FOLDS))
    return grouped_folds(np.arange(images) // run_length, k=FOLDS)


def example_scenes(scenes: Scenes, *, shown: int) -> tuple[int, ...]:
    """Return the numbers of at most ``shown`` test images, evenly spread."""
    return tuple(evenly_spread(len(scenes.test), shown).tolist())


def score_table(
    results: Mapping[str, SegmentationResult], classes: Sequence[str]
) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the scores of every result, with each of `MIXINGS`, as ``result.json`` holds them.

    The 95 % bootstrap ``interval`` is that of the mean IoU over test images; scores that a class lacks are
    absent.
    """
    return {
        name: {
            mixing: {
                **_plain_scores(segmentation_scores(counts.sum(axis=0)), classes),
                "interval": list(interval(bootstrap(iou_sums(counts))[:, 0])),
            }
            for mixing, counts in zip(MIXINGS, result.confusions, strict=True)
        }
        for name, result in results.items()
    }


def _plain_scores(scores: SegmentationScores, classes: Sequence[str]) -> dict[str, Any]:
    by_class = {
        field: {name: float(value) for name, value in zip(classes, values, strict=True) if not np.isnan(value)}
        for field, values in {"iou": scores.iou, "class_accuracy": scores.class_accuracy}.items()
    }
    return {
        "mean_iou": scores.mean_iou,
        "accuracy": scores.accuracy,
        "mean_class_accuracy": scores.mean_class_accuracy,
        **by_class,
    }


def examples_figure(scenes: Scenes, shown: Sequence[int], result: SegmentationResult) -> Image:
    """Draw Figure 5: images, their true and predicted label maps, and the responses to every class."""
    examples = [
        Segmented(
            load_image(scenes.test[number]),
            scenes.class_map(scenes.test[number]),
            predict_label_map(mixed, scenes.test[number].size),
            resize_responses(responses, scenes.test[number].size),
        )
        for number, responses, mixed in zip(shown, result.responses, result.mixed, strict=True)
    ]
    return pixels(segmentation_figure(examples, scenes.classes))
