"""Cached stages of a script: the arrays of each in an ``.npz`` file, with the settings that they depend on.

`stage` caches one result, `CachedParts` the arrays of many items in parts that need not fit into memory
together, and `accumulate` the sums of a long pass, so that a killed run continues from the last saved sums.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np

from convcorr_jax.errors import InputError
from convcorr_jax.io import load_arrays, write_arrays, write_arrays_uncompressed

# The array of a file that holds the settings as JSON text.
_SETTINGS = "settings"
# The array of a file of sums that holds the number of blocks summed up.
_DONE = "blocks_done"
SAVED_EVERY_S = 60.0
"""Seconds after which `accumulate` saves sums by default."""


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
        write_arrays(path, **arrays)
    else:
        write_arrays_uncompressed(path, arrays)
    return computed


def cached(path: Path, settings: Mapping[str, Any]) -> dict[str, np.ndarray] | None:
    """Return the arrays of a `stage` from the cache, or None if they are not cached with these settings."""
    if not path.is_file():
        return None
    try:
        arrays = load_arrays(path)
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
                write_arrays_uncompressed(path, {**sums.arrays(), **facts})
                saved = time.monotonic()
        yield stop, sums
    path.unlink(missing_ok=True)


def _text(settings: Mapping[str, Any]) -> str:
    return json.dumps(settings, sort_keys=True)
