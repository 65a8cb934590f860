"""Reproduce everything on one page, with our results beside the published numbers.

    make reproduce                        the embedded default: rendered categories, warped photographs
    DATA=../shared/data make reproduce    the data sets of a folder instead, as many as it contains

Every experiment is a script of this folder and has its own subfolder of ``--out``. A finished experiment is not
run again while its configuration, the code, its records and its weights stay the same; ``inputs.json`` beside
its ``run.json`` holds their checksums. ``results.json`` collects all results. ``index.html`` shows them in one
file, which is written again after each experiment that has run.
"""

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
from rich.console import Console
from rich.table import Table as Grid

from convcorr_jax.io import make_folder, write_json, written_whole
from convcorr_jax.report import Section, cell_text, in_order_of_papers, render_page
from convcorr_jax.runtime import devices, run, write_run
from eval.experiments import (
    POSE_BATCH,
    Inputs,
    experiments,
    is_finished,
    provenance,
    result_of,
    start_in_background,
)

TITLE = "Where does a convnet look?"
LEAD = (
    "Features of a network that learned to name objects tell where their parts are. This page reproduces three "
    "papers on that: each table and figure computed anew in JAX, beside the published numbers."
)


@dataclass(frozen=True)
class Config:
    """Which data to use, and where to write."""

    out: Path = Path("out/report")
    data_root: Path | None = None
    """Folder of data sets; by default the embedded experiments run."""
    full: bool = False
    """Run the embedded experiments on more instances, which takes several times as long."""


def main(config: Config) -> Path:
    """Run every experiment, print and write the page, and return the page's path."""
    started = time.perf_counter()
    # JAX's devices are chosen before anything is computed.
    devices.use_cores(POSE_BATCH)
    out = make_folder(config.out)
    console = Console(stderr=True)
    sections: list[Section] = []
    results: dict[str, Any] = {}
    chosen = experiments(out, config.data_root, full=config.full)
    inputs = Inputs()
    with start_in_background(chosen, inputs) as background:
        for number, experiment in enumerate(chosen, start=1):
            console.rule(f"{number} of {len(chosen)}: {experiment.name}")
            of_experiment = inputs.of(experiment)
            runs = not is_finished(experiment, of_experiment)
            result = result_of(experiment, of_experiment, background=background)
            results[experiment.name] = result
            section = experiment.section(experiment.name, result)
            section = provenance.with_provenance(section, experiment, result, of_experiment)
            sections.append(section)
            _print(section)
            if runs or number == len(chosen):
                facts = _facts(config, (number, len(chosen)), time.perf_counter() - started)
                _write_page(out, sections, facts)
    write_json(out / "results.json", results)
    write_run(out, config, seconds=time.perf_counter() - started)
    return out / "index.html"


def _write_page(out: Path, sections: Sequence[Section], facts: Mapping[str, str]) -> None:
    ordered = in_order_of_papers(sections)
    page = render_page(TITLE, ordered, facts=facts, lead=LEAD, folder=out)
    with written_whole(out / "index.html") as temporary:
        temporary.write_text(page, encoding="utf-8")


def _facts(config: Config, progress: tuple[int, int], seconds: float) -> dict[str, str]:
    device = jax.devices()[0]
    return {
        "Experiments": "{} of {}".format(*progress),
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
