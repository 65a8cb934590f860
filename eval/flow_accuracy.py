"""Flow where the truth is known exactly: warped photographs.

    python -m eval.flow_accuracy --seeds 4

Every photograph is paired with a thin-plate warp of itself under other light, before another background.
``endpoint_error_px`` is the mean distance between the flow and the truth over visible pixels of images that
are 256 pixels long; ``pck`` is that of corners, relative to the longer side of the image. Both have a 95 %
bootstrap interval over photographs. ``copy`` is the zero flow.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from convcorr_jax.descriptors import paper_recipe_for, recipe_for
from convcorr_jax.io import make_folder
from convcorr_jax.runtime import plain, run, write_results
from convcorr_jax.tasks import Backbone, DataRoot, Output
from convcorr_jax.tasks.transfer import CORNERS, measure_accuracy, methods_for, warp_photographs


@dataclass(frozen=True)
class Config:
    """How many pairs to align, and with which network."""

    seeds: int = 4
    """Warps of every photograph."""
    backbone: Backbone = Backbone()
    output: Output = Output(Path("runs/flow_accuracy"))
    data_root: DataRoot = None
    """Not used; every script accepts it."""


def main(config: Config) -> Path:
    """Align every pair by every method; returns the path of ``result.json``."""
    started = time.perf_counter()
    out = make_folder(config.output.out)
    weights = config.backbone.load()
    network = weights.network
    warped = warp_photographs(seeds=config.seeds)
    methods = methods_for(recipe_for(network), paper_recipe_for(network), boxed=False)
    result = {
        "pairs": len(warped),
        "network": network.name,
        "weights": weights.source,
        "protocol": plain(CORNERS),
        "methods": measure_accuracy(warped, methods, weights),
    }
    return write_results(out, result, config, started=started)


if __name__ == "__main__":
    run(Config, main, __doc__)
