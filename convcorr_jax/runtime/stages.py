"""Cached stages of a script: the arrays of each in an ``.npz`` file, with the settings that they depend on.

`stage` caches one result, `CachedParts` the arrays of many items in parts that need not fit into memory
together, and `accumulate` the sums of a long pass, so that a killed run continues from the last saved sums.
`RowFiles` are for rows that are mapped from disk, chunk by chunk, instead of being read.
"""

import contextlib
import json
import math
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeVar, runtime_checkable

import numpy as np

from convcorr_jax import io
from convcorr_jax.errors import InputError

# The array of a file that holds the settings as JSON text.
_SETTINGS = "settings"
# The array of a file of sums that holds the number of blocks summed up.
_DONE = "blocks_done"
SAVED_EVERY_S = 60.0
"""Seconds after which `accumulate` saves sums by default."""
_BYTES_AT_ONCE = 2**24
# The types of a manifest's entries besides its facts.
_MANIFEST = {
    "settings": dict[str, Any],
    "lengths": dict[str, int],
    "counts": dict[str, int],
    "chunks": tuple[dict[str, Any], ...],
}


@runtime_checkable
class Sums(Protocol):
    """What `accumulate` saves."""

    def arrays(self) -> Mapping[str, np.ndarray]:
        """Return the arrays by name that determine the sums, bit for bit."""
        ...

    def restored(self: "State", arrays: Mapping[str, np.ndarray]) -> "State":
        """Return sums of the same kind from the arrays of others."""
        ...


State = TypeVar("State", bound=Sums)


def stage(
    path: Path,
    settings: Mapping[str, Any],
    compute: Callable[[], Mapping[str, np.ndarray | np.generic]],
    *,
    compressed: bool = True,
) -> dict[str, np.ndarray]:
    """Compute arrays by name and cache them in an ``.npz`` file, or return them from it if the settings agree.

    The settings are everything that decides the arrays, as JSON stores it; none of the arrays may have that
    name. A damaged file is an `InputError`, one that cannot be written a `WriteError`.
    """
    found = cached(path, settings)
    if found is not None:
        return found
    computed = {name: np.asarray(value) for name, value in compute().items()}
    arrays = {**computed, _SETTINGS: np.array(_text(settings))}
    if compressed:
        io.write_arrays(path, **arrays)
    else:
        io.write_arrays_uncompressed(path, arrays)
    return computed


def cached(path: Path, settings: Mapping[str, Any]) -> dict[str, np.ndarray] | None:
    """Return the arrays of a `stage` from the cache, or None if they are not cached with these settings."""
    if not path.is_file():
        return None
    try:
        arrays = io.load_arrays(path)
    except InputError as error:
        raise InputError(f"{error}; remove it to compute it again") from error
    return arrays if str(arrays.pop(_SETTINGS, "")) == _text(settings) else None


@dataclass(frozen=True, eq=False)
class CachedParts:
    """Arrays of many items in cached parts, each of which is computed or read whenever it is indexed.

    A part is a `stage` in the file ``<name>_<first item>.npz``, so that a killed run loses at most one part.
    Memory holds the parts that the caller keeps.

    Attributes:
        settings: Everything that decides the arrays, such as fingerprints of the records and of the weights.
        compute: Returns the arrays of a range of items by name, for parts that are not cached.
        count: The number of items; with none, there is one part of an empty range.
        part: The number of items of a part.
        compressed: Whether the files are compressed, which takes a minute a gigabyte.
    """

    folder: Path
    name: str
    settings: Mapping[str, Any]
    compute: Callable[[range], Mapping[str, np.ndarray]]
    count: int
    part: int
    compressed: bool = True

    def __len__(self) -> int:
        return max(1, -(-self.count // self.part))

    def items(self, number: int) -> range:
        """Return the items of a part."""
        return range(number * self.part, min((number + 1) * self.part, self.count))

    def __getitem__(self, number: int) -> dict[str, np.ndarray]:
        """Compute or read the arrays of a part by name."""
        if not 0 <= number < len(self):
            raise IndexError(number)
        items = self.items(number)
        return stage(
            self.folder / f"{self.name}_{items.start:05d}.npz",
            {**self.settings, "count": self.count, "part": self.part},
            lambda: self.compute(items),
            compressed=self.compressed,
        )

    def __iter__(self) -> Iterator[dict[str, np.ndarray]]:
        return (self[number] for number in range(len(self)))


def cached_in_parts(
    folder: Path,
    name: str,
    settings: Mapping[str, Any],
    compute: Callable[[range], Mapping[str, np.ndarray]],
    *,
    count: int,
    part: int,
) -> dict[str, np.ndarray]:
    """Compute arrays of many rows in `CachedParts`, in order, and join the parts along the first axis."""
    parts = list(CachedParts(folder, name, settings, compute, count, part))
    return {field: np.concatenate([arrays[field] for arrays in parts]) for field in parts[0]}


def accumulate(
    path: Path,
    settings: Mapping[str, Any],
    step: Callable[[State, int], State],
    *,
    start: State,
    stops: Sequence[int],
    every_s: float | None = None,
) -> Iterator[tuple[int, State]]:
    """Sum up blocks one after another, and yield the sums at some of them; continue from the last saved sums.

    A run that was killed yields the same sums, bit for bit, as one that was not. What is computed from the sums
    of a stop should be cached before the next one is asked for (`stage`), and the stop left out of later calls:
    saved sums are used unless they contain more blocks than the first stop. The file is removed after the last
    stop.

    Args:
        path: the ``.npz`` file of the sums, written without compression.
        settings: everything else that decides the sums, as JSON stores it; sums of other settings are not used.
        step: adds the block of a number, from 0, to sums; it may destroy them.
        start: the sums of no blocks.
        stops: numbers of blocks, rising, after which the sums are yielded, for use before the next step only.
        every_s: seconds after which sums are saved, besides at every stop; by default `SAVED_EVERY_S`.

    Raises:
        InputError: the stops do not rise from 1 or more, the file is damaged, or its path is wrong.
    """
    if any(after <= before for before, after in zip([0, *stops], stops, strict=False)):
        raise InputError(f"stops is {tuple(stops)}; rising numbers of at least 1 are expected")
    if not stops:
        return
    every_s = SAVED_EVERY_S if every_s is None else every_s
    done, sums, saved = 0, start, time.monotonic()
    found = cached(path, settings)
    if found is not None and found[_DONE] <= stops[0]:
        done = int(found.pop(_DONE))
        sums = start.restored(found)
    for stop in stops:
        while done < stop:
            sums = step(sums, done)
            done += 1
            if done == stop or time.monotonic() - saved >= every_s:
                facts = {_DONE: np.array(done), _SETTINGS: np.array(_text(settings))}
                io.write_arrays_uncompressed(path, {**sums.arrays(), **facts})
                saved = time.monotonic()
        yield stop, sums
    path.unlink(missing_ok=True)


@dataclass(frozen=True, eq=False)
class RowFiles:
    """Rows in half precision that are written in chunks and mapped from disk.

    Each name has a file ``<name>.float16`` beside the manifest: row after row, little-endian, without a header.
    A chunk is written before it is entered in the manifest. A run that was killed continues after the last
    chunk of the manifest, and `mapped` compares every byte with the checksums.

    Attributes:
        path: The manifest, a ``.json`` file with the attributes below but the last.
        settings: Everything that decides the rows.
        lengths: The number of values of a row by name, once there is a chunk.
        counts: The number of rows by name, once all are written.
        chunks: The number of rows and the checksum of each chunk, by name.
        facts: Further entries of the manifest.
        remedy: What to do about damage, for messages.
    """

    path: Path
    settings: Mapping[str, Any]
    lengths: dict[str, int]
    counts: Mapping[str, int]
    chunks: list[dict[str, list[int]]]
    facts: dict[str, Any]
    remedy: str

    @classmethod
    def begin(
        cls, path: Path, settings: Mapping[str, Any], *, counts: Mapping[str, int], remedy: str, **facts: Any
    ) -> "RowFiles":
        """Write files without rows, in place of those that are there."""
        files = cls(path, settings, {}, counts, [], facts, remedy)
        for name in counts:
            with io.written_whole(files._file(name)) as temporary:
                temporary.write_bytes(b"")
        files._write_manifest()
        return files

    @classmethod
    def read(cls, path: Path, *, kind: str, remedy: str) -> "RowFiles":
        """Read a manifest, which messages call ``kind``; refuse one that is missing or damaged."""
        try:
            with io.json_file(path, kind) as content:
                entries = {name: content.pop(name) for name in _MANIFEST}
                io.check_fields(entries, _MANIFEST, name="it")
                files = cls(path, **entries, facts=content, remedy=remedy)
                for name, count in files.counts.items():
                    if not files.rows(name) <= count or (files.chunks and files.lengths[name] <= 0):
                        raise ValueError(f"{files.rows(name)} of {count} rows of {name}")
        except InputError as error:
            raise InputError(f"{error}; {remedy}") from error
        return files

    def rows(self, name: str) -> int:
        """Return the number of rows that are written."""
        return sum(chunk[name][0] for chunk in self.chunks)

    def append(self, rows: Mapping[str, np.ndarray], **facts: Any) -> None:
        """Write a chunk: rows of every name; then enter it in the manifest, and further facts with it."""
        chunk = {}
        for name, values in rows.items():
            length = self.lengths.setdefault(name, math.prod(values.shape[1:]))
            content = values.astype("<f2").tobytes()
            io.write_at(self._file(name), 2 * length * self.rows(name), content)
            chunk[name] = [len(values), zlib.crc32(content)]
        self.chunks.append(chunk)
        self.facts.update(facts)
        self._write_manifest()

    def check(self, name: str) -> None:
        """Compare the bytes of the rows with their checksums; an unfinished file may be longer."""
        path, first = self._file(name), 0
        with self.naming_damage(path), path.open("rb") as stream:
            for rows, crc32 in (chunk[name] for chunk in self.chunks):
                last = first + rows - 1
                check_bytes(stream, 2 * self.lengths[name] * rows, crc32, what=f"rows {first} to {last}")
                first += rows
            if first == self.counts[name]:
                check_end(stream)

    def mapped(self, name: str) -> np.ndarray:
        """Check the rows of a name, and return them ``[rows, length]``, mapped from disk."""
        self.check(name)
        return np.memmap(self._file(name), "<f2", "r", shape=(self.rows(name), self.lengths[name]))

    @contextlib.contextmanager
    def naming_damage(self, path: Path) -> Iterator[None]:
        """Name a file, and the remedy, in an `InputError` about what a ``with`` block finds wrong with it."""
        try:
            yield
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise InputError(f"{path} is damaged: {error}; {self.remedy}") from error

    def _file(self, name: str) -> Path:
        return self.path.with_name(f"{name}.float16")

    def _write_manifest(self) -> None:
        io.write_json(self.path, {name: getattr(self, name) for name in _MANIFEST} | self.facts)


def check_bytes(stream: BinaryIO, length: int, crc32: int, *, what: str) -> None:
    """Read bytes and compare them with their checksum; a ValueError says ``what`` is cut short or changed."""
    checksum = 0
    while length and (part := stream.read(min(length, _BYTES_AT_ONCE))):
        checksum = zlib.crc32(part, checksum)
        length -= len(part)
    if length:
        raise ValueError(f"it ends before {what} end")
    if checksum != crc32:
        raise ValueError(f"{what} are not as they were written")


def check_end(stream: BinaryIO) -> None:
    """Raise a ValueError if a file goes on."""
    if stream.read(1):
        raise ValueError("it is too long")


def _text(settings: Mapping[str, Any]) -> str:
    return json.dumps(settings, sort_keys=True)
