"""Segmentation of scenes: cached fits to several kinds of features, scores, and a figure.

Penalties are chosen by four folds. They divide neither the variations of an image nor runs of consecutive
images, because consecutive frames of a film are nearly equal.
"""

import functools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets.fingerprint import fingerprint
from convcorr_jax.datasets.records import Record, load_image
from convcorr_jax.linear import grouped_folds
from convcorr_jax.linear.ridge import cross_predict
from convcorr_jax.metrics import SegmentationScores, confusion_counts, segmentation_scores
from convcorr_jax.probes import (
    apply_mixing,
    class_responses,
    class_shares,
    class_targets,
    fit_grid,
    fit_mixing,
    predict_label_map,
    resize_responses,
    rgb_targets,
)
from convcorr_jax.probes.segmentation import SIDE
from convcorr_jax.report import Segmented, pixels, segmentation_figure
from convcorr_jax.runtime.progress import progress
from convcorr_jax.runtime.stages import stage
from convcorr_jax.shapes import Image
from convcorr_jax.tasks.scenes.labelled import Scenes
from convcorr_jax.tasks.variation_features import (
    variation_features,
    variation_images,
    variations_of,
)

FOLDS = 4
"""Number of folds that choose penalties; the paper's."""
CONVNET, RGB = FEATURES = ("convnet", "rgb")
"""The kinds of features: a layer of the network, and the colours of the image."""
RGB_SIDE_PX = 32
"""Side of the square whose colours are features."""
RUN_LENGTH = 20
"""Consecutive images that are held out together."""
MIXINGS = ("none", "same", "held_out")
"""Without the matrix M; with M fitted to responses to the training images; or to held-out training images."""


class SegmentationOptions(NamedTuple):
    """Options of segmentation."""

    layer: str
    """Name of the layer."""
    copies: int
    """Variations of every training image, where it is augmented."""
    shown: tuple[int, ...]
    """Numbers of the test images whose responses the result contains."""


class SegmentationResult(NamedTuple):
    """Scores of a probe of one kind of features, and its responses to some test images."""

    confusions: Int[np.ndarray, "mixings classes classes"]
    """Confusion counts, summed over the test images, for each of `MIXINGS`."""
    penalties: Float[np.ndarray, " p"]
    """All penalties tried."""
    held_out_error: Float[np.ndarray, " p"]
    """Mean squared error on held-out folds, for every penalty."""
    responses: Float[np.ndarray, "shown side side classes"]
    """Responses to some of the test images, before M."""
    mixed: Float[np.ndarray, "shown side side classes"]
    """Responses to the same images after M as fitted to the training images."""

    @property
    def penalty(self) -> float:
        """The penalty with the least error on held-out folds."""
        return float(self.penalties[self.held_out_error.argmin()])


class _Samples(NamedTuple):
    train: Float[np.ndarray, "n d"]
    """Features of all variations of the training images."""
    test: Float[np.ndarray, "test d"]
    """Features of the test images."""
    shares: Float[np.ndarray, "n side side classes"]
    """Shares of the classes in the cells of the training variations."""


def segment_scenes(
    scenes: Scenes, weights: Weights, options: SegmentationOptions, *, out: Path
) -> dict[str, SegmentationResult]:
    """Fit probes to both kinds of features, plain and augmented, or read the results from the cache.

    Args:
        scenes: training and test images.
        weights: weights of the network.
        options: options of segmentation.
        out: where features and results are cached.

    Returns:
        Results named ``convnet``, ``convnet_augmented``, ``rgb`` and ``rgb_augmented``.

    Raises:
        InputError: an image cannot be read, the layer does not exist, or a cached file is damaged.
    """
    results = {}
    for kind in FEATURES:
        samples = functools.cache(functools.partial(_samples, kind, scenes, weights, options, out))
        for name, copies in {kind: 1, f"{kind}_augmented": options.copies}.items():
            key = {
                "train": fingerprint(scenes.train),
                "test": fingerprint(scenes.test),
                "classes": scenes.classes,
                "features": [weights.fingerprint, options.layer]
                if kind == CONVNET
                else RGB_SIDE_PX,
                "copies": copies,
                "shown": options.shown,
            }

            def compute(step: int = options.copies // copies, samples=samples):
                return _segment(scenes, samples(), step, list(options.shown))._asdict()

            arrays = stage(out / "probes" / f"{name}.npz", key, compute)
            results[name] = SegmentationResult(**arrays)
    return results


def _segment(
    scenes: Scenes, samples: _Samples, step: int, shown: Sequence[int]
) -> SegmentationResult:
    """Fit to every ``step``-th training variation, of which the image itself is the first, and score."""
    train, shares = samples.train[::step], samples.shares[::step]
    folds = np.repeat(training_folds(len(scenes.train)), len(train) // len(scenes.train))
    targets = class_targets(shares)
    probe, curve = fit_grid(train, targets, side=SIDE, folds=folds, k=FOLDS)
    held_out = cross_predict(train, targets, penalty=curve.best(), folds=folds, k=FOLDS)
    same = class_responses(probe, train)
    test = class_responses(probe, samples.test)
    responses = {"none": test}
    for name, fitted_to in {"same": same, "held_out": held_out.reshape(shares.shape)}.items():
        mixing = fit_mixing(fitted_to, shares, folds=folds, k=FOLDS)
        responses[name] = apply_mixing(test, mixing)
    return SegmentationResult(
        _confusions(scenes, [responses[name] for name in MIXINGS]),
        curve.penalties,
        curve.errors.mean(axis=1),
        test[shown],
        responses["same"][shown],
    )


def _confusions(
    scenes: Scenes, responses: Sequence[Float[np.ndarray, "test side side classes"]]
) -> Int[np.ndarray, "mixings classes classes"]:
    size = len(scenes.classes)
    confusions = np.zeros((len(responses), size, size), np.int64)
    for number, record in enumerate(progress(scenes.test, description="scoring")):
        truth = scenes.class_map(record)
        for counts, response in zip(confusions, responses, strict=True):
            labels = predict_label_map(response[number], record.size)
            counts += confusion_counts(truth, labels, classes=size)
    return confusions


def training_folds(images: int) -> Int[np.ndarray, " images"]:
    """Return folds of training images; where there are fewer than four runs, runs are shorter.

    Args:
        images: number of training images.

    Returns:
        For each image the number, 0 to 3, of the fold that holds it out.
    """
    run_length = min(RUN_LENGTH, max(1, images // FOLDS))
    return grouped_folds(np.arange(images) // run_length, k=FOLDS)


def _samples(
    kind: str, scenes: Scenes, weights: Weights, options: SegmentationOptions, out: Path
) -> _Samples:
    """Compute one kind of features of all variations of the training images and of the test images."""

    def features(name: str, records: Sequence[Record], copies: int) -> Float[np.ndarray, "n d"]:
        if kind == CONVNET:
            return variation_features(
                records, weights, layer=options.layer, copies=copies, folder=out / name
            )
        varied = variations_of(records, copies=copies)
        squares = variation_images(records, varied, side_px=RGB_SIDE_PX)
        return rgb_targets(squares, side_px=RGB_SIDE_PX)

    return _Samples(
        features("train", scenes.train, options.copies),
        features("test", scenes.test, 1),
        _cached_shares(scenes, options.copies, out / "train" / "shares.npz"),
    )


def _cached_shares(
    scenes: Scenes, copies: int, path: Path
) -> Float[np.ndarray, "n side side classes"]:
    key = {"train": fingerprint(scenes.train), "classes": scenes.classes, "copies": copies}

    def compute() -> dict[str, np.ndarray]:
        # Half precision suffices: its rounding error is far below that of the regression.
        return {"shares": variation_shares(scenes, copies=copies).astype(np.float16)}

    return stage(path, key, compute)["shares"].astype(np.float32)


def variation_shares(scenes: Scenes, *, copies: int) -> Float[np.ndarray, "n side side classes"]:
    """Compute the shares of the classes in the cells of all variations of the training images.

    Args:
        scenes: training and test images.
        copies: number of variations of every image; 1 is the image itself.
    """

    def shares() -> Iterator[Float[np.ndarray, "side side classes"]]:
        varied = variations_of(scenes.train, copies=copies)
        records = progress(scenes.train, description="label maps")
        for record, own in zip(records, varied, strict=True):
            labels = scenes.class_map(record)
            for variation in own:
                yield class_shares(labels, variation, classes=len(scenes.classes))

    return np.stack(list(shares()))


def example_scenes(scenes: Scenes, *, shown: int) -> tuple[int, ...]:
    """Return numbers of test images that are evenly spread.

    Args:
        scenes: training and test images.
        shown: number of images, at most.
    """
    return tuple(np.unique(np.linspace(0, len(scenes.test) - 1, shown).astype(int)).tolist())


def score_table(
    results: Mapping[str, SegmentationResult], classes: Sequence[str]
) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the scores of every result, with each of `MIXINGS`, as ``result.json`` holds them.

    Args:
        results: confusion counts by kind of features.
        classes: names of the classes.

    Returns:
        Scores by kind of features and mixing; scores that a class does not have are absent.
    """
    return {
        name: {
            mixing: _plain_scores(segmentation_scores(counts), classes)
            for mixing, counts in zip(MIXINGS, result.confusions, strict=True)
        }
        for name, result in results.items()
    }


def _plain_scores(scores: SegmentationScores, classes: Sequence[str]) -> dict[str, Any]:
    by_class = {
        field: {
            name: float(value)
            for name, value in zip(classes, values, strict=True)
            if not np.isnan(value)
        }
        for field, values in {"iou": scores.iou, "class_accuracy": scores.class_accuracy}.items()
    }
    return {
        "mean_iou": scores.mean_iou,
        "accuracy": scores.accuracy,
        "mean_class_accuracy": scores.mean_class_accuracy,
        **by_class,
    }


def examples_figure(scenes: Scenes, shown: Sequence[int], result: SegmentationResult) -> Image:
    """Draw Figure 5: images, their true and predicted label maps, and the responses to every class.

    Args:
        scenes: training and test images.
        shown: numbers of the test images.
        result: responses to these images.
    """
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
