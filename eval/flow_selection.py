"""The choice of the settings of flows, and what chosen settings score on pairs that did not choose them.

    python -m eval.flow_selection --data-root ../shared/data

Settings are the layers, the input sizes, the margin of boxes, the temperature and the smoothness of a method
(see `convcorr_jax.tasks.transfer.select`), by boxes warped to squares and by whole photographs. PF-WILLOW has
no training split, so that its pairs are scored by three choices:

- ``nested``: each category with the settings that the other three choose; what to quote;
- ``elsewhere``: with settings that rendered objects (of another seed than the results') and, if the folder
  exists, the training split of ``lfpw68`` choose;
- ``tuned``: with the settings that its own pairs choose, which is too high.

Each has ``pck`` with its 95 % ``interval``, which draws both photographs of pairs, and the ``settings``.
Choices are made on every third pair, by the mean of PCK at 0.05, 0.1 and 0.2; all pairs are scored.
"""

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convcorr_jax.datasets import read_pairs, root_folder
from convcorr_jax.descriptors import PAPER_RECIPES, RECIPES
from convcorr_jax.io import make_folder
from convcorr_jax.runtime import run, write_results
from convcorr_jax.tasks import Backbone, DataRoot, Output
from convcorr_jax.tasks.transfer import (
    FlowScores,
    Pairs,
    choose_on,
    face_pairs,
    fixed_pairs,
    methods_for,
    rendered_pairs,
    score_choices,
    space_of,
)


@dataclass(frozen=True)
class Config:
    """The sizes of the sets that choose."""

    backbone: Backbone = Backbone()
    methods: tuple[str, ...] = ()
    """Names of the methods; by default all."""
    rendered_test: int = 5
    """Rendered objects of every category that are aligned with their nearest ones."""
    faces: int = 20
    """Photographs of ``lfpw68`` that are aligned with their nearest ones."""
    every: int = 3
    """Every how many pairs of PF-WILLOW choose."""
    output: Output = Output(Path("runs/flow_selection"))
    data_root: DataRoot = None
    """Folder of data sets; by default $CONVCORR_DATA, or else the user's data folder."""


def main(config: Config) -> Path:
    """Choose and score every method by box and by image; returns the path of ``result.json``."""
    started = time.perf_counter()
    out, weights = make_folder(config.output.out), config.backbone.load()
    root = root_folder(data_root=config.data_root)
    willow = fixed_pairs(read_pairs("pf_willow", data_root=config.data_root))
    elsewhere = {"rendered": rendered_pairs(weights, test=config.rendered_test)}
    if (root / "lfpw68").is_dir():
        elsewhere["lfpw68_train"] = face_pairs(weights, data_root=root, count=config.faces)
    network = weights.network.name
    result: dict[str, dict[str, Any]] = {}
    for framing in ("box", "image"):
        boxed = framing == "box"
        result[framing] = {}

        def scores(pairs: Pairs, name: str, *, boxed: bool = boxed) -> FlowScores:
            framed = dataclasses.replace(pairs, boxed=boxed)
            return FlowScores(framed, weights, folder=out / "cached" / name)

        for method in methods_for(RECIPES[network], PAPER_RECIPES[network], boxed=boxed):
            if config.methods and method.name not in config.methods:
                continue
            space = space_of(method, network, boxed=boxed)
            chosen = choose_on(method, space, [scores(pairs, name) for name, pairs in elsewhere.items()])
            result[framing][method.name] = score_choices(
                method, space, chosen, willow, every=config.every, scores=scores
            )
    return write_results(out, {"network": network, "methods": result}, config, started=started)


if __name__ == "__main__":
    run(Config, main, __doc__)
