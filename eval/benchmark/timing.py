"""Timed runs, their summaries, and the processor time of the whole machine."""

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np


class Sample(NamedTuple):
    """Seconds of one run: wall time, and processor time over all threads."""

    wall: float
    cpu: float


def cores() -> int:
    """Return the number of processors that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def time_once(run: Callable[[], Any]) -> tuple[Any, Sample]:
    """Run once, wait until all arrays are computed, and return the result with its time."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = jax.block_until_ready(run())
    return result, Sample(time.perf_counter() - wall, time.process_time() - cpu)


def summary(samples: Sequence[Sample], *, units: int) -> dict[str, Any]:
    """Summarize samples in milliseconds a unit: median, minimum and quartiles of wall and processor time."""
    wall, cpu = np.array(samples).T * 1e3 / units
    return {
        "runs": len(samples),
        "median_ms": float(np.median(wall)),
        "min_ms": float(wall.min()),
        "quartiles_ms": np.percentile(wall, (25, 75)).tolist(),
        "cpu_median_ms": float(np.median(cpu)),
        "cpu_min_ms": float(cpu.min()),
    }


def ratio(ours: Sequence[Sample], peer: Sequence[Sample], *, our_units: int, peer_units: int) -> dict[str, Any]:
    """Compute the peer's time for a unit over ours; the quartiles are of ratios of consecutive runs."""
    a, b = np.array(ours) / our_units, np.array(peer) / peer_units
    return {
        "of_medians": float(np.median(b[:, 0]) / np.median(a[:, 0])),
        "of_minima": float(b[:, 0].min() / a[:, 0].min()),
        "quartiles": np.percentile(b[:, 0] / a[:, 0], (25, 75)).tolist(),
        "of_cpu_medians": float(np.median(b[:, 1]) / np.median(a[:, 1])),
    }


def machine_busy_seconds() -> float | None:
    """Return the processor seconds of all programs since the machine started; None where that is unknown."""
    counters = Path("/proc/stat")
    if not counters.is_file():
        return None
    ticks = [int(field) for field in counters.read_text().splitlines()[0].split()[1:9]]
    idle = ticks[3] + ticks[4]
    return (sum(ticks) - idle) / os.sysconf("SC_CLK_TCK")


def processor() -> str:
    """Return the processor's name; "unknown" where the system does not report it."""
    listing = Path("/proc/cpuinfo")
    lines = listing.read_text().splitlines() if listing.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "unknown"


def commit() -> str:
    """Return the current commit, marked if files have changed since; "unknown" outside a repository."""
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, cwd=Path(__file__).parent
    )
    return described.stdout.strip() or "unknown"
