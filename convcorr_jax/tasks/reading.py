"""Reading the records of any source by one name: rendered, installed with other packages, or on disk."""

import functools
import operator
from collections.abc import Callable, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import SupportsIndex, overload

import numpy as np

from convcorr_jax import coords, synthetic
from convcorr_jax.datasets import opening, photographs
from convcorr_jax.datasets.records import Record
from convcorr_jax.datasets.selection import GeneratedRecords, Selection
from convcorr_jax.errors import InputError

RENDERED = "rendered"
"""Records of articulated figures, rendered when they are read."""
PHOTOGRAPHS = "photographs"
"""The photographs that scikit-image, scikit-learn and matplotlib install, without annotations."""
RENDERED_PX = 256
"""Height and width of a rendered image by default."""
# Rendered records that stay in memory for the next experiment, of about a quarter of a megabyte each.
_CACHED = 400
COLLECTIONS = MappingProxyType({"faces": ("lfpw68", "helen68")})
"""Names that stand for several data sets."""


def read(
    source: str | Path,
    *,
    data_root: Path | None = None,
    categories: Sequence[str] = (),
    train: int = 100,
    test: int = 25,
) -> Sequence[Record]:
    """Read all records of a source.

    Args:
        source: `RENDERED`, `PHOTOGRAPHS`, a name of `COLLECTIONS`, or the name or path of a data set's folder.
        data_root: the folder of data sets; by default $CONVCORR_DATA, or else the user's data folder.
        categories: names of the only categories to read; by default all.
        train: the number of training instances of every rendered category.
        test: the number of test instances of every rendered category.

    Returns:
        The records in a fixed order. Those of a prepared data set are read from disk whenever they are indexed.

    Raises:
        InputError: the source does not exist, or its files are damaged; it has no record of a category; or a
            category is named twice.
    """
    _check_distinct(categories)
    if source == RENDERED:
        return [
            _rendered(category, index)
            for category in categories or synthetic.CATEGORIES
            for split, count in (("train", train), ("test", test))
            for index in synthetic.indices(split, count=count)
        ]
    records = _read(source, data_root)
    if not categories:
        return records
    chosen = [record for record in records if record.category in categories]
    if missing := set(categories) - {record.category for record in chosen}:
        raise InputError(f"{source} has no records of {', '.join(sorted(missing))}")
    return chosen


def select(
    source: str | Path,
    *,
    data_root: Path | None = None,
    categories: Sequence[str] = (),
    train: int = 100,
    test: int = 25,
    side_px: int = RENDERED_PX,
    change: Callable[[Record], Record] | None = None,
) -> Selection:
    """Read the records of a source like `read`, but each only when it is indexed, so that memory holds none.

    Args:
        source: as for `read`.
        data_root: as for `read`.
        categories: as for `read`.
        train: the number of training instances of every rendered category.
        test: the number of test instances of every rendered category.
        side_px: height and width of rendered images.
        change: is applied to every rendered record. Its name is part of the records' fingerprint.

    Returns:
        The records in a fixed order.

    Raises:
        InputError: the source does not exist, or its files are damaged; it has no record of a category; or a
            category is named twice.
    """
    _check_distinct(categories)
    if source != RENDERED:
        return Selection.of(read(source, data_root=data_root, categories=categories))
    keys = [
        (category, index)
        for category in categories or synthetic.CATEGORIES
        for split, count in (("train", train), ("test", test))
        for index in synthetic.indices(split, count=count)
    ]
    return Selection.of(_RenderedRecords(keys, side_px, change))


def _check_distinct(categories: Sequence[str]) -> None:
    if len(set(categories)) < len(categories):
        raise InputError(f"categories names one twice: {', '.join(categories)}")


# Not Sequence[Record]: a run-time type checker would render a record to check its type.
class _RenderedRecords(GeneratedRecords):
    """Rendered records of categories and indices, each of which is rendered when it is indexed."""

    def __init__(
        self,
        keys: Sequence[tuple[str, int]],
        side_px: int,
        change: Callable[[Record], Record] | None,
    ) -> None:
        self._keys = keys
        self._side_px = side_px
        self._change = change

    def __len__(self) -> int:
        return len(self._keys)

    @overload
    def __getitem__(self, index: SupportsIndex) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> "_RenderedRecords": ...
    def __getitem__(self, index: "SupportsIndex | slice") -> "Record | _RenderedRecords":
        if isinstance(index, slice):
            return _RenderedRecords(self._keys[index], self._side_px, self._change)
        record = _rendered(*self._keys[operator.index(index)], self._side_px)
        return self._change(record) if self._change else record

    def split(self, position: int) -> str:
        return synthetic.split_of(self._keys[position][1])

    def identity(self, position: int) -> str:
        category, index = self._keys[position]
        change = f" {self._change.__name__}" if self._change else ""
        return f"{synthetic.GENERATOR_VERSION} {category} {index} {self._side_px}{change};"


@functools.lru_cache(maxsize=_CACHED)
def _rendered(category: str, index: int, side_px: int = RENDERED_PX) -> Record:
    record = synthetic.render(category, seed=0, index=index, size=(side_px, side_px))
    for value in vars(record).values():
        if isinstance(value, np.ndarray):
            value.flags.writeable = False
    return record


def _read(source: str | Path, data_root: Path | None) -> Sequence[Record]:
    if source == PHOTOGRAPHS:
        return [_unannotated(photograph) for photograph in photographs.photographs()]
    if source in COLLECTIONS:
        folders = COLLECTIONS[str(source)]
        return [
            record for name in folders for record in opening.read_records(name, data_root=data_root)
        ]
    return opening.read_records(source, data_root=data_root)


def _unannotated(photograph: photographs.Photograph) -> Record:
    """Return a photograph as a record without keypoints."""
    return Record(
        image=np.asarray(photograph.image),
        size=coords.Size(*photograph.image.shape[:2]),
        category=PHOTOGRAPHS,
        source_id=photograph.name,
        split=PHOTOGRAPHS,
    )
