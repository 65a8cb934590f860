"""What keypoint detectors learn from: descriptors of boxes, kept on disk, and where the keypoints are."""

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
from convcorr_jax.datasets.records import load_image
from convcorr_jax.errors import InputError
from convcorr_jax.io import write_at, write_json
from convcorr_jax.keypoints.candidates import Cells
from convcorr_jax.keypoints.model import pool5
from convcorr_jax.runtime.progress import progress
from convcorr_jax.tasks.keypoints.categories import Category

# Boxes that are described in one call.
BATCH = 8


class Examples(NamedTuple):
    """The objects of a category that may train."""

    settings: dict[str, Any]
    """All that decides the descriptors."""
    objects: Int[np.ndarray, " objects"]
    """Their numbers among the category's records."""
    points: Float[np.ndarray, "objects n 2"]
    """Visible keypoints in pixels of the margined square; others are NaN."""
    longer_px: Float[np.ndarray, " objects"]
    """The longer side of each box, in pixels of the photograph."""
    px_per_photograph_px: Float[np.ndarray, "objects 2"]
    """How far the square is stretched along x and y."""
    features: Float16[np.ndarray, "objects e"]
    """pool5 of each."""
    described: Int[np.ndarray, " described"]
    """Which of the objects have descriptors: places in ``objects``."""
    maps: Float16[np.ndarray, "described gh gw d"]
    """The descriptors, mapped from the disk."""
    seconds: float
    """What reading and describing the boxes took, in all runs."""


def read_examples(
    category: Category, cells: Cells, weights: Weights, *, images: int, folder: Path
) -> Examples:
    """Describe a category's training objects, or what an earlier run did not get to.

    Args:
        category: the objects; without an official split, all of them may train.
        cells: whose descriptors.
        weights: the network's.
        images: how many are described at most, evenly spread.
        folder: where descriptors are kept.

    Raises:
        InputError: what is kept is damaged, or cannot be written; or as `load_image`.
    """
    official = (category.folds == -1).any()
    objects = np.flatnonzero((category.folds == -1) | ~official)
    boxes = [category.boxes[i] for i in objects]
    frames = [cells.square.from_photograph_px(box) for box in boxes]
    points = np.where(category.visible[..., None], category.points, np.nan)[objects]
    spread = np.linspace(0, len(objects) - 1, min(images, len(objects))).round().astype(int)

    def squares(some: Sequence[int]) -> np.ndarray:
        shown = [
            cells.square.show(load_image(category.records[objects[i]]), boxes[i]) for i in some
        ]
        maps = cells.describe(np.stack([one.pyramid[0] for one in shown]), weights.params)
        return np.asarray(maps, np.float16)

    def neighbors(some: Sequence[int]) -> np.ndarray:
        photographs = [load_image(category.records[objects[i]]) for i in some]
        return pool5(photographs, [boxes[i] for i in some], weights=weights).astype(np.float16)

    settings = {
        "category": category.name,
        **category.fingerprint,
        "network": weights.network.name,
        "weights": weights.fingerprint,
        "box_px": cells.square.box_px,
        "margin": cells.square.margin,
    }
    features, _ = _kept(folder / "pool5", neighbors, range(len(objects)), settings)
    maps, seconds = _kept(folder / cells.name, squares, spread.tolist(), settings)
    return Examples(
        settings,
        objects,
        np.stack([coords.apply(frame, those) for frame, those in zip(frames, points, strict=True)]),
        np.array([box.longer_side for box in boxes]),
        np.stack([frame.scale for frame in frames]),
        features,
        spread,
        maps,
        seconds,
    )


def _kept(
    path: Path,
    describe: Callable[[Sequence[int]], np.ndarray],
    numbers: Sequence[int],
    settings: dict[str, Any],
) -> tuple[np.ndarray, float]:
    """What ``describe`` makes of the numbers, a row each, and the seconds it took; made now or by earlier runs.

    A batch is written, then entered in the ``.json`` beside it; another run goes on after the last entry.
    """
    told, rows = path.with_suffix(".json"), path.with_suffix(".float16")
    settings = settings | {"numbers": list(numbers)}
    entry = _entry(told, rows, settings)
    starts = range(entry["done"], len(numbers), BATCH)
    for start in progress(starts, description=f"{settings['category']}: {path.name}", total=len(starts)):
        began = time.perf_counter()
        some = list(numbers[start : start + BATCH])
        # The last batch is filled up, so that one compiled program serves all.
        found = describe(some + some[-1:] * (BATCH - len(some)))[: len(some)]
        write_at(rows, start * found[0].nbytes, found.tobytes())
        entry |= {"done": start + len(some), "shape": found.shape[1:]}
        entry["seconds"] += time.perf_counter() - began
        write_json(told, entry)
    shape = (len(numbers), *entry["shape"])
    return np.memmap(rows, np.float16, "r", shape=shape), float(entry["seconds"])


def _entry(told: Path, rows: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """How far an earlier run with the same settings came."""
    if told.exists():
        try:
            entry = json.loads(told.read_text(encoding="utf-8"))
            if entry["settings"] == settings:
                wanted = 2 * entry["done"] * math.prod(entry["shape"])
                if rows.stat().st_size < wanted:
                    raise ValueError(f"{rows.name} ends before the rows that it should have")
                return entry
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{told} is damaged ({error}); remove it to describe anew") from error
    return {"settings": settings, "done": 0, "shape": (), "seconds": 0.0}
