"""Matches to explore: real photographs aligned for several values of the smoothness, with keypoints carried.

    python -m eval.match_explorer                              (photographs and known warps of themselves)
    python -m eval.match_explorer --dataset pf_willow          (one pair of each of some subsets)

Whole photographs are aligned by convolutional descriptors, by SIFT at the same cells, and copied.
``result.json`` has the mean error of the keypoints and PCK for each smoothness, relative to the longer side of
the second photograph; ``explorer.json`` has the photographs, flows, confidences and data terms for the page of
`eval.reproduce`; ``page.html`` is a page of its own.
"""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convcorr_jax.descriptors import paper_recipe_for, recipe_for
from convcorr_jax.errors import InputError
from convcorr_jax.io import make_folder, written_whole
from convcorr_jax.report import match_page, matches_data
from convcorr_jax.runtime import run, write_results
from convcorr_jax.tasks import PHOTOGRAPHS, Backbone, Data, Output
from convcorr_jax.tasks.transfer import exploration_report, explore, methods_for, pairs_to_explore

# Thresholds of PCK, in units of the longer side of the second photograph.
_ALPHAS = (0.025, 0.05, 0.1)


@dataclass(frozen=True)
class Config:
    """Which pairs to align, and with which network."""

    data: Data = Data(PHOTOGRAPHS)
    pairs: int = 3
    """Number of pairs, at most."""
    factors: tuple[float, ...] = (0.0625, 0.25, 1.0, 4.0, 16.0)
    """Values of the smoothness, in units of each method's own, in rising order."""
    backbone: Backbone = Backbone()
    output: Output = Output(Path("runs/match_explorer"))


def main(config: Config) -> Path:
    """Align every pair by every method; returns the path of ``result.json``."""
    started = time.perf_counter()
    factors = config.factors
    if config.pairs < 1 or not factors or list(factors) != sorted(set(factors)) or factors[0] <= 0:
        raise InputError(
            f"pairs is {config.pairs} and factors {factors}; at least 1 and rising positive numbers are "
            "expected"
        )
    out = make_folder(config.output.out)
    weights = config.backbone.load()
    network = weights.network
    pairs = pairs_to_explore(config.data.dataset, data_root=config.data.data_root, count=config.pairs)
    methods = methods_for(recipe_for(network), paper_recipe_for(network), boxed=False)
    mutual = [method for method in methods if method.cost == "mutual"]
    matched = explore(pairs, mutual, weights, factors=factors)
    result: dict[str, Any] = {
        "dataset": config.data.dataset,
        "network": network.name,
        "weights": weights.source,
        "pairs": [pair.name for pair in matched],
        "points": sum(len(pair.points_a) for pair in matched),
        "factors": list(factors),
        "methods": exploration_report(matched, alphas=_ALPHAS),
    }
    facts = {"Network": f"{network.name}, {weights.source}", "Data": config.data.dataset}
    data = matches_data(matched)
    page = match_page("Matches", data, facts=facts)
    for name, text in (("explorer.json", json.dumps(data)), ("page.html", page)):
        with written_whole(out / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return write_results(out, result, config, started=started)


if __name__ == "__main__":
    run(Config, main, __doc__)
