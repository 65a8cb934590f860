"""Running experiments: in this process, or beside it in a process of their own.

Compiling uses one core, so that an experiment that shares no program with the others takes no time from them on
a second core. An experiment that has finished with the same configuration and inputs is not run again.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

from convcorr_jax.errors import InputError, NumericalError
from convcorr_jax.io import make_folder
from convcorr_jax.runtime.script import WRONG_INPUT
from eval.experiments.experiment import Experiment
from eval.experiments.inputs import Inputs, is_finished, store_inputs, stored_inputs
from eval.experiments.provenance import words_of

_ROOT = Path(__file__).parents[2]


class Beside:
    """Run the scripts of experiments one after the other in processes of their own; a context manager.

    An experiment whose process has not begun when it is waited for is left to the caller. Leaving the context
    ends the process that is running.

    Args:
        experiments: the experiments, in the order of their runs.
    """

    def __init__(self, experiments: Iterable[Experiment]) -> None:
        """Begin with the first experiment."""
        self._executor = ThreadPoolExecutor(1)
        self._process: subprocess.Popen[str] | None = None
        self._runs = {each.name: self._executor.submit(self._run, each) for each in experiments}

    def __enter__(self) -> Self:
        """Return the runs."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process that is running, and begin no other."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait()

    def wait(self, name: str) -> bool:
        """Wait for the end of an experiment if its process has begun; otherwise begin no process for it.

        Args:
            name: the experiment's name.

        Returns:
            Whether the experiment has run.

        Raises:
            InputError: the script found wrong input.
            NumericalError: the script failed otherwise.
        """
        run = self._runs.get(name)
        if run is None or run.cancel():
            return False
        run.result()
        return True

    def _run(self, experiment: Experiment) -> None:
        script = experiment.main.__module__
        words = words_of(experiment.config, type(experiment.config)())
        command = [sys.executable, "-m", script, *words]
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=_ROOT
        )
        _, errors = self._process.communicate()
        if self._process.returncode:
            lines = errors.strip().splitlines() or ["no message"]
            kind = InputError if self._process.returncode == WRONG_INPUT else NumericalError
            raise kind(f"{script}: {lines[-1].strip()}")


def begin_beside(chosen: Sequence[Experiment], inputs: Inputs) -> Beside:
    """Begin the experiments that run in processes of their own and have not finished.

    Args:
        chosen: all experiments.
        inputs: computes the inputs of each.
    """
    begun = []
    for experiment in chosen:
        if experiment.beside is not None:
            of_it = inputs.of(experiment)
            if not is_finished(experiment, of_it):
                _prepare(experiment, of_it)
                begun.append((experiment.beside, experiment))
    return Beside(experiment for _, experiment in sorted(begun, key=lambda pair: pair[0]))


def result_of(
    experiment: Experiment, inputs: dict[str, Any], *, beside: Beside | None = None
) -> dict[str, Any]:
    """Return an experiment's result; run it unless it has finished with the same configuration and inputs.

    Args:
        experiment: the script and its configuration.
        inputs: checksums of the code, the records and the weights, from `Inputs.of`.
        beside: the experiments that run in processes of their own; by default none.

    Raises:
        InputError: the script found wrong input.
        NumericalError: a process of its own failed otherwise.
    """
    folder = experiment.folder
    has_run = beside is not None and beside.wait(experiment.name)
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
