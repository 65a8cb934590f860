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
from convcorr_jax.report import Fold, Section, cell_text, in_order_of_papers, render_page
from convcorr_jax.runtime import devices, run, write_run
from eval.experiments import (
    POSE_BATCH,
    Experiment,
    Inputs,
    experiments,
    is_finished,
    provenance,
    result_of,
    start_in_background,
)

TITLE = "Where does a convnet look?"
LEAD = (
    "Features of a network that learned to name objects tell where their parts are: click a point of one "
    "photograph, and see where they find it in another."
)
PAPERS = " This page reproduces three papers on that: their tables and figures beside the published numbers."
# What one looks at on the page of the embedded default; the scores of everything else say little.
SHOWN = ("shipped_models", "matches")
PARTS = "Does every part run?"
LOW = (
    "Here every experiment of the three papers runs from end to end without any data set, on what fits into a "
    "few minutes: drawings by this package, a handful of training images, networks of few steps. The scores "
    "are low for that reason, and an order of methods means little: networks of photographs see drawings for "
    "the first time, and a cascade of so few steps has learned next to nothing. docs/results.md has the "
    "scores on real data sets; DATA=folder make reproduce computes them."
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
    sections: dict[str, Section] = {}
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
            sections[experiment.name] = section
            _print(section)
            if runs or number == len(chosen):
                _write_page(config, sections, _facts(config, chosen, number))
    write_json(out / "results.json", results)
    write_run(out, config, seconds=time.perf_counter() - started)
    return out / "index.html"


def _write_page(config: Config, sections: Mapping[str, Section], facts: Mapping[str, str]) -> None:
    shown, fold, lead = list(sections.values()), None, LEAD + PAPERS
    if config.data_root is None:
        shown = [sections[name] for name in SHOWN if name in sections]
        below = [section for name, section in sections.items() if name not in SHOWN]
        fold, lead = Fold(PARTS, LOW, in_order_of_papers(below)), LEAD
    ordered = in_order_of_papers(shown)
    page = render_page(TITLE, ordered, facts=facts, lead=lead, folder=config.out, fold=fold)
    with written_whole(config.out / "index.html") as temporary:
        temporary.write_text(page, encoding="utf-8")


def _facts(config: Config, chosen: Sequence[Experiment], number: int) -> dict[str, str]:
    device, count = jax.devices()[0], jax.device_count()
    seconds = sum(provenance.seconds_of(experiment) for experiment in chosen[:number])
    return {
        "Experiments": f"{number} of {len(chosen)}",
        "Data": str(config.data_root or "photographs that other packages install, and drawings"),
        "Device": provenance.device_words(f"{device.platform}: {device.device_kind}", count=count),
        "Versions": ", ".join(f"{name} {version(name)}" for name in ("jax", "numpy", "pillow")),
        "Finished": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "Computing": f"{provenance.time_words(seconds)}, all experiments together",
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
