"""Reading of a prepared data set: its records one by one, in any order, with their images still encoded."""

from collections.abc import Sequence
from pathlib import Path
from typing import SupportsIndex, overload

import tensorflow_datasets as tfds
from tensorflow_datasets.core.data_sources.array_record import ArrayRecordDataSource

from convcorr_jax.datasets.prepared import features, writing
from convcorr_jax.datasets.records import Record
from convcorr_jax.errors import InputError


# Not Sequence[Record]: a run-time type checker would read a record to check its type.
class PreparedRecords(Sequence):
    """The records of a prepared folder; each is read from disk when it is indexed, in any thread."""

    def __init__(self, folder: Path, source: Sequence) -> None:
        self._folder = folder
        self._source = source

    def __len__(self) -> int:
        return len(self._source)

    @overload
    def __getitem__(self, index: SupportsIndex) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> Record | list[Record]:
        positions = range(len(self))[index]
        if isinstance(positions, range):
            return [self._read(position) for position in positions]
        return self._read(positions)

    def _read(self, position: int) -> Record:
        try:
            return features.from_example(self._source[position])
        except writing.DAMAGE as error:
            raise InputError(f"{self._folder}: record {position} is damaged: {error}") from error


def read(folder: Path, *, split: str | None = None) -> PreparedRecords:
    """Open a folder that `prepare` wrote; its records keep their order.

    ``split`` is one split, or an expression of TFDS such as ``"train[:80%]"`` or ``"train+val"``; by default
    all splits, one after another.
    """
    if not writing.is_prepared(folder):
        raise InputError(f"{folder} holds no prepared data set; a folder with dataset_info.json is expected")
    info = writing.read_metadata(folder)
    splits = list(info.splits)
    try:
        source = ArrayRecordDataSource(
            info,
            split=tfds.Split("+".join(splits) if split is None else split),
            decoders={"image": tfds.decode.SkipDecoding()},
        )
    except writing.DAMAGE as error:
        raise InputError(f"{folder} has no split {split!r}; its splits are {', '.join(splits)}") from error
    return PreparedRecords(folder, source)
