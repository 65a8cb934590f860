"""Nearest neighbours of patches: photographs rebuilt from them, and their mean receptive fields.

Source: Long et al. 2014, Figures 1 and 2.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from convcorr_jax import coords
from convcorr_jax.backbone import grid_size, receptive_field
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets import Record, load_image
from convcorr_jax.errors import InputError
from convcorr_jax.patches import (
    Plan,
    Scores,
    columns,
    crop_to_tiles,
    from_tiles,
    mean_windows,
    middle_share,
    scores,
    uniform_tiles,
    view,
)
from convcorr_jax.retrieval import nearest_neighbors
from convcorr_jax.runtime import progress
from convcorr_jax.shapes import Image
from convcorr_jax.tasks.patches.database import PatchDatabase, build_database, read_database
from convcorr_jax.tasks.reading import PHOTOGRAPHS, DataRoot, Source, read


@dataclass(frozen=True)
class PatchData:
    """Which patch database to search, and what it consists of."""

    dataset: Source = PHOTOGRAPHS
    """``photographs``, or the name or path of a data set's folder."""
    data_root: DataRoot = None
    """Folder of data sets; by default $CONVCORR_DATA, or else the user's data folder."""
    layers: tuple[str, ...] = Plan.layers
    """Layers of the network."""
    longest_px: tuple[int, ...] = Plan.longest_px
    """Longer sides at which every photograph is described, plain and mirrored."""
    patches: int = Plan.patches
    """Patches of every layer; all there are, if they are fewer."""
    database: Path | None = None
    """The patch database's folder; by default one named after the data set in runs/patch_database."""
    rebuild: bool = False
    """Build the database again."""
    seed: int = 0
    """Seed of all random choices."""


class Patches(NamedTuple):
    """Photographs and the databases of their patches."""

    records: Sequence[Record]
    layers: dict[str, PatchDatabase]
    build_seconds: float
    """The time it took to build what was missing and to check everything."""

    @property
    def facts(self) -> dict[str, Any]:
        """The description of the databases in a script's result."""
        return {
            "photographs": len(self.records),
            "patches": {layer: len(stored.features) for layer, stored in self.layers.items()},
            "database_mb": {
                layer: round(stored.features.nbytes / 1e6, 1) for layer, stored in self.layers.items()
            },
            "build_seconds": round(self.build_seconds, 2),
        }

    def photograph(self, number: int) -> Image:
        """Load a photograph by its number, as origins use it."""
        return load_image(self.records[number])


def open_patches(options: PatchData, weights: Weights) -> Patches:
    """Open the databases of a data set's photographs, after building what is missing."""
    records = read(options.dataset, data_root=options.data_root)
    folder = options.database or Path("runs/patch_database") / Path(options.dataset).name
    started = time.perf_counter()
    build_database(
        folder,
        records,
        weights,
        plan=Plan(options.layers, options.longest_px, options.patches, options.seed),
        rebuild=options.rebuild,
        watch=lambda chunks: progress(chunks, description="patches"),
    )
    layers = {layer: read_database(folder, layer) for layer in options.layers}
    return Patches(records, layers, time.perf_counter() - started)


class MeanFields(NamedTuple):
    """Receptive fields of a layer, averaged."""

    seeds: Float[np.ndarray, "seeds side side 3"]
    neighbors: Float[np.ndarray, "ks seeds side side 3"]
    """The means over each seed's nearest neighbours, for each number of neighbours."""
    random: Float[np.ndarray, "ks seeds side side 3"]
    """The means over as many random patches."""


def average_fields(
    patches: Patches, weights: Weights, *, layer: str, seeds: int, neighbors: Sequence[int], seed: int
) -> MeanFields:
    """Average the receptive fields of the nearest neighbours of random patches, and of random patches.

    The ``seeds`` patches are of as many photographs; the numbers of ``neighbors`` increase.
    """
    if not 1 <= seeds <= len(patches.records):
        raise InputError(f"seeds is {seeds}; 1 to {len(patches.records)} are expected, one a photograph")
    stored = patches.layers[layer]
    rng = np.random.default_rng(seed)
    # Random patches of as many random photographs.
    owners = stored.origins.photograph
    photographs = rng.permutation(np.unique(owners))[:seeds]
    chosen = np.array([rng.choice(np.flatnonzero(owners == number)) for number in photographs])
    nearest = nearest_neighbors(
        np.asarray(stored.features[chosen], np.float32),
        stored.features,
        k=max(neighbors),
        exclude_same=(owners[chosen], owners),
    ).indices
    random = rng.integers(0, len(stored.features), nearest.shape)
    field, watch = receptive_field(weights.network, layer), partial(progress, description=layer)

    def means(rows: Int[np.ndarray, "seeds k"], ks: Sequence[int]):
        return mean_windows(
            patches.photograph, stored.origins, rows, ks=ks, field=field, side_px=field.size_px, watch=watch
        )

    return MeanFields(means(chosen[:, None], (1,))[0], means(nearest, neighbors), means(random, neighbors))


def middle_shares(
    means: Float[np.ndarray, "ks seeds side side 3"], *, neighbors: Sequence[int]
) -> dict[str, float]:
    """Average `middle_share` over the seeds by number of neighbours, without means of one colour."""
    return {
        str(k): float(np.nanmean([middle_share(mean) for mean in of_k]))
        for k, of_k in zip(neighbors, means, strict=True)
    }


class Query(NamedTuple):
    """A photograph to rebuild."""

    number: int
    image: Image


class Rebuilt(NamedTuple):
    """The reconstructions of every query by one method."""

    originals: list[Image]
    """For each query, the part of its image that is rebuilt."""
    images: list[list[Image]]
    """For each query, one reconstruction for each number of neighbours."""
    seconds: float
    """The time of the search, or of the whole method if it does not search."""


def choose_queries(patches: Patches, *, count: int, longest_px: int) -> list[Query]:
    """Choose at most ``count`` photographs, evenly spread over the data set, and rescale them."""
    spread = (np.arange(count) + 0.5) * len(patches.records) / count
    return [
        Query(number, view(patches.photograph(number), longest_px=longest_px))
        for number in np.unique(spread.astype(int)).tolist()
    ]


def rebuild_from_neighbors(
    queries: Sequence[Query], patches: Patches, weights: Weights, *, layer: str, neighbors: Sequence[int]
) -> Rebuilt:
    """Rebuild every query from its nearest neighbours in other photographs, in one search for all."""
    field = receptive_field(weights.network, layer)
    maps = [_columns(query, weights, layer) for query in queries]
    grids = [coords.Size(*of_query.shape[:2]) for of_query in maps]
    cells = [grid.height * grid.width for grid in grids]
    features = np.concatenate([of_query.reshape(-1, of_query.shape[-1]) for of_query in maps])
    photograph = np.repeat([query.number for query in queries], cells)
    stored = patches.layers[layer]
    started = time.perf_counter()
    nearest = nearest_neighbors(
        features, stored.features, k=max(neighbors), exclude_same=(photograph, stored.origins.photograph)
    )
    seconds = time.perf_counter() - started
    tiles = mean_windows(
        patches.photograph,
        stored.origins,
        nearest.indices,
        ks=neighbors,
        field=field,
        side_px=field.stride_px,
        watch=partial(progress, description=layer),
    )
    by_query = np.split(tiles, np.cumsum(cells)[:-1], axis=1)
    return Rebuilt(
        [crop_to_tiles(query.image, grid, field=field) for query, grid in zip(queries, grids, strict=True)],
        [[_assembled(of_k, grid) for of_k in of_query] for of_query, grid in zip(by_query, grids, strict=True)],
        seconds,
    )


def rebuild_uniformly(
    queries: Sequence[Query], weights: Weights, *, layer: str, neighbors: Sequence[int], seed: int
) -> Rebuilt:
    """Rebuild every query from random patches of its own receptive fields; see `uniform_tiles`."""
    started = time.perf_counter()
    field = receptive_field(weights.network, layer)
    originals, images = [], []
    for query in queries:
        grid = grid_size(weights.network, layer, query.image.shape[:2])
        tiles = uniform_tiles(query.image, grid, field=field, ks=neighbors, seed=seed)
        originals.append(crop_to_tiles(query.image, grid, field=field))
        images.append([_assembled(of_k, grid) for of_k in tiles])
    return Rebuilt(originals, images, time.perf_counter() - started)


def score(rebuilt: Rebuilt, *, detail_px: int) -> Float[np.ndarray, "queries ks 3"]:
    """Compute the `Scores` of reconstructions; a square of ``detail_px`` separates detail from the rest."""
    return np.array(
        [
            [scores(image, original, side_px=detail_px) for image in images]
            for original, images in zip(rebuilt.originals, rebuilt.images, strict=True)
        ]
    )


def mean_scores(
    by_method: Mapping[str, Float[np.ndarray, "queries ks 3"]], *, neighbors: Sequence[int]
) -> dict[str, dict[str, dict[str, float]]]:
    """Average scores over queries, as a table of methods, numbers of neighbours and scores."""
    return {
        name: {
            str(k): Scores(*mean.tolist())._asdict()
            for k, mean in zip(neighbors, of_method.mean(axis=0), strict=True)
        }
        for name, of_method in by_method.items()
    }


def _columns(query: Query, weights: Weights, layer: str) -> np.ndarray:
    maps = columns(query.image[None], weights.params, network=weights.network, layers=(layer,))
    return np.asarray(maps[layer][0])


def _assembled(tiles: np.ndarray, grid: coords.Size) -> Image:
    return np.round(from_tiles(tiles, grid)).astype(np.uint8)
