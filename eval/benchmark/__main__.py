"""``python -m eval.benchmark``; the package's docstring describes the measurements."""

import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import jax
from rich.console import Console
from rich.markup import escape
from rich.table import Table

import eval.benchmark
from convcorr_jax.errors import InputError
from convcorr_jax.io import make_folder, write_json
from convcorr_jax.runtime import progress, run, write_run
from convcorr_jax.tasks import DataRoot
from eval.benchmark.cases import (
    belief_propagation,
    distance_transform,
    features,
    linear_svm,
    nearest_neighbors,
    pose_cascade,
    ridge,
    sift,
)
from eval.benchmark.comparison import QUIET_CORES, Case, compare
from eval.benchmark.peer import Peer, PeerError
from eval.benchmark.timing import commit, cores, processor

CaseName = Literal[
    "features",
    "belief_propagation",
    "distance_transform",
    "sift",
    "nearest_neighbors",
    "linear_svm",
    "pose_cascade",
    "ridge_sklearn",
    "ridge_himalaya",
    "ridge_fracridge",
]
CASES: dict[CaseName, Case] = {
    "features": features.CASE,
    "belief_propagation": belief_propagation.CASE,
    "distance_transform": distance_transform.CASE,
    "sift": sift.CASE,
    "nearest_neighbors": nearest_neighbors.CASE,
    "linear_svm": linear_svm.CASE,
    "pose_cascade": pose_cascade.CASE,
    "ridge_sklearn": ridge.SKLEARN,
    "ridge_himalaya": ridge.HIMALAYA,
    "ridge_fracridge": ridge.FRACRIDGE,
}
# Least width of the printed table, in characters, where the output is not a terminal or a narrow one.
WIDTH = 130


@dataclass(frozen=True)
class Config:
    """The cases to run, the peers' environment, and the time for each comparison."""

    cases: tuple[CaseName, ...] = tuple(CASES)
    peers_python: Path = Path(".venv-peers/bin/python")
    """The Python in whose environment the peers are installed."""
    seconds: float = 10.0
    """Approximate duration of the timed runs of each comparison; there are at least 3 runs."""
    out: Path = Path("runs/benchmark")
    data_root: DataRoot = None
    """Not used here; every script accepts it."""


def main(config: Config) -> Path:
    """Run the cases, print their table, write ``result.json`` and return its path.

    Raises:
        InputError: there is no Python for the peers.
    """
    started = time.perf_counter()
    if not (config.peers_python.is_file() and os.access(config.peers_python, os.X_OK)):
        raise InputError(
            f"there is no Python for the peers at {config.peers_python}; create it by the commands in "
            "eval/benchmark/__init__.py, or name another with --peers-python"
        )
    out = make_folder(config.out)
    before = os.getloadavg()
    cases = {
        name: run_case(CASES[name], config.peers_python, seconds=config.seconds)
        for name in progress(config.cases, description="comparing", total=len(config.cases))
    }
    result = {
        "processor": processor(),
        "cores": cores(),
        "system": platform.platform(),
        "jax": jax.__version__,
        "commit": commit(),
        "load_average": {"before": before, "after": os.getloadavg()},
        "quiet": before[0] <= QUIET_CORES,
        "cases": cases,
    }
    console = Console()
    console.width = max(console.width, WIDTH)
    console.print(table(result))
    write_json(out / "result.json", result)
    write_run(out, config, seconds=time.perf_counter() - started)
    return out / "result.json"


def run_case(case: Case, python: Path, *, seconds: float) -> dict[str, Any]:
    """Run all comparisons of a case; ``skipped`` holds the reason if the case does not run to its end."""
    record: dict[str, Any] = {"peer": case.peer, "versions": {}, "comparisons": []}
    try:
        with Peer(python, case.worker) as peer:
            record["versions"] = peer.versions
            for comparison in case.comparisons():
                record["comparisons"].append(compare(comparison, peer, seconds=seconds))
    except PeerError as error:
        record["skipped"] = f"{case.peer}: {error}"
    except InputError as error:
        record["skipped"] = f"ours: {error}"
    return record


def table(result: dict[str, Any]) -> Table:
    """Return a table with a row for each comparison; without times if the quality is not equal."""
    rows = Table(title=_title(result), caption=_caption(result))
    rows.add_column("case, and its quality")
    ratios = ("peer / ours", "quartiles", "of minima", "of CPU")
    for heading in ("ours, ms", "peer, ms", *ratios, "required"):
        rows.add_column(heading, justify="right")
    for name, case in result["cases"].items():
        rows.add_section()
        for comparison in case["comparisons"]:
            label = f"{name}: {comparison['name']}; {case['peer']}\n  {_figures(comparison['quality'])}"
            if "ratio" not in comparison:
                rows.add_row(escape(f"{label}: not equal, therefore no times"), style="red")
                continue
            ratio, times = comparison["ratio"], (comparison["ours"], comparison["peer"])
            mark = "green" if ratio["of_medians"] >= 1 else "red"
            rows.add_row(
                escape(label),
                *(f"{side['median_ms']:.3g}\na {comparison['unit']}" for side in times),
                f"[{mark}]{ratio['of_medians']:.3g}[/{mark}]" + ("" if comparison["quiet"] else " *"),
                " to ".join(f"{quartile:.3g}" for quartile in ratio["quartiles"]),
                f"{ratio['of_minima']:.3g}",
                f"{ratio['of_cpu_medians']:.3g}",
                _required(comparison),
            )
        if "skipped" in case:
            rows.add_row(escape(f"{name}: skipped; {case['skipped']}"))
    return rows


def _required(comparison: dict[str, Any]) -> str:
    required, met = comparison["wanted"], comparison["met"]
    parts = [f"{required['ratio']:g}x: {'yes' if met['ratio'] else 'no'}"]
    if required["ms"] is not None:
        parts.append(f"{required['ms']:g} ms: {'yes' if met['ms'] else 'no'}")
    return "\n".join(parts)


def _figures(quality: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value:.5g}" for name, value in quality["figures"].items())


def _title(result: dict[str, Any]) -> str:
    return f"Medians on {result['cores']} cores of {result['processor']}, JAX {result['jax']}"


def _caption(result: dict[str, Any]) -> str:
    load = result["load_average"]
    return (
        f"Load average {load['before'][0]:.1f} before, {load['after'][0]:.1f} after. Quartiles are of "
        "ratios of consecutive runs; CPU is processor time over all threads. * Other programs used more than "
        f"{QUIET_CORES:g} cores, or their use is unknown. That affects libraries that wait for all their "
        "threads most: measure again when the machine is quiet."
    )


if __name__ == "__main__":
    # The peers compute on the processor.
    jax.config.update("jax_platforms", "cpu")
    run(Config, main, eval.benchmark.__doc__, prints_tables=False)
