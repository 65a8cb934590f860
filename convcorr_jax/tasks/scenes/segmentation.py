"""Segmentation of scenes: labelled images, probes that are fitted part by part, scores, and a figure.

In the rendered data set a class is the category of the figure, not the part of it.

Three passes over the cached parts compute the mean shares, the sums of the rows, and the responses to the rows,
to which the matrix M is fitted. Memory is that of one part, of the sums and of two probes. Penalties are chosen
by four folds. They divide neither the variations of an image nor runs of consecutive images, because
consecutive frames of a film are nearly equal.
"""

import dataclasses
import functools
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8

from convcorr_jax import metrics, probes, synthetic
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets import IGNORED_LABEL, Record, Selection, load_image, load_label_map
from convcorr_jax.errors import InputError
from convcorr_jax.linear import grouped_folds
from convcorr_jax.linear.ridge import FoldSums, PenaltyCurve, Ridge, argmin_error, empty_fold_sums
from convcorr_jax.probes.segmentation import SIDE
from convcorr_jax.report import Segmented, pixels, segmentation_figure
from convcorr_jax.runtime import CachedParts, progress, stage
from convcorr_jax.shapes import Image
from convcorr_jax.tasks.reading import choose_splits, evenly_spread, select
from convcorr_jax.tasks.variation_features import PartContents, sum_rows, variation_parts

FOLDS = 4
"""Number of folds that choose penalties; the paper's."""
CONVNET, RGB = FEATURES = ("convnet", "rgb")
"""The kinds of features: a layer of the network, and the colours of the image."""
RGB_SIDE_PX = 32
"""Side of the square whose colours are features."""
RUN_LENGTH = 20
"""Consecutive images that are held out together."""
# The frames of CamVid's four films, of which consecutive ones are nearly equal.
_FRAME = re.compile(r"(0001TP|0006R0|0016E5|Seq05VD)_f?\d+")
MIXINGS = ("none", "same", "held_out")
"""Without the matrix M; with M fitted to responses to the training images; or to held-out training images."""


@dataclass(frozen=True, eq=False)
class Scenes:
    """Labelled images in two splits, with the names and labels of the classes that occur."""

    classes: tuple[str, ...]
    labels: tuple[int, ...]
    train: Selection
    test: Selection

    def class_map(self, record: Record) -> UInt8[np.ndarray, "height width"]:
        """Return the number of the class of every pixel; 255 where it has none."""
        numbers = np.full(256, IGNORED_LABEL, np.uint8)
        numbers[list(self.labels)] = np.arange(len(self.labels))
        return numbers[_label_map(record)]


def read_scenes(
    dataset: str,
    *,
    data_root: Path | None = None,
    rendered_train: int = 100,
    rendered_test: int = 25,
    split: str | None = None,
) -> Scenes:
    """Read the labelled images of a data set, which must share one list of classes."""
    records = select(
        dataset, data_root=data_root, train=rendered_train, test=rendered_test, change=_labelled_by_category
    )
    splits = choose_splits(records.splits(), tested=split, source=dataset)
    present = np.array(records.splits())
    train = records.take(np.flatnonzero(np.isin(present, splits.training)))
    test = records.take(np.flatnonzero(present == splits.tested))
    names, labels = _occurring_labels(dataset, Selection.of(train, test))
    return Scenes(tuple(names[label] for label in labels), labels, train, test)


def _occurring_labels(dataset: str, records: Selection) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Return the names of all labels, the background's first, and the labels that occur."""
    lists, occurring = set(), {IGNORED_LABEL}
    for record in records:
        lists.add(record.label_names)
        if len(lists) > 1:
            raise InputError(f"the images of {dataset} do not share one list of classes")
        occurring.update(np.unique(_label_map(record)).tolist())
    return ("background", *lists.pop()), tuple(sorted(occurring - {IGNORED_LABEL}))


def _label_map(record: Record) -> UInt8[np.ndarray, "height width"]:
    labels = load_label_map(record)
    if labels is None:
        raise InputError(f"record {record.source_id!r} has no label map")
    return labels


def _labelled_by_category(record: Record) -> Record:
    """Return a rendered record whose only label is its category's."""
    number = 1 + list(synthetic.CATEGORIES).index(record.category)
    label_map = np.where(_label_map(record) > 0, number, 0).astype(np.uint8)
    return dataclasses.replace(record, label_map=label_map, label_names=tuple(synthetic.CATEGORIES))


class SceneFit(NamedTuple):
    """A segmentation probe and what it was fitted to."""

    probe: Ridge
    curve: PenaltyCurve
    """Errors of the whole path of penalties for every third cell."""
    sums: FoldSums


class SceneRows(NamedTuple):
    """Training rows of one kind of features, read from the cache part by part."""

    parts: CachedParts
    """Features, colours and shares of all variations of the training images."""
    kind: str
    """One of `FEATURES`."""
    step: int
    """Every ``step``-th variation is used; the image itself is the first one."""
    folds: Int[np.ndarray, " images"]

    @property
    def settings(self) -> dict[str, Any]:
        """Everything that decides the rows, as JSON stores it."""
        folds = zlib.crc32(self.folds.astype(np.int64).tobytes())
        return {**self.parts.settings, "kind": self.kind, "step": self.step, "folds": folds}

    def rows(
        self, number: int
    ) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, "n side side classes"], Int[np.ndarray, " n"]]:
        """Read features, shares and folds of a part."""
        arrays, images = self.parts[number], self.folds[list(self.parts.items(number))]
        shares = arrays["labels"][:: self.step].astype(np.float32)
        features = features_of(self.kind, arrays)[:: self.step]
        return features, shares, np.repeat(images, len(shares) // len(images))

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        return (self.rows(number) for number in range(len(self.parts)))


def features_of(kind: str, arrays: Mapping[str, np.ndarray]) -> Float[np.ndarray, "n d"]:
    """Return the features of a kind from the arrays of a part."""
    if kind == CONVNET:
        return arrays["features"].astype(np.float32)
    return probes.rgb_targets(arrays["squares"], side_px=RGB_SIDE_PX)


def scene_parts(
    scenes: Scenes, weights: Weights, *, layer: str, copies: int, folder: Path
) -> tuple[CachedParts, CachedParts]:
    """Return the cached parts of all variations of the training images, and of the test images."""

    def shares(record: Record, varied: Sequence[probes.Variation]) -> Iterator[np.ndarray]:
        labels = scenes.class_map(record)
        for variation in varied:
            # Half precision suffices: its rounding error is far below that of the regression.
            yield probes.class_shares(labels, variation, classes=len(scenes.classes)).astype(np.float16)

    parts = functools.partial(variation_parts, weights=weights, layer=layer)
    train, test = PartContents(RGB_SIDE_PX, shares, scenes.classes), PartContents(RGB_SIDE_PX)
    return (
        parts(scenes.train, copies=copies, folder=folder / "train", contents=train),
        parts(scenes.test, copies=1, folder=folder / "test", contents=test),
    )


def fit_scenes(rows: SceneRows, *, path: Path) -> SceneFit:
    """Fit a segmentation probe in passes over parts; beside ``path`` growing sums are saved."""
    means = probes.mean_shares(shares for _, shares, _ in rows)

    def targets(number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        features, shares, folds = rows.rows(number)
        return features, probes.class_targets(shares, means=means), folds

    growing = path.with_name(f"{path.stem}_sums.npz")
    sums = sum_rows(growing, rows.settings, targets, count=len(rows.parts), k=FOLDS)
    return SceneFit(*probes.fit_grid_sums(sums, side=SIDE), sums)


def fit_scene_mixing(rows: SceneRows, models: Iterable[Ridge]) -> Ridge:
    """Fit the matrix M to responses to the rows of each fold by a model of its own."""
    classes = rows.rows(0)[1].shape[-1]
    sums = empty_fold_sums(classes, classes, k=FOLDS)
    for fold, model in enumerate(models):
        for features, shares, folds in rows:
            own = folds == fold
            if own.any():
                found = probes.class_responses(model, features[own])
                sums = sums.add(*probes.mixing_rows(found, shares[own], folds=folds[own]))
    return probes.fit_mixing_sums(sums)


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
        return float(self.penalties[argmin_error(self.held_out_error)])


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
            results[name] = SegmentationResult(**stage(path, key, compute))
    return results


def _segment(
    scenes: Scenes, rows: SceneRows, test: CachedParts, shown: Sequence[int], path: Path
) -> dict[str, np.ndarray]:
    """Fit to training rows, and score; return the fields of `SegmentationResult`."""
    fit = fit_scenes(rows, path=path)
    features = np.concatenate([features_of(rows.kind, arrays) for arrays in test])
    responses = {"none": probes.class_responses(fit.probe, features)}
    penalty = fit.curve.best()
    for name, models in {
        "same": [fit.probe] * FOLDS,
        "held_out": (fit.sums.without(fold, penalty) for fold in range(FOLDS)),
    }.items():
        responses[name] = probes.apply_mixing(responses["none"], fit_scene_mixing(rows, models))
    return {
        "confusions": _confusions(scenes, [responses[name] for name in MIXINGS]),
        "penalties": fit.curve.penalties,
        "held_out_error": fit.curve.errors.mean(axis=1),
        "responses": responses["none"][list(shown)],
        "mixed": responses["same"][list(shown)],
    }


def _confusions(
    scenes: Scenes, responses: Sequence[Float[np.ndarray, "test side side classes"]]
) -> Int[np.ndarray, "mixings test classes classes"]:
    size = len(scenes.classes)
    confusions = np.zeros((len(responses), len(scenes.test), size, size), np.int64)
    for number, record in enumerate(progress(scenes.test, description="scoring")):
        truth = scenes.class_map(record)
        for counts, response in zip(confusions, responses, strict=True):
            labels = probes.predict_label_map(response[number], record.size)
            counts[number] = metrics.confusion_counts(truth, labels, classes=size)
    return confusions


def training_folds(images: int) -> Int[np.ndarray, " images"]:
    """Return each training image's fold, 0 to 3; where there are fewer than four runs, runs are shorter."""
    return grouped_folds(np.arange(images) // min(RUN_LENGTH, max(1, images // FOLDS)), k=FOLDS)


def example_scenes(scenes: Scenes, *, shown: int) -> tuple[int, ...]:
    """Return the numbers of at most ``shown`` test images, evenly spread."""
    return tuple(evenly_spread(len(scenes.test), shown).tolist())


def film_runs(ids: Iterable[str]) -> Int[np.ndarray, "images 1"] | None:
    """Return the run of `RUN_LENGTH` frames of CamVid that each image belongs to; None of other images."""
    films = [_FRAME.fullmatch(name) for name in ids]
    if not all(films):
        return None
    places: Counter[str] = Counter()
    runs = []
    for film in (match[1] for match in films if match):
        runs.append((film, places[film] // RUN_LENGTH))
        places[film] += 1
    return metrics.group_numbers(runs)[:, None]


def score_table(
    results: Mapping[str, SegmentationResult], scenes: Scenes
) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the scores of every result, with each of `MIXINGS`, as ``result.json`` holds them.

    The 95 % bootstrap ``interval`` is that of the mean IoU over test images, or over the `film_runs` of frames;
    scores that a class lacks are absent.
    """
    runs = film_runs(record.source_id for record in scenes.test)
    return {
        name: {
            mixing: _plain_scores(counts, runs, scenes.classes)
            for mixing, counts in zip(MIXINGS, result.confusions, strict=True)
        }
        for name, result in results.items()
    }


def _plain_scores(counts: np.ndarray, runs: np.ndarray | None, classes: Sequence[str]) -> dict[str, Any]:
    scores = metrics.segmentation_scores(counts.sum(axis=0))
    draws = metrics.bootstrap(metrics.iou_sums(counts)._replace(clusters=runs))

    def of_classes(values: Float[np.ndarray, " classes"]) -> dict[str, float]:
        named = zip(classes, values.tolist(), strict=True)
        return {name: value for name, value in named if not np.isnan(value)}

    return {
        "mean_iou": scores.mean_iou,
        "accuracy": scores.accuracy,
        "mean_class_accuracy": scores.mean_class_accuracy,
        "iou": of_classes(scores.iou),
        "class_accuracy": of_classes(scores.class_accuracy),
        "interval": list(metrics.interval(draws[:, 0])),
    }


def examples_figure(scenes: Scenes, shown: Sequence[int], result: SegmentationResult) -> Image:
    """Draw Figure 5: images, their true and predicted label maps, and the responses to every class."""
    examples = []
    for number, responses, mixed in zip(shown, result.responses, result.mixed, strict=True):
        record = scenes.test[number]
        labels = probes.predict_label_map(mixed, record.size)
        larger = probes.resize_responses(responses, record.size)
        examples.append(Segmented(load_image(record), scenes.class_map(record), labels, larger))
    return pixels(segmentation_figure(examples, scenes.classes))
