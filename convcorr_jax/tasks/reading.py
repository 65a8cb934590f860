"""Reading the records of any source by one name: rendered, installed with other packages, or on disk."""

import functools
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np

from convcorr_jax import coords, synthetic
from convcorr_jax.datasets import opening, photographs
from convcorr_jax.datasets.records import Record
from convcorr_jax.errors import InputError

RENDERED = "rendered"
"""Records of articulated figures, rendered when they are read."""
PHOTOGRAPHS = "photographs"
"""The photographs that scikit-image, scikit-learn and matplotlib install, without annotations."""
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
        InputError: the source does not exist, or its files are damaged; or it has no record of a category.
    """
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


@functools.lru_cache(maxsize=_CACHED)
def _rendered(category: str, index: int) -> Record:
    record = synthetic.render(category, seed=0, index=index)
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
