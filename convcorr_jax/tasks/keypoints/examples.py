"""Training examples of keypoint detectors, and rounds of fitting detectors and mining violators, all cached."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float16, Int, Int8

from convcorr_jax.arrays import padded_batches
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets import load_image
from convcorr_jax.keypoints import Cells, Detectors, detection, prior_features
from convcorr_jax.runtime import RowFiles, progress, stage
from convcorr_jax.tasks.keypoints.categories import Category

# Boxes that are described in one call.
BATCH = 8


class Examples(NamedTuple):
    """The objects of a category that may train."""

    settings: dict[str, Any]
    """Everything that decides the descriptors, for cache keys."""
    objects: Int[np.ndarray, " objects"]
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


def read_examples(category: Category, cells: Cells, weights: Weights, *, images: int, folder: Path) -> Examples:
    """Describe a category's training objects, except for those that an earlier run described.

    Without an official split, all objects may train. At most ``images`` objects are described, evenly spread.
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
    features, _ = _cached_rows(folder, "pool5", pool5, range(len(objects)), settings)
    maps, seconds = _cached_rows(folder, cells.name, descriptors, spread.tolist(), settings)
    height, width = (side + cells.window - 1 for side in cells.centers.shape[:2])
    return Examples(
        settings,
        objects,
        np.stack([transform(each) for transform, each in zip(to_square, points, strict=True)]),
        np.array([box.longer_side for box in boxes]),
        np.stack([transform.scale for transform in to_square]),
        features,
        spread,
        maps.reshape(len(spread), height, width, -1),
        seconds,
    )


def _cached_rows(
    folder: Path,
    name: str,
    describe: Callable[[Sequence[int]], np.ndarray],
    numbers: Sequence[int],
    settings: dict[str, Any],
) -> tuple[np.ndarray, float]:
    """Compute one row for every number; return the rows, mapped from disk, and the seconds of all runs."""
    path, settings = folder / f"{name}.manifest.json", settings | {"numbers": list(numbers)}
    remedy, files = f"remove {path.name} to describe the boxes again", None
    if path.exists():
        files = RowFiles.read(path, kind="manifest of described boxes", remedy=remedy)
    if files is None or files.settings != settings:
        files = RowFiles.begin(path, settings, counts={name: len(numbers)}, remedy=remedy, seconds=0.0)
    remaining = numbers[files.rows(name) :]
    if remaining:
        files.check(name)
    batches = list(padded_batches(len(remaining), size=BATCH))
    for rows, own in progress(batches, description=f"{settings['category']}: {name}"):
        began = time.perf_counter()
        computed = describe([remaining[row] for row in rows])[:own]
        files.append({name: computed}, seconds=files.facts["seconds"] + time.perf_counter() - began)
    return files.mapped(name), float(files.facts["seconds"])


class MinedDetectors(NamedTuple):
    """The detectors after the last round, and facts about every round."""

    detectors: Detectors
    rounds: list[dict[str, float]]
    """Of every fit: the number of candidates that it was trained on; the number of negative examples outside
    them with a score above -1 (violators of the margin); and the seconds of fitting and of mining."""


@dataclass(frozen=True, eq=False)
class Mining:
    """Descriptors and labels of images, and how detectors are trained on them.

    Maps are grids of ``gh`` by ``gw`` cells: those of the ``h`` by ``w`` candidates and of half a window of
    cells more on every side. Labels are 1 for positive examples, -1 for negative ones, 0 for candidates that do
    not count. Violators are added at most ``rounds`` times after the initial fit. The settings decide maps and
    labels, for cache keys.
    """

    maps: Float[np.ndarray, "images gh gw d"]
    labels: Int8[np.ndarray, "images h w n"]
    cost: float
    rounds: int
    seed: int
    settings: dict[str, Any]

    def run(self, folder: Path, *, chosen: Bool[np.ndarray, " images"] | None = None) -> MinedDetectors:
        """Train detectors on the chosen images, by default on all; load the rounds that an earlier run cached.

        Mining ends early when no candidate outside the pool violates a margin.
        """
        maps, labels = self.maps, self.labels
        if chosen is not None:
            maps, labels = maps[chosen], labels[chosen]
        settings = self.settings | {
            "cost": self.cost,
            "tolerance": detection.TOLERANCE,
            "seed": self.seed,
            "left_out": [] if chosen is None else np.flatnonzero(~chosen).tolist(),
        }
        pool = detection.initial_pool(labels, seed=self.seed)
        detectors, rounds = None, []
        for number in range(self.rounds + 1):
            done = stage(
                folder / f"round_{number}.npz",
                settings,
                lambda pool=pool, start=detectors: _round(maps, labels, pool, self.cost, start),
            )
            detectors = Detectors(done["weights"], done["bias"])
            rounds.append(
                {
                    "candidates": int(pool.sum()),
                    "violators_left": int(done["violators"]),
                    "fit_seconds": float(done["fit_seconds"]),
                    "mining_seconds": float(done["mining_seconds"]),
                }
            )
            if not done["violators"]:
                break
            pool = done["pool"]
        assert detectors is not None, "there is at least one round"
        return MinedDetectors(detectors, rounds)


def _round(maps, labels, pool, cost: float, start: Detectors | None) -> dict[str, np.ndarray]:
    began = time.perf_counter()
    detectors = detection.fit_detectors(maps, labels, pool, cost=cost, start=start)
    fitted_at = time.perf_counter()
    mined = detection.mine_violators(maps, labels, pool, detectors)
    return {
        "weights": np.asarray(detectors.weights),
        "bias": np.asarray(detectors.bias),
        "pool": mined.pool,
        "violators": np.array(mined.violators),
        "fit_seconds": np.array(fitted_at - began),
        "mining_seconds": np.array(time.perf_counter() - fitted_at),
    }
