"""A peer as seen from here: a process of its own that runs its task once whenever it is told to."""

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
    """The peer's process could not start or broke off; the last words of its error stream."""


class Peer:
    """A running worker; use it as a context, and the process ends with it.

    Raises:
        PeerError: on entering, when the worker's imports fail; later, when it breaks off.
    """

    def __init__(self, python: Path, module: str) -> None:
        """Run ``python -m module``, with as many threads as there are cores."""
        threads = str(cores())
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
        self._folder = tempfile.TemporaryDirectory()
        self._errors = tempfile.TemporaryFile("w+")
        self._process = subprocess.Popen(
            # Not resolved: an environment's Python is a link, and finds its packages by its own place.
            [python.absolute(), "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            cwd=_ROOT,
            env=os.environ | dict.fromkeys(names, threads) | {"JAX_PLATFORMS": "cpu"},
        )

    def __enter__(self) -> Self:
        """Wait for the worker's greeting, which tells ``versions``."""
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
        """Hand over the inputs and let the worker set up its task, untimed."""
        path = Path(self._folder.name) / "inputs.npz"
        np.savez(path, **inputs)  # type: ignore[arg-type]
        self._ask(do="prepare", inputs=str(path))
        path.unlink()

    def run(self) -> Sample:
        """Run the task once; the worker's own clocks tell how long it took."""
        return Sample(**self._ask(do="run"))

    def outputs(self) -> dict[str, np.ndarray]:
        """What the last run gave."""
        path = Path(self._folder.name) / "outputs.npz"
        self.peak_memory_mb: int = self._ask(do="save", outputs=str(path))["peak_memory_mb"]
        with np.load(path) as outputs:
            found = dict(outputs)
        path.unlink()
        return found

    def _ask(self, **command: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it ended; what it said last is told below
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line:
            return json.loads(line)
        code = self._process.wait()
        self._errors.seek(0)
        words = self._errors.read().strip().splitlines()
        raise PeerError(words[-1] if words else f"it ended with status {code} and said nothing")
