"""One comparison: the same inputs to ours and to a peer, equal quality first, then alternating warm runs."""

import math
import os
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from eval.benchmark.peer import Peer
from eval.benchmark.timing import Sample, machine_busy_seconds, ratio, summary, timed

MIN_RUNS, MAX_RUNS = 3, 25
# More of the processors than this in other hands, and the comparison is marked as not quiet.
QUIET_CORES = 0.5
# A run this short starts slowly after a pause: caches and processors have cooled. Such are timed when warm.
_SHORT_S = 0.5
# Threads of a finished parallel region may spin a while for the next one; the other side waits for that.
_PAUSE_S = 0.05

Arrays = Mapping[str, np.ndarray]


class Quality(NamedTuple):
    """Whether ours is at least as good as the peer, by which rule, and the figures that tell."""

    equal: bool
    rule: str
    figures: dict[str, float]


class Comparison(NamedTuple):
    """A task that both sides can do."""

    name: str
    unit: str
    """Times are told for one of these."""
    inputs: dict[str, np.ndarray]
    """What the peer's worker is given."""
    ours: Callable[[], Mapping[str, Any]]
    """One run; gives arrays by name."""
    check: Callable[[Arrays, Arrays], Quality]
    """Takes our outputs and the peer's."""
    wanted_ratio: float
    """How many times as fast as the peer we want to be."""
    wanted_ms: float | None = None
    """How long a unit may take, on a quiet machine."""
    our_units: int = 1
    peer_units: int = 1
    """Units in a run; a slow peer may be given fewer."""


class Case(NamedTuple):
    """One hot path: the peer, its worker's module, and what is compared."""

    peer: str
    worker: str
    comparisons: Callable[[], Iterable[Comparison]]


def compare(comparison: Comparison, peer: Peer, *, seconds: float) -> dict[str, Any]:
    """Measure for about so many seconds; without equal quality the result has no times.

    Raises:
        PeerError: the peer broke off.
    """
    peer.prepare(comparison.inputs)
    found, first = timed(comparison.ours)
    peer_first = peer.run()
    ours_arrays = {name: np.asarray(value) for name, value in found.items()}
    quality = comparison.check(ours_arrays, peer.outputs())
    record = {
        "name": comparison.name,
        "unit": comparison.unit,
        "quality": quality._asdict() | {"equal": bool(quality.equal)},
        "wanted": {"ratio": comparison.wanted_ratio, "ms": comparison.wanted_ms},
    }
    if not quality.equal:
        return record
    del found, ours_arrays

    def run_ours() -> Sample:
        return timed(comparison.ours)[1]

    sides = [
        (run, 2 if length < _SHORT_S else 1, length)
        for run, length in ((run_ours, run_ours().wall), (peer.run, peer.run().wall))
    ]
    round_s = sum(_PAUSE_S + times * length for _, times, length in sides)
    runs = int(np.clip(math.ceil(seconds / round_s), MIN_RUNS, MAX_RUNS))
    load, busy, wall = os.getloadavg()[0], machine_busy_seconds(), time.perf_counter()
    own = time.process_time()
    ours, theirs = [], []
    peers_cpu = 0.0
    for _ in range(runs):
        for samples, (run, times, _length) in zip((ours, theirs), sides, strict=True):
            time.sleep(_PAUSE_S)
            taken = [run() for _ in range(times)]
            samples.append(taken[-1])
            if samples is theirs:
                peers_cpu += sum(sample.cpu for sample in taken)
    own = time.process_time() - own + peers_cpu
    now = machine_busy_seconds()
    others = None
    if busy is not None and now is not None:
        others = round(max(0.0, (now - busy - own) / (time.perf_counter() - wall)), 2)

    units = comparison.our_units, comparison.peer_units
    ratios = ratio(ours, theirs, our_units=units[0], peer_units=units[1])
    ours_summary = summary(ours, units=units[0])
    return record | {
        "ours": ours_summary | {"units": units[0], "first_call_s": first.wall},
        "peer": summary(theirs, units=units[1])
        | {
            "units": units[1],
            "first_call_s": peer_first.wall,
            "peak_memory_mb": peer.peak_memory_mb,
        },
        "ratio": ratios,
        "met": {
            "ratio": ratios["of_medians"] >= comparison.wanted_ratio,
            "ms": comparison.wanted_ms is None or ours_summary["median_ms"] <= comparison.wanted_ms,
        },
        "load_average": {"before": load, "after": os.getloadavg()[0]},
        "cores_taken_by_others": others,
        "quiet": others is not None and others <= QUIET_CORES,
    }
