"""Figure 1 of Long et al. 2014: photographs rebuilt from the patches of their nearest neighbours.

    python -m eval.patch_reconstruction                                (photographs that packages ship)
    python -m eval.patch_reconstruction --dataset imagenet_sample      (a million patches a layer)

Every cell's tile becomes the mean of its 1 or 5 nearest neighbours' in the patch database of a layer, from
other photographs. ``uniform`` draws tiles from all of the first layer's receptive field, of the photograph
itself. ``result.json`` has each one's mean `Scores`: colour error (grey levels), gradient error (a plain
picture has 1), and the correlation of detail finer than the first layer's receptive field, of which
``uniform`` knows next to nothing. The database is made once; a run that was killed goes on with it.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from convcorr_jax import coords
from convcorr_jax.backbone import grid_size, receptive_field
from convcorr_jax.backbone.weights import Weights, load
from convcorr_jax.datasets.records import load_image
from convcorr_jax.errors import InputError
from convcorr_jax.io import make_folder, write_image, write_json
from convcorr_jax.patches.reconstruction import (
    Scores,
    covered,
    from_tiles,
    scores,
    uniform_tiles,
)
from convcorr_jax.patches.views import columns, mean_windows, view
from convcorr_jax.report.figures import image_grid, pixels
from convcorr_jax.retrieval import nearest_neighbors
from convcorr_jax.runtime.progress import progress
from convcorr_jax.runtime.runlog import write_run
from convcorr_jax.runtime.script import run
from convcorr_jax.shapes import Image
from convcorr_jax.tasks.patches import DatabaseConfig, Patches, patches_of

UNIFORM = "uniform"


@dataclass(frozen=True)
class Config(DatabaseConfig):
    """What to rebuild from what."""

    neighbors: tuple[int, ...] = (1, 5)
    examples: int = 6
    """Photographs to rebuild, evenly spread over the data set."""
    query_px: int = 448
    """The longer side of what is rebuilt."""
    out: Path = Path("runs/patch_reconstruction")


class Query(NamedTuple):
    """A photograph to rebuild."""

    number: int
    """Of its record."""
    image: Image


class Rebuilt(NamedTuple):
    """What one method makes of every query, for each number of neighbours."""

    originals: list[Image]
    pictures: list[list[Image]]
    """By query, then by number of neighbours."""
    seconds: float


def main(config: Config) -> Path:
    """Build or find the databases, rebuild, and write ``result.json`` and a picture; returns its path."""
    started = time.perf_counter()
    if config.examples < 1:
        raise InputError(f"examples is {config.examples}; at least 1 photograph is expected")
    out = make_folder(config.out)
    weights = load(config.network, config.weights)
    patches = patches_of(config, weights)
    queries = _queries(patches, config)
    rebuilt = {layer: _rebuilt(layer, queries, patches, weights, config) for layer in config.layers}
    rebuilt[UNIFORM] = _uniform(queries, weights, config)
    detail_px = receptive_field(weights.network, config.layers[0]).size_px
    found = {
        name: np.array(
            [
                [scores(picture, original, side_px=detail_px) for picture in pictures]
                for original, pictures in zip(one.originals, one.pictures, strict=True)
            ]
        )
        for name, one in rebuilt.items()
    }
    write_image(out / "figure_1.jpg", _figure(queries, rebuilt, found, patches, config))
    result = {
        "dataset": config.dataset,
        "network": weights.network.name,
        "weights": weights.source,
        **patches.facts,
        "search_seconds": {layer: round(rebuilt[layer].seconds, 2) for layer in config.layers},
        "rebuilt": [patches.records[query.number].source_id for query in queries],
        "scores": {
            name: {
                str(k): Scores(*mean.tolist())._asdict()
                for k, mean in zip(config.neighbors, of_method.mean(axis=0), strict=True)
            }
            for name, of_method in found.items()
        },
    }
    write_json(out / "result.json", result)
    write_run(out, config, seconds=time.perf_counter() - started)
    return out / "result.json"


def _queries(patches: Patches, config: Config) -> list[Query]:
    count = len(patches.records)
    spread = (np.arange(config.examples) + 0.5) * count / config.examples
    return [
        Query(number, view(load_image(patches.records[number]), longest_px=config.query_px))
        for number in np.unique(spread.astype(int)).tolist()
    ]


def _rebuilt(
    layer: str, queries: list[Query], patches: Patches, weights: Weights, config: Config
) -> Rebuilt:
    """Every query from its neighbours in other photographs, in one search for all."""
    field = receptive_field(weights.network, layer)
    described = [
        np.asarray(
            columns(query.image[None], weights.params, network=weights.network, layers=(layer,))[
                layer
            ][0]
        )
        for query in queries
    ]
    grids = [coords.Size(*one.shape[:2]) for one in described]
    cells = [grid.height * grid.width for grid in grids]
    features = np.concatenate([one.reshape(-1, one.shape[-1]) for one in described])
    of_photograph = np.repeat([query.number for query in queries], cells)
    stored = patches.layers[layer]
    began = time.perf_counter()
    found = nearest_neighbors(
        features,
        stored.features,
        k=max(config.neighbors),
        exclude_same=(of_photograph, stored.origins.photograph),
    )
    seconds = time.perf_counter() - began
    tiles = mean_windows(
        lambda number: load_image(patches.records[number]),
        stored.origins,
        found.indices,
        ks=config.neighbors,
        field=field,
        side_px=field.stride_px,
        watch=lambda numbers: progress(numbers, description=layer, total=len(numbers)),
    )
    of_query = np.split(tiles, np.cumsum(cells)[:-1], axis=1)
    return Rebuilt(
        [
            covered(query.image, grid, field=field)
            for query, grid in zip(queries, grids, strict=True)
        ],
        [
            [_picture(of_k, grid) for of_k in some]
            for some, grid in zip(of_query, grids, strict=True)
        ],
        seconds,
    )


def _uniform(queries: list[Query], weights: Weights, config: Config) -> Rebuilt:
    began = time.perf_counter()
    layer = config.layers[0]
    field = receptive_field(weights.network, layer)
    originals, pictures = [], []
    for query in queries:
        grid = grid_size(weights.network, layer, query.image.shape[:2])
        tiles = uniform_tiles(query.image, grid, field=field, ks=config.neighbors, seed=config.seed)
        originals.append(covered(query.image, grid, field=field))
        pictures.append([_picture(of_k, grid) for of_k in tiles])
    return Rebuilt(originals, pictures, time.perf_counter() - began)


def _picture(tiles: np.ndarray, grid: coords.Size) -> Image:
    return np.round(from_tiles(tiles, grid)).astype(np.uint8)


def _figure(
    queries: list[Query],
    rebuilt: dict[str, Rebuilt],
    found: dict[str, np.ndarray],
    patches: Patches,
    config: Config,
) -> Image:
    rows, labels, captions = [], [], []
    for i, query in enumerate(queries):
        for j, k in enumerate(config.neighbors):
            original = next(iter(rebuilt.values())).originals[i]
            rows.append([original, *(one.pictures[i][j] for one in rebuilt.values())])
            neighbors = "1 neighbour" if k == 1 else f"{k} neighbours"
            labels.append(f"{patches.records[query.number].source_id}, {neighbors}")
            told = [
                [f"colour {color:.1f}, gradient {gradient:.2f}", f"detail {detail:.2f}"]
                for color, gradient, detail in (of_method[i, j] for of_method in found.values())
            ]
            captions.append([[""], *told])
    head = ("original", *config.layers, "uniform rf")
    return pixels(
        image_grid(rows, row_labels=labels, column_labels=head, captions=captions, cell_px=230)
    )


if __name__ == "__main__":
    run(Config, main, __doc__)
