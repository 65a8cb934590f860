"""Keypoint transfer: Table 2 of Long et al. 2014, and the pairs of PF-WILLOW.

    python -m eval.keypoint_transfer --dataset rendered                       (25 neighbours vote)
    python -m eval.keypoint_transfer --dataset lfpw68
    python -m eval.keypoint_transfer --dataset pf_willow --protocol box       (900 fixed pairs)
    python -m eval.keypoint_transfer --dataset pf_willow --protocol image --network vgg16

``--protocol box`` warps the objects' boxes to squares, ``image`` resizes whole photographs to squares;
``neighbors`` is the paper's own: boxes, the 25 nearest training objects, of which the five with the least
deformation vote.

Methods: ``conv_flow``, our descriptors around conv4 and the mutual cost; ``sift_flow``, SIFT at its cells;
``paper_conv4`` and ``paper_sift``, the two of Table 2, conv4 and SIFT of radius 20 at conv4's cells with the
distance as cost; ``copy``, no alignment. Settings are constants of the library: those of the paper's
methods were chosen by other data, ours were tuned on PF-WILLOW. `eval.flow_selection` states what a choice
without the scored category scores there.

``interval`` is the 95 % bootstrap interval: of fixed pairs, both photographs are drawn, else test objects;
``conv_flow_minus`` and ``paper_conv4_minus`` are paired differences to other methods; ``other_protocols`` the
figures by further protocols in use for the data set. The predictions of a method, every keypoint of every pair,
are cached in ``<method>.npz`` in ``--out``, and a second run with the same settings uses them.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convcorr_jax.backbone import Network
from convcorr_jax.descriptors import Recipe, paper_recipe_for, recipe_for
from convcorr_jax.io import make_folder
from convcorr_jax.runtime import plain, run, write_results
from convcorr_jax.tasks import Backbone, CategoryData, Output
from convcorr_jax.tasks.transfer import (
    Transfer,
    differences,
    methods_for,
    open_pairs,
    other_protocols,
    run_methods,
    score,
    score_table,
    write_figures,
)

# The paper's two methods, and what they are compared with.
_PAPER = ("paper_conv4", "paper_sift", "copy")


@dataclass(frozen=True)
class Config:
    """Which keypoints to transfer, and how."""

    data: CategoryData = CategoryData()
    protocol: Transfer = "neighbors"
    """Neighbours that vote, or the fixed pairs of PF-WILLOW by box or by whole image."""
    backbone: Backbone = Backbone()
    layers: tuple[str, ...] | None = None
    """Layers of ``conv_flow``; the last one defines the grid. By default the network's recipe."""
    sizes_px: tuple[int, ...] | None = None
    """Sides of the square inputs of ``conv_flow``. By default the network's recipe."""
    smoothness: float | None = None
    """Smoothness of ``conv_flow``; by default the library's."""
    targets: int | None = None
    """Number of tested objects of each category for which neighbours vote, evenly spread; by default all."""
    box_jitter: float = 0.0
    """Standard deviation of random displacements and log scales of the boxes of fixed pairs, in box sides."""
    output: Output = Output(Path("runs/keypoint_transfer"))


def main(config: Config) -> Path:
    """Run every method, score it, and draw examples; returns the path of ``result.json``."""
    started = time.perf_counter()
    out = make_folder(config.output.out)
    weights = config.backbone.load()
    network = weights.network
    methods = methods_for(
        _recipe(config, network),
        paper_recipe_for(network),
        boxed=config.protocol != "image",
        smoothness=config.smoothness,
    )
    pairs = open_pairs(
        config.data, weights, transfer=config.protocol, targets=config.targets, box_jitter=config.box_jitter
    )
    outcomes = run_methods(pairs, methods, weights, folder=out)
    predictions = {name: outcome.predicted for name, outcome in outcomes.items()}
    # Copying gives the same points on the grid of every method.
    predictions["copy"] = outcomes[methods[-1].name].copied
    scores = {name: score(pairs, predicted) for name, predicted in predictions.items()}
    table = score_table(pairs, scores)
    for method in methods:
        table[method.name] |= {**outcomes[method.name].timings, "settings": plain(method)}
    result: dict[str, Any] = {
        "dataset": config.data.dataset,
        "split": pairs.split,
        "protocol": {"transfer": config.protocol, **plain(pairs.protocol)},
        "network": network.name,
        "weights": weights.source,
        "retrieval_layer": None if pairs.neighborhoods is None else pairs.neighborhoods.layer,
        "pairs": len(pairs.indices),
        "targets": len(pairs.targets),
        "methods": table,
        "conv_flow_minus": differences(scores),
        "paper_conv4_minus": differences({name: scores[name] for name in _PAPER}),
        "other_protocols": other_protocols(pairs, predictions),
        "seconds_per_pair": table["conv_flow"]["seconds_per_pair"],
    }
    write_figures(out, pairs, methods, outcomes, predictions, weights)
    return write_results(out, result, config, started=started)


def _recipe(config: Config, network: Network) -> Recipe:
    recipe = recipe_for(network)
    return Recipe(config.layers or recipe.layers, config.sizes_px or recipe.sizes_px, recipe.center)


if __name__ == "__main__":
    run(Config, main, __doc__)
