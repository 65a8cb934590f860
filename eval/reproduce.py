"""Reproduce everything on one page, with our results beside the published numbers.

    make reproduce                        the embedded default: rendered categories, warped photographs
    DATA=../shared/data make reproduce    the data sets of a folder instead, as many as it contains

Every experiment is a script of this folder and has its own subfolder of ``--out``. A finished experiment is not
run again while its configuration, the code, its records and its weights stay the same; ``inputs.json`` beside
its ``run.json`` holds their checksums. ``results.json`` collects all results, ``index.html`` shows them.
"""

import json
import shutil
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
from rich.console import Console
from rich.table import Table as Grid

from convcorr_jax.io import make_folder, write_json, written_whole
from convcorr_jax.report import Section, cell_text, render_page
from convcorr_jax.runtime import devices
from convcorr_jax.runtime.runlog import finished_config, plain, write_run
from convcorr_jax.runtime.script import run
from eval.experiments import (
    POSE_BATCH,
    Experiment,
    Inputs,
    experiments,
    store_inputs,
    stored_inputs,
)

TITLE = "convcorr_jax: where convnets look"


@dataclass(frozen=True)
class Config:
    """Which data to use, and where to write."""

    out: Path = Path("out/report")
    data_root: Path | None = None
    """Folder of data sets; by default the embedded experiments run."""


def main(config: Config) -> Path:
    """Run every experiment, print and write the page, and return the page's path."""
    started = time.perf_counter()
    # JAX's devices are chosen before anything is computed.
    devices.use_cores(POSE_BATCH)
    out = make_folder(config.out)
    console = Console(stderr=True)
    sections, results = [], {}
    chosen = experiments(out, config.data_root)
    inputs = Inputs()
    for number, experiment in enumerate(chosen, start=1):
        console.rule(f"{number} of {len(chosen)}: {experiment.name}")
        result = result_of(experiment, inputs.of(experiment))
        results[experiment.name] = result
        section = experiment.section(experiment.name, result)
        sections.append(section)
        _print(section)
    write_json(out / "results.json", results)
    page = render_page(TITLE, sections, facts=_facts(config, time.perf_counter() - started))
    with written_whole(out / "index.html") as temporary:
        temporary.write_text(page, encoding="utf-8")
    write_run(out, config, seconds=time.perf_counter() - started)
    return out / "index.html"


def result_of(experiment: Experiment, inputs: dict[str, Any]) -> dict[str, Any]:
    """Return an experiment's result; run it unless it has finished with the same configuration and inputs.

    Args:
        experiment: the script and its configuration.
        inputs: checksums of the code, the records and the weights, from `Inputs.of`.
    """
    folder = experiment.folder
    finished = finished_config(folder) == plain(experiment.config)
    if not finished or stored_inputs(folder) != inputs:
        _discard_outdated(folder, inputs)
        store_inputs(make_folder(folder), inputs)
        experiment.main(experiment.config)
    return json.loads((folder / "result.json").read_text(encoding="utf-8"))


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


def _facts(config: Config, seconds: float) -> dict[str, str]:
    device = jax.devices()[0]
    return {
        "Data": str(config.data_root or "embedded: rendered categories and warped photographs"),
        "Device": f"{device.platform}, {device.device_kind}",
        "Versions": ", ".join(f"{name} {version(name)}" for name in ("jax", "numpy", "pillow")),
        "Finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "Seconds": f"{seconds:.0f}, without experiments that had finished earlier",
    }


def _print(section: Section) -> None:
    console = Console(file=sys.stdout)
    for table in section.tables:
        grid = Grid(title=f"{section.title}: {table.title}", title_justify="left")
        for number, column in enumerate(table.columns):
            grid.add_column(column, justify="left" if number == 0 else "right")
        for row in table.rows:
            grid.add_row(*(cell_text(value) for value in row))
        console.print(grid)


if __name__ == "__main__":
    run(Config, main, __doc__)
