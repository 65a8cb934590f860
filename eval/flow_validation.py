"""The choice of the smoothness of flows: a grid of values on data on which no result is reported.

    python -m eval.flow_validation --data-root ../shared/data

Validation sets: rendered categories of another seed than the results', every test instance aligned with its
three nearest training instances; and, if the folder exists, the training split of ``lfpw68``, its even
photographs aligned with the nearest odd ones. Both are aligned by boxes warped to squares and by whole
photographs. PF-WILLOW has no training split; there ``leave_one_category_out`` is the score of each category
with the smoothness that the other three choose, which is what a choice without the test data scores.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from convcorr_jax.datasets import root_folder
from convcorr_jax.descriptors import PAPER_RECIPES, RECIPES
from convcorr_jax.io import make_folder
from convcorr_jax.runtime.runlog import write_results
from convcorr_jax.runtime.script import run
from convcorr_jax.tasks.options import Backbone, Output
from convcorr_jax.tasks.transfer import (
    faces_set,
    methods_for,
    rendered_set,
    validate,
    willow_set,
)
from convcorr_jax.tasks.transfer.validation import ALPHA


@dataclass(frozen=True)
class Config:
    """The grid of values, and the sizes of the validation sets."""

    smoothness: tuple[float, ...] = (0.05, 0.07, 0.1, 0.14, 0.2, 0.28, 0.4)
    """The values to compare."""
    backbone: Backbone = Backbone()
    rendered_test: int = 5
    """Validation instances of every rendered category."""
    faces: int = 20
    """Validation photographs of ``lfpw68``."""
    pairs: int = 300
    """Pairs of PF-WILLOW for the choice that leaves a category out, evenly spaced."""
    output: Output = Output(Path("runs/flow_validation"))
    data_root: Path | None = None
    """Folder of data sets; by default $CONVCORR_DATA, or else the user's data folder."""


def main(config: Config) -> Path:
    """Score every smoothness of every method; returns the path of ``result.json``."""
    started = time.perf_counter()
    out = make_folder(config.output.out)
    weights = config.backbone.load()
    root = root_folder(data_root=config.data_root)
    sets = {"rendered": rendered_set(weights, test=config.rendered_test)}
    if (root / "lfpw68").is_dir():
        sets["lfpw68 train"] = faces_set(weights, data_root=root, count=config.faces)
    willow = None
    if (root / "pf_willow").is_dir():
        willow = willow_set(data_root=root, count=config.pairs)
    network = weights.network.name
    methods = {
        method.name: validate(
            method,
            weights,
            smoothness=config.smoothness,
            sets=sets,
            held_out=willow,
            folder=out,
        )
        for method in methods_for(RECIPES[network], PAPER_RECIPES[network], boxed=True)
    }
    result = {"alpha": ALPHA, "smoothness": list(config.smoothness), "methods": methods}
    return write_results(out, result, config, started=started)


if __name__ == "__main__":
    run(Config, main, __doc__)
