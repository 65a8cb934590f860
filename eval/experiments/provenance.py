"""Where an experiment's numbers come from: the command, data, network, weights, device and time."""

import dataclasses
import json
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from convcorr_jax.report import Section
from eval.experiments.experiment import Experiment

# Counts that scripts store in their results, with the words that name them.
_COUNTS = {
    "pairs": "pairs",
    "targets": "targets",
    "points": "points",
    "people": "people",
    "photographs": "photographs",
    "train": "for training",
    "test": "for testing",
}
# Characters of a checksum that are shown, enough to compare by eye.
_SHOWN = 16


def command_of(experiment: Experiment) -> str:
    """Return the command line that runs an experiment, with the options that differ from the defaults."""
    script = experiment.main.__module__
    words = _words(experiment.config, type(experiment.config)())
    return shlex.join(["python", "-m", script, *words])


def _words(config: Any, default: Any) -> Iterator[str]:
    """Yield the command line's words for the fields of a dataclass that differ from those of the default.

    Options of nested dataclasses have no prefix, as `convcorr_jax.runtime.script.parse` reads them.
    """
    for field in dataclasses.fields(config):
        value, usual = getattr(config, field.name), getattr(default, field.name)
        option = field.name.replace("_", "-")
        if dataclasses.is_dataclass(value):
            yield from _words(value, usual)
        elif value == usual:
            continue
        elif isinstance(value, bool):
            yield f"--{option}" if value else f"--no-{option}"
        elif isinstance(value, tuple):
            yield from (f"--{option}", *(str(item) for item in value))
        else:
            yield from (f"--{option}", str(value))


def with_provenance(
    section: Section, experiment: Experiment, result: Mapping[str, Any], inputs: Mapping[str, Any]
) -> Section:
    """Add the command and the facts about an experiment's run and inputs to the section of its result."""
    run = _run_of(experiment)
    facts = {
        "Data": _data(experiment, inputs),
        "Count": _count(result),
        "Network": _network(result),
        "Weights": _checksum(inputs["weights"]),
        "Model": _checksum(inputs["model"]),
        "Protocol": _protocol(result),
        "Device": f"{device_words(run['device'])}, {run['machine']}",
        "Time": f"{time_words(run['seconds'])}, {run['peak_memory_mb'] / 1024:.1f} GB of memory at most",
        "Finished": run["finished"],
        "Code": f"version {inputs['code']['version']}, sources {_checksum(inputs['code']['sources'])}",
        "Versions": ", ".join(
            f"{name} {number}" for name, number in {"python": run["python"], **run["versions"]}.items()
        ),
    }
    known = {name: fact for name, fact in facts.items() if fact}
    return section._replace(facts=known, command=command_of(experiment))


def seconds_of(experiment: Experiment) -> float:
    """Return how long an experiment has run, whenever that was."""
    return _run_of(experiment)["seconds"]


def _run_of(experiment: Experiment) -> dict[str, Any]:
    return json.loads((experiment.folder / "run.json").read_text(encoding="utf-8"))


def device_words(device: str, *, count: int = 1) -> str:
    """Name the devices of a run.

    >>> device_words("cpu: cpu", count=2), device_words("gpu: NVIDIA H100")
    ('CPU (2 devices)', 'NVIDIA H100')
    """
    platform, _, kind = device.partition(": ")
    name = platform.upper() if kind in ("", platform) else kind
    return name if count == 1 else f"{name} ({count} devices)"


def time_words(seconds: float) -> str:
    """Return a time in the unit that suits it.

    >>> time_words(0.2), time_words(38.5), time_words(281)
    ('less than a second', '38 seconds', '4.7 minutes')
    """
    if seconds < 1:
        return "less than a second"
    return f"{seconds:.0f} seconds" if seconds < 100 else f"{seconds / 60:.1f} minutes"


def _data(experiment: Experiment, inputs: Mapping[str, Any]) -> str:
    records = inputs["records"]
    return "; ".join(f"{Path(name).name} ({_checksum(mark)})" for name, mark in records.items())


def _count(result: Mapping[str, Any]) -> str:
    counts = []
    for name, words in _COUNTS.items():
        value = result.get(name)
        if isinstance(value, list):
            counts.append(f"{len(value)} {words}")
        elif isinstance(value, int):
            counts.append(f"{value} {words}")
        elif isinstance(value, dict):
            counts += [f"{count} {words}" for count in value.values() if isinstance(count, int)]
    return ", ".join(counts)


def _network(result: Mapping[str, Any]) -> str:
    if "network" not in result:
        return ""
    layer = f", {result['layer']}" if "layer" in result else ""
    weights = f", from {result['weights']}" if "weights" in result else ""
    return f"{result['network']}{layer}{weights}"


def _protocol(result: Mapping[str, Any]) -> str:
    protocol = result.get("protocol")
    if not isinstance(protocol, dict) or "normalizer" not in protocol:
        return ""
    sign = "<" if protocol["strict"] else "≤"
    return (
        f"{protocol['name']}: error {sign} alpha × {protocol['normalizer']}, in {protocol['frame']}; "
        f"averaged by {protocol['average']} first"
    )


def _checksum(value: str | None) -> str:
    if value is None:
        return ""
    return value if " " in value else value[:_SHOWN]
