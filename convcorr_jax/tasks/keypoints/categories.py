"""The categories whose keypoints are classified and predicted, and who trains for whom.

A data set is given by name or path. ``faces`` are the folders lfpw68 and helen68 together; of faces with the
68 points of 300-W, fifteen named ones are taken. ``rendered`` is drawn on the spot.
"""

import dataclasses
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from convcorr_jax import coords, synthetic
from convcorr_jax.datasets import opening
from convcorr_jax.datasets.official import three_hundred_w
from convcorr_jax.datasets.records import Record
from convcorr_jax.errors import InputError

RENDERED = "rendered"
COLLECTIONS = MappingProxyType({"faces": ("lfpw68", "helen68")})
"""Names that stand for several folders."""

FACE_POINTS = MappingProxyType(
    {
        "l_brow_outer": 17,
        "l_brow_inner": 21,
        "r_brow_inner": 22,
        "r_brow_outer": 26,
        "l_eye_outer": 36,
        "l_eye_inner": 39,
        "r_eye_inner": 42,
        "r_eye_outer": 45,
        "nose_tip": 30,
        "l_nostril": 31,
        "r_nostril": 35,
        "l_mouth_corner": 48,
        "r_mouth_corner": 54,
        "lower_lip": 57,
        "chin": 8,
    }
)
"""The points that are taken of the 68; left is the viewer's."""


@dataclass(frozen=True, eq=False)
class Category:
    """The annotated objects of one category.

    Attributes:
        name: of the category.
        names: of its keypoints.
        records: its objects.
        points: keypoints (x, y) in pixels of the records' images; NaN where absent.
        visible: which keypoints can be seen; only these are used.
        folds: the fold whose turn it is to be tested while all others train; -1 for what only trains. The
            official split has the one fold 0; without one, every object is a fold.
    """

    name: str
    names: tuple[str, ...]
    records: tuple[Record, ...]
    points: Float[np.ndarray, "records n 2"]
    visible: Bool[np.ndarray, "records n"]
    folds: Int[np.ndarray, " records"]

    @property
    def tested_folds(self) -> tuple[int, ...]:
        """The folds that have their turn."""
        return tuple(np.unique(self.folds[self.folds >= 0]).tolist())

    @property
    def fingerprint(self) -> dict[str, Any]:
        """What tells this annotation from any other, for settings of what is kept of it."""
        annotation = (self.points, self.visible, self.folds, np.array(self.boxes))
        records = json.dumps([one.source_id for one in self.records])
        return {
            "records": zlib.crc32(records.encode()),
            "annotation": [zlib.crc32(np.ascontiguousarray(part).tobytes()) for part in annotation],
        }

    @property
    def boxes(self) -> tuple[coords.Box, ...]:
        """Of every record; the whole image where it has none."""
        return tuple(one.box or coords.whole_image(one.size) for one in self.records)


def read_categories(
    dataset: str,
    data_root: Path | None = None,
    *,
    rendered_train: int = 100,
    rendered_test: int = 25,
) -> tuple[Category, ...]:
    """The categories of a data set, in the order in which it has them.

    Raises:
        InputError: as `opening.read_records`; or a category has no keypoints, fewer than two objects, keypoints
            of different names, or a training split without a test split.
    """
    if dataset == RENDERED:
        records = synthetic.every_category(train=rendered_train, test=rendered_test)
    else:
        folders = COLLECTIONS.get(dataset, (dataset,))
        records = [one for name in folders for one in opening.read_records(name, data_root)]
    records = [_named(one) for one in records]
    return tuple(
        _category(name, [one for one in records if one.category == name])
        for name in dict.fromkeys(one.category for one in records)
    )


def _named(record: Record) -> Record:
    """The record with the fifteen points, if it is a face with the 68."""
    if record.names != three_hundred_w.MARKUP.names:
        return record
    chosen = list(FACE_POINTS.values())
    return dataclasses.replace(
        record,
        names=tuple(FACE_POINTS),
        points=record.points[chosen],
        visible=record.visible[chosen],
        left_right_pairs=tuple(
            (i, list(FACE_POINTS).index(f"r_{name[2:]}"))
            for i, name in enumerate(FACE_POINTS)
            if name.startswith("l_")
        ),
        part_sets={},
    )


def _category(name: str, records: Sequence[Record]) -> Category:
    names = records[0].names
    if len(records) < 2:
        raise InputError(f"category {name!r} has one object; at least two are expected")
    if not names or any(one.names != names for one in records):
        raise InputError(f"the objects of category {name!r} do not share named keypoints")
    return Category(
        name,
        names,
        tuple(records),
        np.stack([one.points for one in records]),
        np.stack([one.visible for one in records]),
        _folds(name, [one.split for one in records]),
    )


def _folds(name: str, splits: Sequence[str]) -> Int[np.ndarray, " records"]:
    if "train" not in splits:
        return np.arange(len(splits))
    tested = "test" if "test" in splits else "val"
    if tested not in splits:
        raise InputError(f"category {name!r} has a training split, but neither 'test' nor 'val'")
    used = {"train": -1, tested: 0}
    unknown = sorted(set(splits) - {"train", "test", "val"})
    if unknown:
        raise InputError(f"category {name!r} has splits {unknown} beside 'train' and {tested!r}")
    # A validation split beside a test split trains.
    return np.array([used.get(one, -1) for one in splits])
