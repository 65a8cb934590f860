"""The choice of the settings of flows, and what chosen settings score on pairs that did not choose them.

    python -m eval.flow_selection --data-root ../shared/data

Settings are the layers, the input sizes, the margin of boxes, the temperature and the smoothness of a method
(see `convcorr_jax.tasks.transfer.select`), by boxes warped to squares and by whole photographs. PF-WILLOW has
no training split, so that its pairs are scored by three choices:

- ``nested``: each category with the settings that the other three choose; what to quote;
- ``elsewhere``: with settings that rendered objects (of another seed than the results') and, if the folder
  exists, the training split of ``lfpw68`` choose;
- ``tuned``: with the settings that its own pairs choose, which is too high.

Each has ``pck`` with its 95 % ``interval`` over pairs, and the ``settings``. Choices are made on every third
pair, by the mean of PCK at 0.05, 0.1 and 0.2; all pairs are scored.
"""

import functools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from convcorr_jax.datasets import read_pairs, root_folder
from convcorr_jax.descriptors import PAPER_RECIPES, RECIPES
from convcorr_jax.io import make_folder
from convcorr_jax.metrics import Pck
from convcorr_jax.runtime.runlog import plain, write_results
from convcorr_jax.runtime.script import run
from convcorr_jax.tasks.options import Backbone, Output
from convcorr_jax.tasks.transfer import (
    ChoiceSet,
    FlowScores,
    Method,
    SearchSpace,
    Selection,
    faces_set,
    fixed_set,
    leave_category_out,
    methods_for,
    pck_with_intervals,
    rendered_set,
    score_pairs,
    select,
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
    data_root: Path | None = None
    """Folder of data sets; by default $CONVCORR_DATA, or else the user's data folder."""


def main(config: Config) -> Path:
    """Choose and score every method by box and by image; returns the path of ``result.json``."""
    started = time.perf_counter()
    out, weights = make_folder(config.output.out), config.backbone.load()
    root = root_folder(data_root=config.data_root)
    elsewhere = {"rendered": rendered_set(weights, test=config.rendered_test)}
    if (root / "lfpw68").is_dir():
        elsewhere["lfpw68 train"] = faces_set(weights, data_root=root, count=config.faces)
    willow = None
    if (root / "pf_willow").is_dir():
        willow = fixed_set(read_pairs("pf_willow", data_root=root))
    network, result = weights.network.name, {}
    for framing in ("box", "image"):
        boxed = framing == "box"
        result[framing] = {}

        def scores(pairs: ChoiceSet, *names: str, boxed: bool = boxed) -> FlowScores:
            return FlowScores(pairs, weights, boxed=boxed, folder=out.joinpath("cached", *names))

        for method in methods_for(RECIPES[network], PAPER_RECIPES[network], boxed=boxed):
            if config.methods and method.name not in config.methods:
                continue
            space = space_of(method, network, boxed=boxed)
            sets = [scores(pairs, name.replace(" ", "_")) for name, pairs in elsewhere.items()]
            chosen = select(method, space, lambda one, sets=sets: _mean(one, sets))
            facts: dict[str, Any] = {"elsewhere": _settings(chosen)}
            if willow is not None:
                facts |= _on_willow(method, space, chosen, willow, config.every, scores)
            result[framing][method.name] = facts
    return write_results(out, {"network": network, "methods": result}, config, started=started)


def _on_willow(
    method: Method,
    space: SearchSpace,
    elsewhere: Selection,
    willow: ChoiceSet,
    every: int,
    scores: Any,
) -> dict[str, Any]:
    """Choose on every few pairs of each category, and score all pairs by the three choices."""
    few, names = willow.every(every), tuple(dict.fromkeys(willow.categories))
    of_few = {name: scores(few.of_category(name), "choosing", name) for name in names}
    of_all = {name: scores(willow.of_category(name), "scored", name) for name in names}
    means = {name: functools.cache(of_few[name].mean) for name in names}
    nested = {name: leave_category_out(method, space, means, held_out=name) for name in names}
    tuned = select(
        method, space, lambda one: float(np.mean([mean(one) for mean in means.values()]))
    )
    return {
        "elsewhere": {
            **_settings(elsewhere),
            **_scored(willow, {name: of_all[name].predicted(elsewhere.method) for name in names}),
        },
        "nested": {
            "settings": {name: _settings(nested[name])["settings"] for name in names},
            **_scored(
                willow, {name: of_all[name].predicted(nested[name].method) for name in names}
            ),
        },
        "tuned": {
            **_settings(tuned),
            **_scored(willow, {name: of_all[name].predicted(tuned.method) for name in names}),
        },
    }


def _scored(
    willow: ChoiceSet, predicted: Mapping[str, Float[np.ndarray, "_ n 2"]]
) -> dict[str, Any]:
    """Join the predictions of the categories in the order of the pairs, and score them."""
    categories = np.array(willow.categories)
    points = np.empty((len(categories), *next(iter(predicted.values())).shape[1:]))
    for name, of_category in predicted.items():
        points[categories == name] = of_category
    score: Pck = score_pairs(willow, points)
    return pck_with_intervals(score)


def _mean(method: Method, sets: Sequence[FlowScores]) -> float:
    return float(np.mean([scores.mean(method) for scores in sets]))


def _settings(chosen: Selection) -> dict[str, Any]:
    return {"settings": plain(chosen.method), "tried": chosen.tried}


if __name__ == "__main__":
    run(Config, main, __doc__)
