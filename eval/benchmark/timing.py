"""Timed runs: samples, what they come to, and what other programs took of the processors meanwhile."""

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np


class Sample(NamedTuple):
    """Seconds of one run: on the wall, and of processor time over all threads."""

    wall: float
    cpu: float


def cores() -> int:
    """The processors this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def timed(run: Callable[[], Any]) -> tuple[Any, Sample]:
    """Run once, wait until the arrays are there, and say how long that took."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = jax.block_until_ready(run())
    return result, Sample(time.perf_counter() - wall, time.process_time() - cpu)


def summary(samples: Sequence[Sample], *, units: int) -> dict[str, Any]:
    """Milliseconds a unit: median, least and quartiles of wall time, median and least of processor time."""
    wall, cpu = np.array(samples).T * 1e3 / units
    return {
        "runs": len(samples),
        "median_ms": float(np.median(wall)),
        "min_ms": float(wall.min()),
        "quartiles_ms": np.percentile(wall, (25, 75)).tolist(),
        "cpu_median_ms": float(np.median(cpu)),
        "cpu_min_ms": float(cpu.min()),
    }


def ratio(
    ours: Sequence[Sample], peer: Sequence[Sample], *, our_units: int, peer_units: int
) -> dict[str, Any]:
    """How many times as long the peer takes for a unit; the quartiles are of neighbouring runs."""
    a, b = np.array(ours) / our_units, np.array(peer) / peer_units
    return {
        "of_medians": float(np.median(b[:, 0]) / np.median(a[:, 0])),
        "of_minima": float(b[:, 0].min() / a[:, 0].min()),
        "quartiles": np.percentile(b[:, 0] / a[:, 0], (25, 75)).tolist(),
        "of_cpu_medians": float(np.median(b[:, 1]) / np.median(a[:, 1])),
    }


def machine_busy_seconds() -> float | None:
    """Processor seconds that all programs have used since the machine started; None where it is unknown."""
    counters = Path("/proc/stat")
    if not counters.is_file():
        return None
    ticks = [int(field) for field in counters.read_text().splitlines()[0].split()[1:9]]
    idle = ticks[3] + ticks[4]
    return (sum(ticks) - idle) / os.sysconf("SC_CLK_TCK")


def processor() -> str:
    """The processor's name, as far as the system tells it."""
    listing = Path("/proc/cpuinfo")
    lines = listing.read_text().splitlines() if listing.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "unknown"


def commit() -> str:
    """The commit at work, marked when files have been changed since; "unknown" outside a repository."""
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent,
    )
    return described.stdout.strip() or "unknown"
