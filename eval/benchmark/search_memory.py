"""Memory that a search of a million patches takes beyond the database itself.

    python -m eval.benchmark.search_memory --out runs/search_memory

The database is written to a file of random directions, as `convcorr_jax.tasks.patches.database` stores features
(``float16``, mapped) and in single precision (``float32``, as an array on the device). A fresh process
imports JAX, records its memory (``before_mb``), opens or loads the file, searches it for 5 neighbours of 729
queries, including compilation, and records the maximum of its memory (``peak_mb``): resident memory as counted
by Linux, with the pages of the mapped file. ``beyond_database_mb`` is the peak less ``before_mb`` and the
database; the goal is at most 300 MB.
"""

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from convcorr_jax.io import make_folder, write_json
from convcorr_jax.retrieval import nearest_neighbors
from convcorr_jax.runtime import run, write_run
from convcorr_jax.tasks import DataRoot
from eval.benchmark.cases.nearest_neighbors import QUERIES, directions

NEIGHBORS = 5
ROWS_AT_ONCE = 100_000
KINDS: tuple[Literal["float16", "float32"], ...] = ("float16", "float32")


@dataclass(frozen=True)
class Config:
    """The size of the database."""

    rows: int = 1_000_000
    length: int = 384
    out: Path = Path("runs/search_memory")
    data_root: DataRoot = None
    """Not used here; every script accepts it."""


def main(config: Config) -> Path:
    """Search once for each storage type, write ``result.json`` and return its path."""
    started = time.perf_counter()
    out = make_folder(config.out)
    result: dict[str, Any] = {}
    for kind in KINDS:
        with tempfile.NamedTemporaryFile(dir=out, suffix=".bin") as file:
            rng = np.random.default_rng(0)
            for start in range(0, config.rows, ROWS_AT_ONCE):
                count = min(ROWS_AT_ONCE, config.rows - start)
                directions(rng, count, config.length).astype(kind).tofile(file)
            file.flush()
            command = [sys.executable, "-m", "eval.benchmark.search_memory", "--search", file.name]
            finished = subprocess.run(
                [*command, kind, str(config.length)],
                capture_output=True,
                check=True,
                text=True,
                cwd=Path(__file__).parents[2],
            )
        result[kind] = json.loads(finished.stdout)
    write_json(out / "result.json", result)
    write_run(out, config, seconds=time.perf_counter() - started)
    return out / "result.json"


def search(path: str, kind: str, length: int) -> dict[str, Any]:
    """Search a database on disk in this process, and return the time and memory that takes."""
    jax.block_until_ready(jnp.zeros(1))
    queries = directions(np.random.default_rng(1), QUERIES, length)
    before = resident_mb("VmRSS")
    database: jax.Array | np.ndarray = np.memmap(path, kind, "r").reshape(-1, length)
    if kind == "float32":
        # On the CPU the array shares the mapped memory, because the file is aligned to a page.
        database = jax.device_put(database)
    # Resets the peak of resident memory.
    Path("/proc/self/clear_refs").write_text("5")
    began = time.perf_counter()
    nearest_neighbors(queries, database, k=NEIGHBORS)
    database_mb = database.nbytes / 2**20
    peak = resident_mb("VmHWM")
    return {
        "seconds": time.perf_counter() - began,
        "database_mb": database_mb,
        "before_mb": before,
        "peak_mb": peak,
        "beyond_database_mb": peak - before - database_mb,
    }


def resident_mb(which: Literal["VmRSS", "VmHWM"]) -> float:
    """Return the resident memory of this process (VmRSS) or its peak (VmHWM), in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(which)).split()[1]) / 2**10


if __name__ == "__main__":
    jax.config.update("jax_platforms", "cpu")
    if sys.argv[1:2] == ["--search"]:
        sys.stdout.write(json.dumps(search(sys.argv[2], sys.argv[3], int(sys.argv[4]))))
    else:
        run(Config, main, __doc__)
