"""Annotated categories with their train and test folds.

Faces with the 68 points of 300-W are reduced to fifteen named points.
"""

import dataclasses
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from jaxtyping import Bool, Float, Int

from convcorr_jax import coords
from convcorr_jax.datasets import Record, box_of, fingerprint
from convcorr_jax.datasets.official import ibug
from convcorr_jax.errors import InputError
from convcorr_jax.tasks.reading import CategoryData, choose_splits

FACE_POINTS = MappingProxyType(
    {
        **{"l_brow_outer": 17, "l_brow_inner": 21, "r_brow_inner": 22, "r_brow_outer": 26},
        **{"l_eye_outer": 36, "l_eye_inner": 39, "r_eye_inner": 42, "r_eye_outer": 45},
        **{"nose_tip": 30, "l_nostril": 31, "r_nostril": 35},
        **{"l_mouth_corner": 48, "r_mouth_corner": 54, "lower_lip": 57, "chin": 8},
    }
)
"""The fifteen points that are taken of the 68, by name, as indices from 0; left is the viewer's left."""


@dataclass(frozen=True, eq=False)
class Category:
    """The annotated objects of one category.

    Keypoints (x, y) are in pixels of the records' images, NaN where absent; only visible ones train and are
    scored. ``folds`` has the fold in which an object is tested while all others train; -1 for objects that only
    train. An official split has the one fold 0. Without a split, every object is a fold of its own.
    """

    name: str
    names: tuple[str, ...]
    records: tuple[Record, ...]
    points: Float[np.ndarray, "records n 2"]
    visible: Bool[np.ndarray, "records n"]
    folds: Int[np.ndarray, " records"]

    @property
    def tested_folds(self) -> tuple[int, ...]:
        """The folds that are tested, in rising order."""
        return tuple(np.unique(self.folds[self.folds >= 0]).tolist())

    @property
    def tested(self) -> Int[np.ndarray, " tested"]:
        """Numbers of the objects that are tested, in rising order."""
        return np.flatnonzero(self.folds >= 0)

    @property
    def tested_split(self) -> str:
        """The split of the objects that are tested; "all" if each is tested by a model of the others."""
        return "all" if len(self.tested_folds) > 1 else self.records[self.tested[0]].split

    @functools.cached_property
    def fingerprint(self) -> str:
        """Fingerprint of the records, for cache keys."""
        return fingerprint(self.records)

    @property
    def boxes(self) -> tuple[coords.Box, ...]:
        """The box of every record in pixels of its image; a record without one is refused."""
        return tuple(map(box_of, self.records))


def read_categories(data: CategoryData) -> tuple[Category, ...]:
    """Read the categories of a data set, in its order."""
    found = data.read()
    records = [with_face_points(record) for record in found]
    return tuple(
        _category(name, [record for record in records if record.category == name], data.split)
        for name in dict.fromkeys(record.category for record in records)
    )


def with_face_points(record: Record) -> Record:
    """Reduce the 68 points of a 300-W face to the fifteen of `FACE_POINTS`; return other records unchanged."""
    if record.names != ibug.MARKUP.names:
        return record
    names, chosen = tuple(FACE_POINTS), list(FACE_POINTS.values())
    pairs = tuple((i, names.index(f"r_{name[2:]}")) for i, name in enumerate(names) if name.startswith("l_"))
    return dataclasses.replace(
        record,
        names=names,
        points=record.points[chosen],
        visible=record.visible[chosen],
        left_right_pairs=pairs,
        part_sets={},
    )


def _category(name: str, records: Sequence[Record], tested: str | None) -> Category:
    names = records[0].names
    if len(records) < 2:
        raise InputError(f"category {name!r} has one object; at least two are expected")
    if not names or any(record.names != names for record in records):
        raise InputError(f"the objects of category {name!r} do not share named keypoints")
    chosen, folds = _of_splits(name, records, tested)
    points = np.stack([record.points for record in chosen])
    visible = np.stack([record.visible for record in chosen])
    return Category(name, names, tuple(chosen), points, visible, folds)


def _of_splits(
    name: str, records: Sequence[Record], tested: str | None
) -> tuple[Sequence[Record], Int[np.ndarray, " records"]]:
    """Return the records that train or are tested, and their folds."""
    present = [record.split for record in records]
    if tested is None and "train" not in present:
        return records, np.arange(len(records))
    splits = choose_splits(present, tested=tested, source=f"category {name!r}")
    chosen = [record for record in records if record.split in (*splits.training, splits.tested)]
    return chosen, np.array([0 if record.split == splits.tested else -1 for record in chosen])
