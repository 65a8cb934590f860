"""Figure 1 of Long et al. 2014: photographs rebuilt from the patches of their nearest neighbours.

    python -m eval.patch_reconstruction                                (photographs that packages ship)
    python -m eval.patch_reconstruction --dataset imagenet_sample      (a million patches a layer)

Every cell's tile becomes the mean tile of its 1 or 5 nearest neighbours in the patch database of a layer, which
come from other photographs. ``uniform`` draws tiles from the first layer's receptive field in the photograph
itself. ``result.json`` holds the mean `Scores` of every method: colour error (grey levels), gradient error (an
image of one colour has 1), and the correlation of detail finer than the first layer's receptive field, which is
near 0 for ``uniform``. The database is built once; a run that was killed continues its build.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from convcorr_jax.backbone import receptive_field
from convcorr_jax.errors import InputError
from convcorr_jax.io import make_folder, write_image
from convcorr_jax.report import reconstruction_figure
from convcorr_jax.runtime import run, write_results
from convcorr_jax.tasks import Backbone, Output
from convcorr_jax.tasks.patches import (
    PatchData,
    choose_queries,
    mean_scores,
    open_patches,
    rebuild_from_neighbors,
    rebuild_uniformly,
    score,
)

UNIFORM = "uniform"


@dataclass(frozen=True)
class Config:
    """Which photographs to rebuild from which patches."""

    data: PatchData = PatchData()
    backbone: Backbone = Backbone()
    neighbors: tuple[int, ...] = (1, 5)
    """Numbers of neighbours to average, rising."""
    examples: int = 6
    """Photographs to rebuild, evenly spread over the data set."""
    query_px: int = 448
    """The longer side of what is rebuilt."""
    output: Output = Output(Path("runs/patch_reconstruction"))


def main(config: Config) -> Path:
    """Build or open the databases, rebuild, score and draw; returns the path of ``result.json``."""
    started = time.perf_counter()
    if config.examples < 1:
        raise InputError(f"examples is {config.examples}; at least 1 photograph is expected")
    out = make_folder(config.output.out)
    weights = config.backbone.load()
    patches = open_patches(config.data, weights)
    queries = choose_queries(patches, count=config.examples, longest_px=config.query_px)
    names = [patches.records[query.number].source_id for query in queries]
    layers, neighbors = config.data.layers, config.neighbors
    rebuilt = {
        layer: rebuild_from_neighbors(queries, patches, weights, layer=layer, neighbors=neighbors)
        for layer in layers
    }
    rebuilt[UNIFORM] = rebuild_uniformly(
        queries, weights, layer=layers[0], neighbors=neighbors, seed=config.data.seed
    )
    detail_px = receptive_field(weights.network, layers[0]).size_px
    scores = {method: score(images, detail_px=detail_px) for method, images in rebuilt.items()}
    figure = reconstruction_figure(
        rebuilt[layers[0]].originals,
        {method: reconstructions.images for method, reconstructions in rebuilt.items()},
        scores,
        names=names,
        neighbors=neighbors,
    )
    write_image(out / "figure_1.jpg", figure)
    result = {
        "dataset": config.data.dataset,
        "network": weights.network.name,
        "weights": weights.source,
        **patches.facts,
        "search_seconds": {layer: round(rebuilt[layer].seconds, 2) for layer in layers},
        "rebuilt": names,
        "scores": mean_scores(scores, neighbors=neighbors),
    }
    return write_results(out, result, config, started=started)


if __name__ == "__main__":
    run(Config, main, __doc__)
