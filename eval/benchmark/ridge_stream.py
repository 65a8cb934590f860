"""Time and memory of ridge statistics of a million rows, compared with their matrix products alone.

    python -m eval.benchmark.ridge_stream --out runs/ridge_stream

Blocks of rows are accumulated one after the other (`convcorr_jax.linear.ridge.accumulate`), as in a pass over
features on disk. A few blocks are reused in turn, so that no time is spent on creating them. For every tenth
block the products X'X (only the part on and above the diagonal, as in the statistics) and X'Y are computed
alone as well. ``over_products`` is the time of the whole pass over the time of these products for all blocks;
the goal is at most 1.15. ``over_full_products`` compares with the full product X'X, without the use of
symmetry.

The measurement runs in a process of its own. ``before_mb`` is its resident memory, as counted by Linux, when
JAX and the blocks are loaded. ``peak_mb`` is the maximum from then on while a tenth of the blocks are
accumulated, before any product is computed alone. The goal is a difference of at most 500 MB. At the end a
ridge is solved from the statistics and timed separately.
"""

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from convcorr_jax.errors import InputError
from convcorr_jax.io import make_folder, write_json
from convcorr_jax.linear import ridge
from convcorr_jax.linear.folds import full_precision_matmul
from convcorr_jax.runtime import run, write_run
from convcorr_jax.tasks import DataRoot
from eval.benchmark.search_memory import resident_mb

BLOCKS = 3
SAMPLED_EVERY = 10
PENALTY = 1e3


@dataclass(frozen=True)
class Config:
    """The number and the size of the rows."""

    rows: int = 1_000_000
    length: int = 4096
    targets: int = 136
    block: int = 2_500
    """Number of rows in a block."""
    out: Path = Path("runs/ridge_stream")
    data_root: DataRoot = None
    """Not used here; every script accepts it."""


def main(config: Config) -> Path:
    """Accumulate the rows, write ``result.json`` and return its path."""
    started = time.perf_counter()
    if min(config.block, config.length, config.targets) < 1 or config.rows % config.block:
        raise InputError(
            f"rows is {config.rows} and block {config.block}; whole blocks of at least 1 are expected"
        )
    out = make_folder(config.out)
    shape = (config.rows // config.block, config.block, config.length, config.targets)
    finished = subprocess.run(
        [sys.executable, "-m", "eval.benchmark.ridge_stream", "--pass", *map(str, shape)],
        capture_output=True,
        check=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    write_json(out / "result.json", json.loads(finished.stdout))
    write_run(out, config, seconds=time.perf_counter() - started)
    return out / "result.json"


def one_pass(count: int, block: int, length: int, targets: int) -> dict[str, Any]:
    """Accumulate ``count`` blocks in this process, and return the time and memory that takes."""
    rng = np.random.default_rng(0)
    blocks = [
        (
            jnp.asarray(rng.standard_normal((block, length), np.float32)),
            jnp.asarray(rng.standard_normal((block, targets), np.float32)),
        )
        for _ in range(BLOCKS)
    ]
    before = resident_mb("VmRSS")
    # Resets the peak of resident memory.
    Path("/proc/self/clear_refs").write_text("5")

    summed, first = _seconds(ridge.accumulate, ridge.empty_statistics(length, targets), *blocks[0])
    for number in range(count // SAMPLED_EVERY):
        summed, _ = _seconds(ridge.accumulate, summed, *blocks[number % BLOCKS])
    peak = resident_mb("VmHWM")

    half = jax.jit(lambda x, y: (ridge.gram(x), full_precision_matmul(x.T, y)))
    full = jax.jit(lambda x, y: (full_precision_matmul(x.T, x), full_precision_matmul(x.T, y)))
    summed = ridge.empty_statistics(length, targets)
    seconds, half_seconds, full_seconds = 0.0, [], []
    for function in (half, full):
        _seconds(function, *blocks[0])
    for number in range(count):
        summed, taken = _seconds(ridge.accumulate, summed, *blocks[number % BLOCKS])
        seconds += taken
        if number % SAMPLED_EVERY == 0:
            half_seconds.append(_seconds(half, *blocks[number % BLOCKS])[1])
            full_seconds.append(_seconds(full, *blocks[number % BLOCKS])[1])
    solving = _seconds(lambda: ridge.solve(summed, penalty=PENALTY))[1]
    return {
        "rows": int(summed.count),
        "length": length,
        "targets": targets,
        "block_mb": (blocks[0][0].nbytes + blocks[0][1].nbytes) / 2**20,
        "first_call_s": first,
        "seconds": seconds,
        "products_s": float(np.mean(half_seconds)) * count,
        "full_products_s": float(np.mean(full_seconds)) * count,
        "over_products": seconds / (float(np.mean(half_seconds)) * count),
        "over_full_products": seconds / (float(np.mean(full_seconds)) * count),
        "solve_s": solving,
        "before_mb": before,
        "peak_mb": peak,
        "beyond_blocks_mb": peak - before,
    }


def _seconds(function: Any, *arguments: Any) -> tuple[Any, float]:
    began = time.perf_counter()
    result = jax.block_until_ready(function(*arguments))
    return result, time.perf_counter() - began


if __name__ == "__main__":
    jax.config.update("jax_platforms", "cpu")
    if sys.argv[1:2] == ["--pass"]:
        sys.stdout.write(json.dumps(one_pass(*map(int, sys.argv[2:]))))
    else:
        run(Config, main, __doc__)
