"""Running a target: every changed file is refused or read, within limits of time and memory."""

import contextlib
import random
import resource
import signal
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from convcorr_jax.errors import InputError, WriteError
from tests.fuzz import annotations, archives, folders, images, models, releases, weights
from tests.fuzz.mutation import Target

TARGETS = {
    target.name: target
    for room in (images, weights, models, annotations, releases, archives, folders)
    for target in room.TARGETS
}
"""All targets by name."""
LONGEST_SECONDS = 10
MOST_BYTES = 10**9


class Failure(NamedTuple):
    """A file that a parser neither read nor refused, by its number, from which it can be made again."""

    number: int
    reason: str
    """The traceback, or the limit that was exceeded."""


class Outcome(NamedTuple):
    """What a run of a target found."""

    inputs: int
    refused: int
    longest_seconds: float
    """The greatest processor time of one input."""
    grown_bytes: int
    """By how much the process's greatest memory grew."""
    failures: list[Failure]


def input_of(target: Target, number: int) -> bytes:
    """Return an input by its number: the same for every run."""
    rng = random.Random(f"{target.name} {number}")
    return target.mutate(rng, rng.choice(target.seeds()))


def run(target: Target, folder: Path, *, first: int = 0, inputs: int, seconds: float) -> Outcome:
    """Parse inputs from the first number on, in an empty folder, until there are enough or the time is over."""
    path, seeds = folder / f"input{target.ending}", target.seeds()
    target = target._replace(seeds=lambda: seeds)
    for seed in seeds:
        path.write_bytes(seed)
        with contextlib.suppress(InputError):
            target.read(path)
    before, start = _peak_bytes(), time.monotonic()
    refused, longest, failures, number = 0, 0.0, [], first
    for number in _numbers(first, inputs, start + seconds):
        path.write_bytes(input_of(target, number))
        begun = time.process_time()
        signal.alarm(3 * LONGEST_SECONDS)
        try:
            target.read(path)
        except (InputError, WriteError):
            refused += 1
        except BaseException:
            failures.append(Failure(number, traceback.format_exc()))
        finally:
            signal.alarm(0)
        taken = time.process_time() - begun
        longest = max(longest, taken)
        if taken > LONGEST_SECONDS:
            failures.append(Failure(number, f"it took {taken:.1f} seconds"))
        if _peak_bytes() - before > MOST_BYTES:
            failures.append(Failure(number, "it took a gigabyte of memory"))
            break
    return Outcome(number + 1 - first, refused, longest, _peak_bytes() - before, failures)


def _numbers(first: int, count: int, end: float) -> Iterator[int]:
    for number in range(first, first + count):
        yield number
        if time.monotonic() > end:
            return


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
