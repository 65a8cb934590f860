"""Whole images whose pixels are labelled with classes, divided into training and test images.

In the rendered data set a class is the category of the figure, not the part of it.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from convcorr_jax import synthetic
from convcorr_jax.datasets.records import IGNORED_LABEL, Record, load_label_map
from convcorr_jax.datasets.selection import Selection
from convcorr_jax.errors import InputError
from convcorr_jax.tasks.reading import select
from convcorr_jax.tasks.splits import choose_splits


@dataclass(frozen=True, eq=False)
class Scenes:
    """Labelled images in two splits.

    Attributes:
        classes: names of the classes that occur, with the background if it occurs.
        labels: label of each class in the records' label maps.
        train: training records.
        test: test records.
    """

    classes: tuple[str, ...]
    labels: tuple[int, ...]
    train: Selection
    test: Selection

    def class_map(self, record: Record) -> UInt8[np.ndarray, "height width"]:
        """Return the number of the class of every pixel; 255 where it has none.

        Args:
            record: one of the records.

        Raises:
            InputError: the label map is missing, cannot be read, or does not match the record.
        """
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
    """Read the labelled images of a data set.

    Args:
        dataset: ``rendered``, or the name or path of a folder.
        data_root: the folder of data sets; by default $CONVCORR_DATA, or else the user's data folder.
        rendered_train: number of training images of each rendered category.
        rendered_test: number of test images of each rendered category.
        split: the split to test; by default as `choose_splits` has it.

    Raises:
        InputError: the data set cannot be read, an image has no label map, the images have different lists of
            classes, or there are no training or no test images.
    """
    records = select(
        dataset,
        data_root=data_root,
        train=rendered_train,
        test=rendered_test,
        change=_labelled_by_category,
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
