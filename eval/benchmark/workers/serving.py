"""The protocol of a worker: JSON lines in, JSON lines out, as `eval.benchmark.peer.Peer` sends them.

A worker module defines how to set up its task and calls `serve`. It imports NumPy and its peer only.
"""

import importlib.metadata
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

Arrays = Mapping[str, np.ndarray]


class Task(NamedTuple):
    """The function that is timed, and one that converts its result to arrays, untimed."""

    run: Callable[[], Any]
    arrays: Callable[[Any], Arrays]


def least_seconds(run: Callable[[], Any], *, repeats: int = 4) -> float:
    """Return the least time of several runs, by which a worker chooses its configuration."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def serve(prepare: Callable[[Arrays], Task], *, packages: Sequence[str]) -> None:
    """Answer the commands of standard input until it is closed, after a message with the packages' versions."""
    # Libraries may print: their output goes to standard error, so that it does not break the protocol.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(**fields: Any) -> None:
        answers.write(json.dumps(fields) + "\n")
        answers.flush()

    answer(versions={name: importlib.metadata.version(name) for name in packages})
    task, result = None, None
    for line in sys.stdin:
        command = json.loads(line)
        if command["do"] == "prepare":
            with np.load(command["inputs"]) as inputs:
                task = prepare(dict(inputs))
            answer()
        elif command["do"] == "run" and task is not None:
            result = None  # frees the memory before the clock starts
            wall, cpu = time.perf_counter(), time.process_time()
            result = task.run()
            answer(wall=time.perf_counter() - wall, cpu=time.process_time() - cpu)
        elif command["do"] == "save" and task is not None:
            np.savez(command["outputs"], **task.arrays(result))  # type: ignore[arg-type]
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            answer(peak_memory_mb=peak // (1024**2 if sys.platform == "darwin" else 1024))
