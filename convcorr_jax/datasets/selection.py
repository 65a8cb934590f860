"""Some records of one or several sources, in any order, each of which is read when it is indexed."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import SupportsIndex, overload

import numpy as np
from jaxtyping import Int

from convcorr_jax.datasets.records import Record


# Not Sequence[Record]: a run-time type checker would compute a record to check its type.
class GeneratedRecords(Sequence):
    """Records that are computed when they are indexed, and whose splits and identities are known before."""

    @abstractmethod
    def split(self, position: int) -> str:
        """Return the split of a record.

        Args:
            position: its position.
        """

    @abstractmethod
    def identity(self, position: int) -> str:
        """Return what determines a record, such as its category, its seed and the version of its generator.

        Args:
            position: its position.
        """


class Selection(Sequence):
    """Some records of one or several sources; memory holds their positions, and no record.

    >>> Selection.of([]).splits()
    []
    """

    def __init__(
        self,
        sources: Sequence[Sequence],
        source: Int[np.ndarray, " n"],
        position: Int[np.ndarray, " n"],
    ) -> None:
        self._sources = tuple(sources)
        self._source = source
        self._position = position

    @classmethod
    def of(cls, *sources: Sequence) -> "Selection":
        """Return all records of some sources, one source after another.

        Args:
            *sources: sequences of records, which may be selections themselves.
        """
        parts = [
            records
            if isinstance(records, Selection)
            else cls((records,), np.zeros(len(records), int), np.arange(len(records)))
            for records in sources
        ]
        before = np.cumsum([0, *(len(part._sources) for part in parts)])
        return cls(
            [records for part in parts for records in part._sources],
            np.concatenate(
                [np.arange(0), *(part._source + n for part, n in zip(parts, before, strict=False))]
            ),
            np.concatenate([np.arange(0), *(part._position for part in parts)]),
        )

    def __len__(self) -> int:
        return len(self._position)

    @overload
    def __getitem__(self, index: SupportsIndex) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> "Selection": ...
    def __getitem__(self, index: SupportsIndex | slice) -> "Record | Selection":
        if isinstance(index, slice):
            return self.take(np.arange(len(self))[index])
        number = range(len(self))[index]
        return self._sources[self._source[number]][int(self._position[number])]

    def take(self, numbers: Int[np.ndarray, " chosen"]) -> "Selection":
        """Return the records with the given numbers, in that order.

        Args:
            numbers: numbers of records of this selection.
        """
        return Selection(self._sources, self._source[numbers], self._position[numbers])

    def splits(self) -> list[str]:
        """Return the split of every record; records that are not computed are read one by one."""
        return [
            records.split(position)
            if isinstance(records, GeneratedRecords)
            else records[position].split
            for records, position in self._entries()
        ]

    def identities(self) -> Iterator[str | Record]:
        """Yield what determines each record: the identity of a computed one, and any other one itself."""
        for records, position in self._entries():
            computed = isinstance(records, GeneratedRecords)
            yield records.identity(position) if computed else records[position]

    def _entries(self) -> Iterator[tuple[Sequence, int]]:
        for source, position in zip(self._source, self._position, strict=True):
            yield self._sources[source], int(position)
