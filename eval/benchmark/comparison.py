"""One comparison: the same inputs for us and for a peer, first quality, then alternating timed runs."""

import math
import os
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from eval.benchmark.peer import Peer
from eval.benchmark.timing import Sample, machine_busy_seconds, ratio, summary, time_once

MIN_RUNS, MAX_RUNS = 3, 25
# A comparison is marked as not quiet if other programs use more cores than this.
QUIET_CORES = 0.5
# After a pause, caches and processors have cooled down: a run shorter than this is preceded by a warm-up run.
_SHORT_S = 0.5
# Threads of a finished parallel region may spin for a while; the other side starts after this pause.
_PAUSE_S = 0.05

Arrays = Mapping[str, np.ndarray]


class Quality(NamedTuple):
    """Whether our output is at least as good as the peer's."""

    equal: bool
    """Whether speed may be compared."""
    rule: str
    """The criterion, in words."""
    figures: dict[str, float]
    """The numbers that it was decided by."""


class Comparison(NamedTuple):
    """A task that both sides can do."""

    name: str
    unit: str
    """What times are given for: an image, a fit, ..."""
    inputs: dict[str, np.ndarray]
    """Arrays for the peer's worker."""
    ours: Callable[[], Mapping[str, Any]]
    """Run our side once and return arrays by name."""
    check: Callable[[Arrays, Arrays], Quality]
    """Compare our outputs with the peer's."""
    required_ratio: float
    """The goal for the peer's time over ours."""
    required_ms: float | None = None
    """The goal for our time of a unit, on a quiet machine."""
    our_units: int = 1
    """Units in one of our runs."""
    peer_units: int = 1
    """Units in one of the peer's runs; fewer for a slow peer."""


class Case(NamedTuple):
    """One hot path: the peer's name, its worker module, and the comparisons."""

    peer: str
    worker: str
    comparisons: Callable[[], Iterable[Comparison]]


class _Side(NamedTuple):
    """How one side is timed."""

    run: Callable[[], Sample]
    repeats: int
    """Runs in a row, of which the last one counts."""
    seconds: float
    """Approximate duration of a run."""


class _Runs(NamedTuple):
    """Samples of both sides, and the load by other programs meanwhile."""

    ours: list[Sample]
    peer: list[Sample]
    load_before: float
    cores_taken_by_others: float | None
    """None where the system does not report it."""


def compare(comparison: Comparison, peer: Peer, *, seconds: float) -> dict[str, Any]:
    """Compare quality, then time both sides for about so many seconds.

    Args:
        comparison: the task.
        peer: the running worker.
        seconds: approximate duration of all timed runs; there are at least `MIN_RUNS` a side.

    Returns:
        A record for ``result.json``; without times if the quality is not equal.

    Raises:
        PeerError: the peer ended unexpectedly.
    """
    peer.prepare(comparison.inputs)
    outputs, first = time_once(comparison.ours)
    peer_first = peer.run()
    arrays = {name: np.asarray(value) for name, value in outputs.items()}
    quality = comparison.check(arrays, peer.outputs())
    record = {
        "name": comparison.name,
        "unit": comparison.unit,
        "quality": quality._asdict() | {"equal": bool(quality.equal)},
        "wanted": {"ratio": comparison.required_ratio, "ms": comparison.required_ms},
    }
    if not quality.equal:
        return record
    # Frees the memory before anything is timed.
    del outputs, arrays
    runs = _alternate(lambda: time_once(comparison.ours)[1], peer, seconds=seconds)
    first_calls = (first.wall, peer_first.wall)
    return record | _timings(comparison, runs, first_calls, peer_memory_mb=peer.peak_memory_mb)


def _alternate(run_ours: Callable[[], Sample], peer: Peer, *, seconds: float) -> _Runs:
    """Run both sides in turn."""
    sides = [_side(run_ours), _side(peer.run)]
    round_s = sum(_PAUSE_S + side.repeats * side.seconds for side in sides)
    rounds = int(np.clip(math.ceil(seconds / round_s), MIN_RUNS, MAX_RUNS))
    load, busy, wall = os.getloadavg()[0], machine_busy_seconds(), time.perf_counter()
    own_cpu = time.process_time()
    peer_cpu = 0.0
    samples: tuple[list[Sample], list[Sample]] = ([], [])
    for _ in range(rounds):
        for side, of_side in zip(sides, samples, strict=True):
            time.sleep(_PAUSE_S)
            taken = [side.run() for _ in range(side.repeats)]
            of_side.append(taken[-1])
            if of_side is samples[1]:
                peer_cpu += sum(sample.cpu for sample in taken)
    both_cpu = time.process_time() - own_cpu + peer_cpu
    now = machine_busy_seconds()
    others = None
    if busy is not None and now is not None:
        others = round(max(0.0, (now - busy - both_cpu) / (time.perf_counter() - wall)), 2)
    return _Runs(*samples, load, others)


def _side(run: Callable[[], Sample]) -> _Side:
    """Warm up once, and choose the number of repeats by the duration."""
    seconds = run().wall
    return _Side(run, 2 if seconds < _SHORT_S else 1, seconds)


def _timings(
    comparison: Comparison, runs: _Runs, first_calls_s: tuple[float, float], *, peer_memory_mb: int
) -> dict[str, Any]:
    """Summarize the samples for ``result.json``."""
    our_units, peer_units = comparison.our_units, comparison.peer_units
    ratios = ratio(runs.ours, runs.peer, our_units=our_units, peer_units=peer_units)
    ours = summary(runs.ours, units=our_units)
    limit_ms = comparison.required_ms
    others = runs.cores_taken_by_others
    return {
        "ours": ours | {"units": our_units, "first_call_s": first_calls_s[0]},
        "peer": summary(runs.peer, units=peer_units)
        | {"units": peer_units, "first_call_s": first_calls_s[1], "peak_memory_mb": peer_memory_mb},
        "ratio": ratios,
        "met": {
            "ratio": ratios["of_medians"] >= comparison.required_ratio,
            "ms": limit_ms is None or ours["median_ms"] <= limit_ms,
        },
        "load_average": {"before": runs.load_before, "after": os.getloadavg()[0]},
        "cores_taken_by_others": others,
        "quiet": others is not None and others <= QUIET_CORES,
    }
