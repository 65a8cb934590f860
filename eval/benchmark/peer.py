"""The benchmark's side of a peer: a process that runs its task once for each request."""

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Self

import numpy as np

from eval.benchmark.timing import Sample, cores

_ROOT = Path(__file__).parents[2]


class PeerError(Exception):
    """The peer's process could not start or ended unexpectedly; the message is the last line of its errors."""


class Peer:
    """A running worker, as a context manager that ends the process on exit.

    Raises:
        PeerError: on entering, if the worker's imports fail; later, if the worker ends unexpectedly.
    """

    def __init__(self, python: Path, module: str) -> None:
        """Start ``python -m module``, with as many threads as there are cores."""
        threads = str(cores())
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
        self._folder = tempfile.TemporaryDirectory()
        self._errors = tempfile.TemporaryFile("w+")
        self._process = subprocess.Popen(
            # Not resolved: an environment's Python is a link, and finds its packages by the link's own path.
            [python.absolute(), "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            cwd=_ROOT,
            env=os.environ | dict.fromkeys(names, threads) | {"JAX_PLATFORMS": "cpu"},
        )

    def __enter__(self) -> Self:
        """Wait for the worker's first message, which holds ``versions``."""
        try:
            self.versions: dict[str, str] = self._answer()["versions"]
        except PeerError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()
        self._errors.close()
        self._folder.cleanup()

    def prepare(self, inputs: dict[str, np.ndarray]) -> None:
        """Send the inputs and let the worker set up its task, untimed."""
        path = Path(self._folder.name) / "inputs.npz"
        np.savez(path, **inputs)  # type: ignore[arg-type]
        self._ask(do="prepare", inputs=str(path))
        path.unlink()

    def run(self) -> Sample:
        """Run the task once, timed by the worker's own clocks."""
        return Sample(**self._ask(do="run"))

    def outputs(self) -> dict[str, np.ndarray]:
        """Return the arrays of the last run."""
        path = Path(self._folder.name) / "outputs.npz"
        self.peak_memory_mb: int = self._ask(do="save", outputs=str(path))["peak_memory_mb"]
        with np.load(path) as outputs:
            arrays = dict(outputs)
        path.unlink()
        return arrays

    def _ask(self, **command: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # The worker has ended; `_answer` raises with its last line.
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line:
            return json.loads(line)
        code = self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().strip().splitlines()
        raise PeerError(lines[-1] if lines else f"it ended with status {code} and no message")
