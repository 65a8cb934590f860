"""Training examples of keypoint detectors: cached descriptors of boxes, and the positions of keypoints."""

import json
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Float16, Int

from convcorr_jax import coords
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.batching import padded_batches
from convcorr_jax.datasets.records import load_image
from convcorr_jax.errors import InputError
from convcorr_jax.io import write_at, write_json
from convcorr_jax.keypoints import Cells, prior_features
from convcorr_jax.runtime.progress import progress
from convcorr_jax.tasks.keypoints.categories import Category

# Boxes that are described in one call.
BATCH = 8


class Examples(NamedTuple):
    """The objects of a category that may train."""

    settings: dict[str, Any]
    """Everything that decides the descriptors, for cache keys."""
    objects: Int[np.ndarray, " objects"]
    """The index of each object in the category's records."""
    points: Float[np.ndarray, "objects n 2"]
    """Visible keypoints (x, y); NaN for all others. In pixels of the cells' square: the image to which the box,
    enlarged by the margin on each side, is warped; pixel centres are at integers."""
    longer_px: Float[np.ndarray, " objects"]
    """The longer side of each box, in pixels of the photograph."""
    px_per_photograph_px: Float[np.ndarray, "objects 2"]
    """Pixels of the square for one pixel of the photograph, along x and y."""
    features: Float16[np.ndarray, "objects e"]
    """pool5 of every object, at unit length."""
    described: Int[np.ndarray, " described"]
    """The objects that have descriptors, as indices of ``objects``."""
    maps: Float16[np.ndarray, "described gh gw d"]
    """Descriptors on a grid of ``gh`` by ``gw`` cells, mapped from disk: those of the candidates and of
    ``window // 2`` more cells on every side, so that each candidate has a whole window."""
    seconds: float
    """Seconds of reading and describing the boxes, in all runs together."""


def read_examples(
    category: Category, cells: Cells, weights: Weights, *, images: int, folder: Path
) -> Examples:
    """Describe a category's training objects, except for those that an earlier run described.

    Args:
        category: the objects; without an official split, all of them may train.
        cells: the candidates and their descriptors.
        weights: the network's weights.
        images: the number of objects to describe, at most; they are evenly spread over all.
        folder: the folder of cached descriptors.

    Raises:
        InputError: a cached file is damaged, an image cannot be read, or a box lies outside its image.
        WriteError: a cached file cannot be written.
    """
    has_split = (category.folds == -1).any()
    objects = np.flatnonzero((category.folds == -1) | ~has_split)
    boxes = [category.boxes[i] for i in objects]
    to_square = [cells.square.from_photograph_px(box) for box in boxes]
    points = np.where(category.visible[..., None], category.points, np.nan)[objects]
    spread = np.linspace(0, len(objects) - 1, min(images, len(objects))).round().astype(int)

    def photographs(rows: Sequence[int]) -> list[np.ndarray]:
        return [load_image(category.records[objects[row]]) for row in rows]

    def descriptors(rows: Sequence[int]) -> np.ndarray:
        pairs = zip(photographs(rows), (boxes[row] for row in rows), strict=True)
        views = [cells.square.warp(photograph, box) for photograph, box in pairs]
        squares = np.stack([view.pyramid[0] for view in views])
        return np.asarray(cells.describe(squares, weights.params), np.float16)

    def pool5(rows: Sequence[int]) -> np.ndarray:
        row_boxes = [boxes[row] for row in rows]
        return prior_features(photographs(rows), row_boxes, weights=weights).astype(np.float16)

    settings = {
        "category": category.name,
        "records": category.fingerprint,
        "network": weights.network.name,
        "weights": weights.fingerprint,
        "box_px": cells.square.box_px,
        "margin": cells.square.margin,
    }
    features, _ = _cached_rows(folder / "pool5", pool5, range(len(objects)), settings)
    maps, seconds = _cached_rows(folder / cells.name, descriptors, spread.tolist(), settings)
    return Examples(
        settings,
        objects,
        np.stack([coords.apply(*pair) for pair in zip(to_square, points, strict=True)]),
        np.array([box.longer_side for box in boxes]),
        np.stack([transform.scale for transform in to_square]),
        features,
        spread,
        maps,
        seconds,
    )


def _cached_rows(
    path: Path,
    describe: Callable[[Sequence[int]], np.ndarray],
    numbers: Sequence[int],
    settings: dict[str, Any],
) -> tuple[np.ndarray, float]:
    """Compute one row for every number; return the rows, mapped from disk, and the seconds spent in all runs.

    After every batch its rows are written, then the number of finished rows is noted in the ``.json`` beside
    them; a later run continues after the last noted batch.
    """
    listing, rows_path = path.with_suffix(".json"), path.with_suffix(".float16")
    settings = settings | {"numbers": list(numbers)}
    entry = _entry(listing, rows_path, settings)
    remaining = numbers[entry["done"] :]
    batches = list(padded_batches(len(remaining), size=BATCH))
    for rows, own in progress(batches, description=f"{settings['category']}: {path.name}"):
        began = time.perf_counter()
        computed = describe([remaining[row] for row in rows])[:own]
        write_at(rows_path, entry["done"] * computed[0].nbytes, computed.tobytes())
        entry |= {"done": entry["done"] + own, "shape": computed.shape[1:]}
        entry["seconds"] += time.perf_counter() - began
        write_json(listing, entry)
    shape = (len(numbers), *entry["shape"])
    return np.memmap(rows_path, np.float16, "r", shape=shape), float(entry["seconds"])


def _entry(listing: Path, rows_path: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """Read how many rows an earlier run with the same settings finished."""
    if listing.exists():
        try:
            entry = json.loads(listing.read_text(encoding="utf-8"))
            if entry["settings"] == settings:
                expected = 2 * entry["done"] * math.prod(entry["shape"])
                if rows_path.stat().st_size < expected:
                    raise ValueError(f"{rows_path.name} ends before the rows that it should have")
                return entry
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{listing} is damaged ({error}); remove it to describe the boxes again"
            ) from error
    return {"settings": settings, "done": 0, "shape": (), "seconds": 0.0}
