"""What an experiment's result depends on besides its configuration: the code, the records and the weights.

`eval.reproduce` stores it as ``inputs.json`` beside ``run.json``, and runs an experiment again when it has
changed.
"""

import functools
import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from convcorr_jax.datasets import fingerprint
from convcorr_jax.io import write_json
from convcorr_jax.pose import PERSON
from convcorr_jax.runtime import finished_config, plain
from convcorr_jax.synthetic import GENERATOR_VERSION
from convcorr_jax.tasks import PHOTOGRAPHS, RENDERED, Backbone, read
from eval.experiments.experiment import Experiment

ROOT = Path(__file__).parents[2]
"""The folder that contains the packages of `SOURCES`."""
SOURCES = ("convcorr_jax", "eval", "train")
_FILE = "inputs.json"


class Inputs:
    """The inputs of experiments, each code, source and network fingerprinted once."""

    def __init__(self) -> None:
        """Fingerprint the code of this process."""
        self._code = code_version()
        self._records = functools.cache(_records_fingerprint)
        self._weights = functools.cache(_weights_fingerprint)

    def of(self, experiment: Experiment) -> dict[str, Any]:
        """Return the inputs of an experiment, in the form of ``inputs.json``."""
        backbone = getattr(experiment.config, "backbone", None)
        data_root = experiment.data_root
        return {
            "code": self._code,
            "records": {name: self._records(name, data_root) for name in experiment.sources},
            "weights": None if backbone is None else self._weights(backbone),
            "model": _model_checksum(experiment.config),
        }


@functools.cache
def code_version() -> dict[str, str]:
    """Return the package's version and a checksum of its source files, as they were on the first call.

    Later changes of the files do not change the code that this process runs.
    """
    return {"version": version("convcorr_jax"), "sources": source_checksum(ROOT)}


def source_checksum(root: Path) -> str:
    """Compute a checksum of all Python files of `SOURCES` below a folder."""
    digest = hashlib.blake2b(digest_size=16)
    for package in SOURCES:
        for path in sorted((root / package).rglob("*.py")):
            digest.update(path.relative_to(root).as_posix().encode())
            digest.update(hashlib.blake2b(path.read_bytes()).digest())
    return digest.hexdigest()


def stored_inputs(folder: Path) -> Any:
    """Return the inputs of the results in an experiment's folder; None if there are none."""
    try:
        return json.loads((folder / _FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def is_finished(experiment: Experiment, inputs: dict[str, Any]) -> bool:
    """Return whether an experiment has finished with the same configuration and the inputs of `Inputs.of`."""
    finished = finished_config(experiment.folder) == plain(experiment.config)
    return finished and stored_inputs(experiment.folder) == inputs


def store_inputs(folder: Path, inputs: dict[str, Any]) -> None:
    """Write ``inputs.json`` into an experiment's folder."""
    write_json(folder / _FILE, inputs)


def _records_fingerprint(source: str, data_root: Path | None) -> str:
    """Fingerprint the records of a data set; of generated and installed records, the version is enough."""
    if source == RENDERED:
        return f"generator {GENERATOR_VERSION}"
    if source == PHOTOGRAPHS:
        return f"generator {GENERATOR_VERSION}, {fingerprint(read(source))}"
    return fingerprint(read(source, data_root=data_root))


def _weights_fingerprint(backbone: Backbone) -> str:
    return backbone.load().fingerprint


def _model_checksum(config: Any) -> str | None:
    """Compute the checksum of the pose cascade that a script evaluates; None for other scripts."""
    if not hasattr(config, "checkpoint"):
        return None
    path = PERSON if config.checkpoint is None else config.checkpoint
    return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
