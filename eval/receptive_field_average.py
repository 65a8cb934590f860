"""Figure 2 of Long et al. 2014: the mean receptive field of the nearest neighbours of random features.

    python -m eval.receptive_field_average                                (photographs that packages ship)
    python -m eval.receptive_field_average --dataset imagenet_sample      (a million patches a layer)

``result.json`` has ``middle_share``, the share of the means' gradient energy in the middle ninth of the
field, before their contrast is expanded, as a mean over the seeds; ``random`` is the same of as many random
patches, and 1/9 = 0.111 would be detail spread evenly. The database is that of ``patch_reconstruction``.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from convcorr_jax.backbone import receptive_field
from convcorr_jax.backbone.weights import Weights, load
from convcorr_jax.datasets.records import load_image
from convcorr_jax.errors import InputError
from convcorr_jax.io import make_folder, write_image, write_json
from convcorr_jax.patches.database import PatchDatabase
from convcorr_jax.patches.receptive_field_average import expand_contrast, middle_share
from convcorr_jax.patches.views import mean_windows
from convcorr_jax.report.figures import image_grid, pixels
from convcorr_jax.retrieval import nearest_neighbors
from convcorr_jax.runtime.progress import progress
from convcorr_jax.runtime.runlog import write_run
from convcorr_jax.runtime.script import run
from convcorr_jax.shapes import Image
from convcorr_jax.tasks.patches import DatabaseConfig, Patches, patches_of


@dataclass(frozen=True)
class Config(DatabaseConfig):
    """Whose neighbours to average."""

    neighbors: tuple[int, ...] = (5, 50, 500)
    seeds: int = 8
    """Random patches of as many photographs; where layers share a grid, they share seeds."""
    out: Path = Path("runs/receptive_field_average")


def main(config: Config) -> Path:
    """Build or find the databases, average, and write ``result.json`` and a picture; returns its path."""
    started = time.perf_counter()
    out = make_folder(config.out)
    weights = load(config.network, config.weights)
    patches = patches_of(config, weights)
    if not 1 <= config.seeds <= len(patches.records):
        raise InputError(
            f"seeds is {config.seeds}; 1 to {len(patches.records)} are expected, one a photograph"
        )
    shares: dict[str, dict[str, float]] = {}
    random_shares: dict[str, dict[str, float]] = {}
    rows, labels = [], []
    for layer, stored in patches.layers.items():
        rng = np.random.default_rng(config.seed)
        seeds = _seeds(stored, config.seeds, rng)
        near = nearest_neighbors(
            np.asarray(stored.features[seeds], np.float32),
            stored.features,
            k=max(config.neighbors),
            exclude_same=(stored.origins.photograph[seeds], stored.origins.photograph),
        ).indices
        strangers = rng.integers(0, len(stored.features), near.shape)
        own = _means(layer, seeds[:, None], (1,), patches, weights)
        means = _means(layer, near, config.neighbors, patches, weights)
        of_random = _means(layer, strangers, config.neighbors, patches, weights)
        shares[layer] = _shares(means, config)
        random_shares[layer] = _shares(of_random, config)
        rows += [_row(one) for one in (*own, *means, of_random[-1])]
        labels += [
            f"{layer}: seeds",
            *(f"{layer}: mean of {k} neighbours" for k in config.neighbors),
            f"{layer}: mean of {config.neighbors[-1]} random patches",
        ]
    write_image(out / "figure_2.jpg", pixels(image_grid(rows, row_labels=labels, cell_px=110)))
    result = {
        "dataset": config.dataset,
        "network": weights.network.name,
        "weights": weights.source,
        **patches.facts,
        "seeds": config.seeds,
        "middle_share": shares,
        "random": random_shares,
    }
    write_json(out / "result.json", result)
    write_run(out, config, seconds=time.perf_counter() - started)
    return out / "result.json"


def _seeds(stored: PatchDatabase, count: int, rng: np.random.Generator) -> np.ndarray:
    """Rows of random patches of as many random photographs."""
    there = np.unique(stored.origins.photograph)
    chosen = rng.permutation(there)[:count]
    return np.array(
        [rng.choice(np.flatnonzero(stored.origins.photograph == one)) for one in chosen]
    )


def _means(
    layer: str, neighbors: np.ndarray, ks: tuple[int, ...], patches: Patches, weights: Weights
) -> np.ndarray:
    field = receptive_field(weights.network, layer)
    return mean_windows(
        lambda number: load_image(patches.records[number]),
        patches.layers[layer].origins,
        neighbors,
        ks=ks,
        field=field,
        side_px=field.size_px,
        watch=lambda numbers: progress(numbers, description=layer, total=len(numbers)),
    )


def _shares(means: np.ndarray, config: Config) -> dict[str, float]:
    """By number of neighbours; a plain mean, which has no detail anywhere, does not count."""
    return {
        str(k): float(np.nanmean([middle_share(one) for one in of_k]))
        for k, of_k in zip(config.neighbors, means, strict=True)
    }


def _row(means: np.ndarray) -> list[Image]:
    return [expand_contrast(one) for one in means]


if __name__ == "__main__":
    run(Config, main, __doc__)
