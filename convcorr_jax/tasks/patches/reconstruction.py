"""Reconstruction of photographs from the patches of their nearest neighbours (Figure 1 of Long et al. 2014)."""

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from convcorr_jax import coords
from convcorr_jax.backbone import grid_size, receptive_field
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.patches import Scores, columns, covered, from_tiles, mean_windows, scores, uniform_tiles, view
from convcorr_jax.retrieval import nearest_neighbors
from convcorr_jax.runtime import progress
from convcorr_jax.shapes import Image
from convcorr_jax.tasks.patches.averages import Patches


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
        watch=lambda numbers: progress(numbers, description=layer),
    )
    by_query = np.split(tiles, np.cumsum(cells)[:-1], axis=1)
    return Rebuilt(
        [covered(query.image, grid, field=field) for query, grid in zip(queries, grids, strict=True)],
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
        originals.append(covered(query.image, grid, field=field))
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
