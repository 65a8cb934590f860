"""Everything this project reproduces, on one page: ours beside the published numbers.

    make reproduce                        the embedded default: rendered categories, warped photographs
    DATA=../shared/data make reproduce    the prepared data sets of a folder, where they are, in its place

Every experiment is a script of this folder with its own subfolder of ``--out``; one that finished earlier under
the same settings is not run again. ``results.json`` collects their results, ``index.html`` shows them.
"""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import jax
from rich.console import Console
from rich.table import Table as Grid

from convcorr_jax import files
from convcorr_jax.cli.scripts import run
from convcorr_jax.datasets import roots
from convcorr_jax.report.page import Section, cell_text, render_page
from convcorr_jax.runlog import plain, write_run
from eval import (
    flow_accuracy,
    keypoint_classification,
    keypoint_prediction,
    keypoint_transfer,
    patch_reconstruction,
    receptive_field_average,
    receptive_fields,
    sections,
)

TITLE = "convcorr_jax: where convnets look"

PREPARED: tuple[tuple[str, keypoint_transfer.Transfer], ...] = (
    ("pf_willow", "box"),
    ("pf_willow", "image"),
    ("lfpw68", "neighbors"),
)


@dataclass(frozen=True)
class Config:
    """Where to write, and which data."""

    out: Path = Path("out/report")
    data_root: Path | None = None
    """Folder of prepared data sets to use in place of the embedded default."""


class Experiment(NamedTuple):
    """A script, its settings, and how its result is shown."""

    name: str
    main: Callable[[Any], Path]
    config: Any
    show: Callable[[str, dict[str, Any]], Section]


def main(config: Config) -> Path:
    """Run every experiment, print and write the page; returns the page's path."""
    started = time.perf_counter()
    out = files.make_folder(config.out)
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
    files.write_json(out / "results.json", results)
    page = render_page(TITLE, shown, facts=_facts(config, time.perf_counter() - started))
    with files.written_whole(out / "index.html") as temporary:
        temporary.write_text(page, encoding="utf-8")
    write_run(out, config, seconds=time.perf_counter() - started)
    return out / "index.html"


def experiments(out: Path, data_root: Path | None) -> tuple[Experiment, ...]:
    """The embedded experiments, or those of the data sets that lie under ``data_root``.

    Raises:
        InputError: ``data_root`` is given and is no folder of prepared data sets.
    """
    fields = Experiment(
        "receptive_fields",
        receptive_fields.main,
        receptive_fields.Config(out=out / "receptive_fields"),
        sections.receptive_fields,
    )
    if data_root is None:
        return (
            fields,
            Experiment(
                "warped_photographs",
                flow_accuracy.main,
                flow_accuracy.Config(seeds=2, out=out / "warped_photographs"),
                sections.accuracy,
            ),
            transfer_experiment(
                out, "rendered", "neighbors", rendered_train=150, rendered_test=8, sizes_px=(227,)
            ),
            Experiment(
                "keypoint_classification",
                keypoint_classification.main,
                keypoint_classification.Config(
                    rendered_train=40,
                    rendered_test=20,
                    windows=40,
                    out=out / "keypoint_classification",
                ),
                sections.classification,
            ),
            Experiment(
                "keypoint_prediction",
                keypoint_prediction.main,
                keypoint_prediction.Config(
                    images=30, rounds=1, folds=2, rendered_train=60, out=out / "keypoint_prediction"
                ),
                sections.prediction,
            ),
            *_figures_1_and_2(out, patch_database=out / "patch_database"),
        )
    found = [
        transfer_experiment(out, dataset, protocol, data_root=data_root)
        for dataset, protocol in PREPARED
        if (data_root / dataset).is_dir()
    ]
    for dataset in ("lfpw68", "lspet"):
        if (data_root / dataset).is_dir():
            shared: dict[str, Any] = {"dataset": dataset, "data_root": data_root}
            classify, predict = f"{dataset}_classification", f"{dataset}_prediction"
            found += [
                Experiment(
                    classify,
                    keypoint_classification.main,
                    keypoint_classification.Config(out=out / classify, **shared),
                    sections.classification,
                ),
                Experiment(
                    predict,
                    keypoint_prediction.main,
                    keypoint_prediction.Config(out=out / predict, **shared),
                    sections.prediction,
                ),
            ]
    if (data_root / "imagenet_sample").is_dir():
        found += _figures_1_and_2(
            out,
            dataset="imagenet_sample",
            data_root=data_root,
            patch_database=out / "patch_database",
        )
    if not found:
        # Says where it looked, in the words of every other script.
        roots.find("pf_willow", data_root)
    return (fields, *found)


def _figures_1_and_2(out: Path, *, patch_database: Path, **options: Any) -> list[Experiment]:
    """Both figures from one patch database."""
    return [
        Experiment(
            "patch_reconstruction",
            patch_reconstruction.main,
            patch_reconstruction.Config(
                database=patch_database, out=out / "patch_reconstruction", **options
            ),
            sections.reconstruction,
        ),
        Experiment(
            "receptive_field_average",
            receptive_field_average.main,
            receptive_field_average.Config(
                database=patch_database, out=out / "receptive_field_average", **options
            ),
            sections.receptive_field_average,
        ),
    ]


def transfer_experiment(
    out: Path,
    dataset: str,
    protocol: keypoint_transfer.Transfer,
    *,
    name: str | None = None,
    **options: Any,
) -> Experiment:
    """`eval.keypoint_transfer` with these settings, in a subfolder of its own."""
    name = name or f"{dataset}_{protocol}"
    config = keypoint_transfer.Config(dataset=dataset, protocol=protocol, out=out / name, **options)
    return Experiment(name, keypoint_transfer.main, config, sections.transfer)


def _result(experiment: Experiment) -> dict[str, Any]:
    """The experiment's result; an earlier one where its settings were the same."""
    folder = experiment.config.out
    if _settings(folder) != plain(experiment.config):
        experiment.main(experiment.config)
    return json.loads((folder / "result.json").read_text(encoding="utf-8"))


def _settings(folder: Path) -> Any:
    """The settings of a finished run in this folder; run.json is the last file that a script writes."""
    try:
        return json.loads((folder / "run.json").read_text(encoding="utf-8"))["config"]
    except (OSError, ValueError, KeyError):
        return None


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
