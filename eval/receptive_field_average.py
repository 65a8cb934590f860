"""Figure 2 of Long et al. 2014: the mean receptive field of the nearest neighbours of random features.

    python -m eval.receptive_field_average                                (photographs that packages ship)
    python -m eval.receptive_field_average --dataset imagenet_sample      (a million patches a layer)

``result.json`` holds ``middle_share``, the fraction of the means' gradient energy in the middle ninth of the
receptive field, before their contrast is expanded, as a mean over the seeds; ``random`` is the same for as many
random patches. Evenly distributed detail would have 1/9 = 0.111. The database is that of
``patch_reconstruction``.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from convcorr_jax.io import make_folder, write_image
from convcorr_jax.patches import expand_contrast
from convcorr_jax.report import image_grid, pixels
from convcorr_jax.runtime import run, write_results
from convcorr_jax.tasks import Backbone, Output
from convcorr_jax.tasks.patches import PatchData, average_fields, middle_shares, open_patches


@dataclass(frozen=True)
class Config:
    """Which features' neighbours to average."""

    data: PatchData = PatchData()
    backbone: Backbone = Backbone()
    neighbors: tuple[int, ...] = (5, 50, 500)
    """Numbers of neighbours to average, rising."""
    seeds: int = 8
    """Random patches of as many photographs; where layers share a grid, they share seeds."""
    output: Output = Output(Path("runs/receptive_field_average"))


def main(config: Config) -> Path:
    """Build or open the databases, average and draw; returns the path of ``result.json``."""
    started = time.perf_counter()
    out = make_folder(config.output.out)
    weights = config.backbone.load()
    patches = open_patches(config.data, weights)
    neighbors = config.neighbors
    shares, random_shares = {}, {}
    rows, labels = [], []
    for layer in patches.layers:
        fields = average_fields(
            patches, weights, layer=layer, seeds=config.seeds, neighbors=neighbors, seed=config.data.seed
        )
        shares[layer] = middle_shares(fields.neighbors, neighbors=neighbors)
        random_shares[layer] = middle_shares(fields.random, neighbors=neighbors)
        shown = (fields.seeds, *fields.neighbors, fields.random[-1])
        rows += [[expand_contrast(mean) for mean in means] for means in shown]
        labels += [
            f"{layer}: seeds",
            *(f"{layer}: mean of {k} neighbours" for k in neighbors),
            f"{layer}: mean of {neighbors[-1]} random patches",
        ]
    write_image(out / "figure_2.jpg", pixels(image_grid(rows, row_labels=labels, cell_px=110)))
    result = {
        "dataset": config.data.dataset,
        "network": weights.network.name,
        "weights": weights.source,
        **patches.facts,
        "seeds": config.seeds,
        "middle_share": shares,
        "random": random_shares,
    }
    return write_results(out, result, config, started=started)


if __name__ == "__main__":
    run(Config, main, __doc__)
