"""Running experiments: in this process, or in another one.

Compiling uses one core, so that an experiment that shares no program with the others takes no time from them on
a second core. Both processes together have as many threads of linear algebra as there are cores: OpenBLAS waits
actively for threads that have no core, which takes most of the time of a ridge regression.

An experiment that has finished with the same configuration and inputs is not run again.
"""

import contextlib
import json
import multiprocessing
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self

import jax
import threadpoolctl

from convcorr_jax.errors import InputError, NumericalError, WriteError
from convcorr_jax.io import make_folder
from convcorr_jax.runtime import caches
from eval.experiments.experiment import Experiment
from eval.experiments.inputs import Inputs, is_finished, store_inputs, stored_inputs


class BackgroundRunner:
    """Run the scripts of experiments one after the other in another process; a context manager.

    An experiment that has not begun when it is waited for is left to the caller. Leaving the context ends the
    process.
    """

    def __init__(self, experiments: Iterable[Experiment]) -> None:
        """Begin with the first experiment; the others follow in their order."""
        self._thread = ThreadPoolExecutor(1)
        self._limits = contextlib.ExitStack()
        context = multiprocessing.get_context("spawn")
        self._connection, remote = context.Pipe()
        self._process = context.Process(target=_serve, args=(remote,), daemon=True)
        self._runs = {each.name: self._thread.submit(self._run, each) for each in experiments}
        if self._runs:
            self._process.start()
            remote.close()

    def __enter__(self) -> Self:
        """Return the runs."""
        if self._runs:
            self._limits.enter_context(_half_of_the_cores())
        return self

    def __exit__(self, *_: object) -> None:
        """End the process, and begin no other experiment."""
        self._limits.close()
        self._thread.shutdown(wait=False, cancel_futures=True)
        if self._runs:
            self._process.terminate()
            self._process.join()

    def wait(self, name: str) -> bool:
        """Wait for the end of an experiment if it has begun, otherwise let it not begin; return whether it ran.

        What the script raised is raised here; another failure of it is a `NumericalError`.
        """
        run = self._runs.get(name)
        if run is None or run.cancel():
            return False
        run.result()
        return True

    def _run(self, experiment: Experiment) -> None:
        script = experiment.main.__module__
        try:
            self._connection.send((experiment.main, experiment.config))
            error = self._connection.recv()
        except (EOFError, OSError):
            raise NumericalError(f"{script}: its process ended before its result") from None
        if error is not None:
            kind, message = error
            raise kind(f"{script}: {message}")


def _half_of_the_cores() -> threadpoolctl.threadpool_limits:
    """Limit the threads of linear algebra of one of two processes, until a ``with`` block ends."""
    return threadpoolctl.threadpool_limits(max(1, (os.cpu_count() or 1) // 2), user_api="blas")


def _serve(requests: Connection) -> None:
    """Run scripts with the configurations that arrive, silently, and send what ended each: None or an error."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere, _half_of_the_cores():
        for stream in (sys.stdout, sys.stderr):
            os.dup2(nowhere.fileno(), stream.fileno())
        caches.enable()
        with contextlib.suppress(EOFError):
            while True:
                main, config = requests.recv()
                try:
                    main(config)
                except (InputError, NumericalError, WriteError) as error:
                    requests.send((type(error), str(error)))
                except Exception as error:
                    requests.send((NumericalError, f"{type(error).__name__}: {error}"))
                else:
                    requests.send(None)
                # The programs of one experiment take a quarter of a gigabyte; the next reads them again.
                jax.clear_caches()


def start_in_background(chosen: Sequence[Experiment], inputs: Inputs) -> BackgroundRunner:
    """Begin those of the chosen experiments that run in another process and have not finished."""
    begun = []
    for experiment in chosen:
        if experiment.background_order is not None:
            of_it = inputs.of(experiment)
            if not is_finished(experiment, of_it):
                _prepare(experiment, of_it)
                begun.append((experiment.background_order, experiment))
    return BackgroundRunner(experiment for _, experiment in sorted(begun, key=lambda pair: pair[0]))


def result_of(
    experiment: Experiment, inputs: dict[str, Any], *, background: BackgroundRunner | None = None
) -> dict[str, Any]:
    """Return an experiment's result; run it unless it has finished with the same configuration and inputs.

    The inputs are those of `Inputs.of`, ``background`` has the experiments that run in another process.
    """
    folder = experiment.folder
    has_run = background is not None and background.wait(experiment.name)
    if not has_run and not is_finished(experiment, inputs):
        _prepare(experiment, inputs)
        experiment.main(experiment.config)
    return json.loads((folder / "result.json").read_text(encoding="utf-8"))


def _prepare(experiment: Experiment, inputs: dict[str, Any]) -> None:
    _discard_outdated(experiment.folder, inputs)
    store_inputs(make_folder(experiment.folder), inputs)


def _discard_outdated(folder: Path, inputs: dict[str, Any]) -> None:
    """Remove results of other inputs; after a change of the code, intermediate results of the script as well.

    Scripts cache intermediate results by configuration, records and weights, but not by code.
    """
    stored = stored_inputs(folder)
    if stored == inputs:
        return
    (folder / "run.json").unlink(missing_ok=True)
    if stored is not None and stored.get("code") != inputs["code"]:
        shutil.rmtree(folder)
