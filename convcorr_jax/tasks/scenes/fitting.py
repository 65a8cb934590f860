"""Labelled images, and segmentation probes that are fitted to them part by part.

In the rendered data set a class is the category of the figure, not the part of it.

Three passes over the cached parts compute the mean shares, the sums of the rows, and the responses to the rows,
to which the matrix M is fitted. Memory is that of one part, of the sums and of two probes.
"""

import dataclasses
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8

from convcorr_jax import synthetic
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets import IGNORED_LABEL, Record, Selection, load_label_map
from convcorr_jax.errors import InputError
from convcorr_jax.linear.ridge import FoldSums, PenaltyCurve, Ridge, no_rows
from convcorr_jax.probes import (
    Variation,
    class_responses,
    class_shares,
    class_targets,
    fit_grid_sums,
    fit_mixing_sums,
    mean_shares,
    mixing_rows,
    rgb_targets,
)
from convcorr_jax.probes.segmentation import SIDE
from convcorr_jax.runtime.stages import CachedParts
from convcorr_jax.tasks.reading import choose_splits, select
from convcorr_jax.tasks.variation_features import PartContents, sum_rows, variation_parts


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
    occurs = np.zeros(256, bool)
    names = None
    for record in records:
        if names not in (None, record.label_names):
            raise InputError(f"the images of {dataset} do not share one list of classes")
        names = record.label_names
        occurs[np.unique(_label_map(record))] = True
    if names is None:
        raise InputError(f"the images of {dataset} do not share one list of classes")
    occurs[IGNORED_LABEL] = False
    return ("background", *names), tuple(np.flatnonzero(occurs).tolist())


def _label_map(record: Record) -> UInt8[np.ndarray, "height width"]:
    labels = load_label_map(record)
    if labels is None:
        raise InputError(f"record {record.source_id!r} has no label map")
    return labels


def _labelled_by_category(record: Record) -> Record:
    """Return a rendered record whose only label is its category's."""
    number = 1 + list(synthetic.CATEGORIES).index(record.category)
    return dataclasses.replace(
        record,
        label_map=np.where(_label_map(record) > 0, number, 0).astype(np.uint8),
        label_names=tuple(synthetic.CATEGORIES),
    )


FOLDS = 4
"""Number of folds that choose penalties; the paper's."""
CONVNET, RGB = FEATURES = ("convnet", "rgb")
"""The kinds of features: a layer of the network, and the colours of the image."""
RGB_SIDE_PX = 32
"""Side of the square whose colours are features."""


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
    return rgb_targets(arrays["squares"], side_px=RGB_SIDE_PX)


def scene_parts(
    scenes: Scenes, weights: Weights, *, layer: str, copies: int, folder: Path
) -> tuple[CachedParts, CachedParts]:
    """Return the cached parts of all variations of the training images, and of the test images."""

    def shares(record: Record, varied: Sequence[Variation]) -> Iterator[np.ndarray]:
        labels = scenes.class_map(record)
        for variation in varied:
            # Half precision suffices: its rounding error is far below that of the regression.
            yield class_shares(labels, variation, classes=len(scenes.classes)).astype(np.float16)

    parts = partial(variation_parts, weights=weights, layer=layer)
    train, test = PartContents(RGB_SIDE_PX, shares, scenes.classes), PartContents(RGB_SIDE_PX)
    return (
        parts(scenes.train, copies=copies, folder=folder / "train", contents=train),
        parts(scenes.test, copies=1, folder=folder / "test", contents=test),
    )


def fit_scenes(rows: SceneRows, *, path: Path) -> SceneFit:
    """Fit a segmentation probe in passes over parts; beside ``path`` growing sums are saved."""
    means = mean_shares(shares for _, shares, _ in rows)

    def targets(number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        features, shares, folds = rows.rows(number)
        return features, class_targets(shares, means=means), folds

    growing = path.with_name(f"{path.stem}_sums.npz")
    sums = sum_rows(growing, rows.settings, targets, count=len(rows.parts), k=FOLDS)
    return SceneFit(*fit_grid_sums(sums, side=SIDE), sums)


def fit_scene_mixing(rows: SceneRows, models: Iterable[Ridge]) -> Ridge:
    """Fit the matrix M to responses to the rows of each fold by a model of its own."""
    classes = rows.rows(0)[1].shape[-1]
    sums = no_rows(classes, classes, k=FOLDS)
    for fold, model in enumerate(models):
        for features, shares, folds in rows:
            own = folds == fold
            if own.any():
                found = class_responses(model, features[own])
                sums = sums.add(*mixing_rows(found, shares[own], folds=folds[own]))
    return fit_mixing_sums(sums)
