"""Whole photographs whose pixels are labelled with classes, and which of them train.

A data set is given by name or path. ``rendered`` are the rendered categories: there a class is what the figure
shows, not the part of it.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from convcorr_jax import synthetic
from convcorr_jax.datasets import opening
from convcorr_jax.datasets.records import IGNORED_LABEL, Record, load_label_map
from convcorr_jax.errors import InputError
from convcorr_jax.tasks.keypoints.categories import RENDERED


@dataclass(frozen=True, eq=False)
class Scenes:
    """Labelled photographs in two splits.

    Attributes:
        classes: names of the classes that occur, the background among them where it does.
        labels: of each class, in the records' label maps.
        train: to learn from.
        test: to be scored.
    """

    classes: tuple[str, ...]
    labels: tuple[int, ...]
    train: tuple[Record, ...]
    test: tuple[Record, ...]

    def class_map(self, record: Record) -> UInt8[np.ndarray, "height width"]:
        """The number of the class of every pixel; 255 where it has none.

        Raises:
            InputError: as `load_label_map`.
        """
        numbers = np.full(256, IGNORED_LABEL, np.uint8)
        numbers[list(self.labels)] = np.arange(len(self.labels))
        return numbers[_label_map(record)]


def read_scenes(
    dataset: str,
    data_root: Path | None = None,
    *,
    rendered_train: int = 100,
    rendered_test: int = 25,
) -> Scenes:
    """The photographs of a data set; a split "val" is tested where there is no "test", and trains beside one.

    Args:
        dataset: ``rendered``, or the name or path of a folder.
        data_root: where names are looked up.
        rendered_train: photographs of each rendered category.
        rendered_test: likewise.

    Raises:
        InputError: as `opening.read_records`; or a photograph has no label map or another's labels mean
            something else, or there are none to train or to test.
    """
    if dataset == RENDERED:
        rendered = synthetic.every_category(train=rendered_train, test=rendered_test)
        records: Sequence[Record] = [_of_category(one) for one in rendered]
    else:
        records = opening.read_records(dataset, data_root)
    if not records or any(one.label_names != records[0].label_names for one in records):
        raise InputError(f"the photographs of {dataset} do not share one list of classes")
    splits = {one.split for one in records}
    tested = "test" if "test" in splits else "val"
    train = tuple(one for one in records if one.split in {"train", "val"} - {tested})
    test = tuple(one for one in records if one.split == tested)
    if not train or not test:
        raise InputError(
            f"{dataset} has the splits {sorted(splits)}; 'train', and 'test' or 'val', are expected"
        )
    labels = _labels_of((*train, *test))
    names = ("background", *records[0].label_names)
    return Scenes(tuple(names[label] for label in labels), labels, train, test)


def _labels_of(records: Sequence[Record]) -> tuple[int, ...]:
    occurs = np.zeros(256, bool)
    for one in records:
        occurs[np.unique(_label_map(one))] = True
    occurs[IGNORED_LABEL] = False
    return tuple(np.flatnonzero(occurs).tolist())


def _label_map(record: Record) -> UInt8[np.ndarray, "height width"]:
    found = load_label_map(record)
    if found is None:
        raise InputError(f"record {record.source_id!r} has no label map")
    return found


def _of_category(record: Record) -> Record:
    """A rendered record whose only label is its category's."""
    number = 1 + list(synthetic.CATEGORIES).index(record.category)
    return dataclasses.replace(
        record,
        label_map=np.where(_label_map(record) > 0, number, 0).astype(np.uint8),
        label_names=tuple(synthetic.CATEGORIES),
    )
