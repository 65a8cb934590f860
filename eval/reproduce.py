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
from convcorr_jax.report.page import Picture, Section, Table, cell_text, render_page
from convcorr_jax.runlog import plain, write_run
from eval import flow_accuracy, keypoint_transfer, receptive_fields

TITLE = "convcorr_jax: where convnets look"

# Long et al. 2014, Table 2: PASCAL VOC 2011, CaffeNet conv4, mean over 20 categories.
PUBLISHED_TRANSFER = {
    "conv4_flow": {"0.1": 0.249, "0.05": 0.118, "0.025": 0.0408},
    "sift_flow": {"0.1": 0.247, "0.05": 0.109, "0.025": 0.0355},
    "copy": {"0.1": 0.199, "0.05": 0.078, "0.025": 0.0235},
}
PREPARED: tuple[tuple[str, keypoint_transfer.Transfer], ...] = (
    ("pf_willow", "box"),
    ("pf_willow", "image"),
    ("lfpw68", "neighbors"),
)
METHOD_NAMES = {
    "conv4_flow": "conv4 flow (ours)",
    "paper_energy": "conv4 flow, the paper's energy",
    "sift_flow": "SIFT flow",
    "copy": "copying, no flow",
}


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
    sections, results = [], {}
    chosen = experiments(out, config.data_root)
    for number, experiment in enumerate(chosen, start=1):
        console.rule(f"{number} of {len(chosen)}: {experiment.name}")
        result = _result(experiment)
        results[experiment.name] = result
        section = experiment.show(experiment.name, result)
        sections.append(section)
        _print(section)
    files.write_json(out / "results.json", results)
    page = render_page(TITLE, sections, facts=_facts(config, time.perf_counter() - started))
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
        _show_receptive_fields,
    )
    if data_root is None:
        return (
            fields,
            Experiment(
                "warped_photographs",
                flow_accuracy.main,
                flow_accuracy.Config(seeds=2, out=out / "warped_photographs"),
                _show_accuracy,
            ),
            transfer_experiment(
                out, "rendered", "neighbors", rendered_train=150, rendered_test=8, sizes_px=(227,)
            ),
        )
    found = [
        transfer_experiment(out, dataset, protocol, data_root=data_root)
        for dataset, protocol in PREPARED
        if (data_root / dataset).is_dir()
    ]
    if not found:
        # Says where it looked, in the words of every other script.
        roots.find("pf_willow", data_root)
    return (fields, *found)


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
    return Experiment(name, keypoint_transfer.main, config, _show_transfer)


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


def _show_receptive_fields(name: str, result: dict[str, Any]) -> Section:
    rows = tuple(
        (
            layer,
            float(field["size_px"]),
            float(field["published"]["size_px"]),
            float(field["stride_px"]),
            float(field["published"]["stride_px"]),
        )
        for layer, field in result["layers"].items()
    )
    columns = ("layer", "size, ours", "size, paper", "stride, ours", "stride, paper")
    table = Table(
        "Long et al. 2014, Table 1: receptive fields of CaffeNet, in pixels", columns, rows
    )
    return Section("Receptive fields", "Computed from the layer table alone.", (table,))


def _show_accuracy(name: str, result: dict[str, Any]) -> Section:
    alphas = tuple(result["methods"]["copy"]["pck"])
    rows = tuple(
        (
            METHOD_NAMES[method],
            score["endpoint_error_px"],
            *(score["pck"][alpha] for alpha in alphas),
        )
        for method, score in result["methods"].items()
    )
    table = Table(
        "Flow with exact ground truth",
        ("method", "endpoint error, px", *(f"PCK {alpha}" for alpha in alphas)),
        rows,
        note=_rules(result["protocol"]),
    )
    text = (
        f"{result['pairs']} pairs of real photographs and thin-plate warps of them, under other light and "
        f"before other backgrounds; {result['network']} with {result['weights']}."
    )
    return Section("Warped photographs", text, (table,))


def _show_transfer(name: str, result: dict[str, Any]) -> Section:
    methods = result["methods"]
    alphas = tuple(methods["copy"]["pck"])
    voting = result["protocol"]["transfer"] == "neighbors"
    published = PUBLISHED_TRANSFER if voting else {}
    columns = ["method", *(f"PCK {alpha}" for alpha in alphas)]
    if voting:
        columns += [f"paper, PCK {alpha}" for alpha in alphas]
    rows = []
    for method, score in methods.items():
        row: list[str | float | None] = [METHOD_NAMES[method], *score["pck"].values()]
        if voting:
            row += [published.get(method, {}).get(alpha) for alpha in alphas]
        rows.append(tuple(row))
    note = _rules(result["protocol"])
    if voting:
        note += " The paper's figures are for PASCAL VOC 2011: compare the order, not the level."
    mean = Table("Keypoint transfer, mean", tuple(columns), tuple(rows), note=note)
    categories = tuple(methods["copy"]["per_category"])
    middle = alphas[0] if voting else alphas[1]
    by_category = Table(
        f"PCK {middle} of every category",
        ("method", *categories),
        tuple(
            (METHOD_NAMES[method], *(score["per_category"][one][middle] for one in categories))
            for method, score in methods.items()
        ),
    )
    text = f"{result['pairs']} alignments; {result['network']} with {result['weights']}"
    if voting:
        text += f"; neighbours by cosine of {result['retrieval_layer']}"
    picture = (
        Picture(
            f"{name}/figure_3.jpg", "Five neighbours warped onto each target, with their keypoints."
        )
        if voting
        else Picture(f"{name}/examples.jpg", "One pair of every category, by every method.")
    )
    title = (
        f"Keypoint transfer on {Path(result['dataset']).name} ({result['protocol']['transfer']})"
    )
    return Section(title, f"{text}.", (mean, by_category), (picture,))


def _rules(protocol: dict[str, Any]) -> str:
    sign = "<" if protocol["strict"] else "<="
    return (
        f"Protocol: {protocol['name']}; error {sign} alpha x {protocol['normalizer']}, in "
        f"{protocol['frame']}; averaged by {protocol['average']} first; counted: {protocol['counted']}."
    )


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
