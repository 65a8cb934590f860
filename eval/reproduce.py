"""Everything this project reproduces, on one page: ours beside the published numbers.

    make reproduce                        the embedded default: rendered categories, warped photographs
    DATA=../shared/data make reproduce    the prepared data sets of a folder, where they are, in its place

Every experiment is a script of this folder with its own subfolder of ``--out``; one that finished earlier under
the same settings is not run again. ``results.json`` collects their results, ``index.html`` shows them.
"""

import json
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
from eval.experiments import POSE_BATCH, Experiment, experiments

TITLE = "convcorr_jax: where convnets look"


@dataclass(frozen=True)
class Config:
    """Where to write, and which data."""

    out: Path = Path("out/report")
    data_root: Path | None = None
    """Folder of prepared data sets to use in place of the embedded default."""


def main(config: Config) -> Path:
    """Run every experiment, print and write the page; returns the page's path."""
    started = time.perf_counter()
    # Before anything is computed.
    devices.use_cores(POSE_BATCH)
    out = make_folder(config.out)
    console = Console(stderr=True)
    shown, results = [], {}
    chosen = experiments(out, config.data_root)
    for number, experiment in enumerate(chosen, start=1):
        console.rule(f"{number} of {len(chosen)}: {experiment.name}")
        result = _result(experiment)
        results[experiment.name] = result
        section = experiment.show(experiment.name, result)
        shown.append(section)
        _print(section)
    write_json(out / "results.json", results)
    page = render_page(TITLE, shown, facts=_facts(config, time.perf_counter() - started))
    with written_whole(out / "index.html") as temporary:
        temporary.write_text(page, encoding="utf-8")
    write_run(out, config, seconds=time.perf_counter() - started)
    return out / "index.html"


def _result(experiment: Experiment) -> dict[str, Any]:
    """The experiment's result; an earlier one where its settings were the same."""
    config = experiment.config
    folder = getattr(config, "output", config).out
    if finished_config(folder) != plain(experiment.config):
        experiment.main(experiment.config)
    return json.loads((folder / "result.json").read_text(encoding="utf-8"))


def _facts(config: Config, seconds: float) -> dict[str, str]:
    device = jax.devices()[0]
    return {
        "Data": str(config.data_root or "embedded: rendered categories and warped photographs"),
        "Device": f"{device.platform}, {device.device_kind}",
        "Versions": ", ".join(f"{name} {version(name)}" for name in ("jax", "numpy", "pillow")),
        "Finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "Seconds": f"{seconds:.0f}, experiments that had finished earlier not counted",
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
