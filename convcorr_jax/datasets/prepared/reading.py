"""Reading a prepared data set back: its records one by one, in any order, images still encoded."""

from collections.abc import Sequence
from pathlib import Path
from typing import SupportsIndex, overload

import tensorflow_datasets as tfds
from tensorflow_datasets.core.data_sources.array_record import ArrayRecordDataSource

from convcorr_jax.datasets.prepared import features, metadata, writing
from convcorr_jax.datasets.records import Record
from convcorr_jax.errors import InputError


# Not Sequence[Record], of which a run-time type checker would read an element to look at it.
class PreparedRecords(Sequence):
    """The records of a prepared folder; each is read when it is asked for, from any thread."""

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
        """A record, or a list of them.

        Raises:
            InputError: the file that holds it is missing or damaged.
        """
        positions = range(len(self))[index]
        if isinstance(positions, range):
            return [self._read(position) for position in positions]
        return self._read(positions)

    def _read(self, position: int) -> Record:
        try:
            return features.from_example(self._source[position])
        except metadata.DAMAGE as error:
            raise InputError(f"{self._folder}: record {position} is damaged: {error}") from error


def read(folder: Path, split: str | None = None) -> PreparedRecords:
    """The records that `writing.prepare` wrote to a folder, in its order.

    Args:
        folder: The prepared folder.
        split: One split, or what TFDS makes of splits, such as ``"train[:80%]"`` or ``"train+val"``. By
            default all of them, one after another.

    Raises:
        InputError: the folder holds nothing prepared, something damaged, or not this split.
    """
    if not writing.is_prepared(folder):
        raise InputError(
            f"{folder} holds no prepared data set; dataset_info.json is expected there"
        )
    info = metadata.read(folder)
    splits = list(info.splits)
    try:
        source = ArrayRecordDataSource(
            info,
            split=tfds.Split("+".join(splits) if split is None else split),
            decoders={"image": tfds.decode.SkipDecoding()},
        )
    except metadata.DAMAGE as error:
        raise InputError(
            f"{folder} has no split {split!r}; {', '.join(splits)} are there"
        ) from error
    return PreparedRecords(folder, source)
