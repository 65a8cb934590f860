"""Features at the keypoints of a category's photographs, computed in parts that are kept on disk.

The frame. The paper takes photographs as PASCAL VOC has them, with a longer side of 500 pixels; so every
photograph is resized to that, and radii and fields of its pixels mean what they mean in the paper. (Those of
the data sets here are crops of 200 to 300 pixels.) It stands on a square canvas, which makes all of one size.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from convcorr_jax import coords
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets.records import load_image
from convcorr_jax.descriptors.at_points import canvas, columns_at, sift_at_points
from convcorr_jax.images import Resampled
from convcorr_jax.runtime.progress import progress
from convcorr_jax.runtime.runlog import plain
from convcorr_jax.runtime.stages import stage
from convcorr_jax.tasks.keypoints.categories import Category

VOC_SIDE_PX = 500
# Photographs a compiled call, and a part that is kept: a minute's work.
_BATCH = 8
_PART = 400


@dataclass(frozen=True)
class Settings:
    """What is computed.

    Attributes:
        side_px: of the canvas.
        layers: whose columns.
        radii_px: of SIFT, in pixels of the canvas.
        interpolate: whether columns are interpolated, see `columns_at`.
    """

    side_px: int
    layers: tuple[str, ...]
    radii_px: tuple[int, ...]
    interpolate: bool

    @property
    def names(self) -> tuple[str, ...]:
        """Of the features, SIFT first, as in Table 3."""
        return (*map(sift_name, self.radii_px), *self.layers)


def sift_name(radius_px: int) -> str:
    """The name of SIFT of this radius among the features."""
    return f"sift_{radius_px}"


class Keypoints(NamedTuple):
    """The visible keypoints of a category that lie in their photographs, photograph after photograph."""

    labels: Int[np.ndarray, " n"]
    photographs: Int[np.ndarray, " n"]
    """The record's number."""
    folds: Int[np.ndarray, " n"]
    outside: int
    """How many visible keypoints lie outside and are left out."""


def keypoints_of(category: Category) -> Keypoints:
    """The samples of a category."""
    inside = np.stack(
        [
            ((points >= -0.5) & (points <= np.array([width, height]) - 0.5)).all(axis=-1)
            for points, (height, width) in zip(
                category.points, (one.size for one in category.records), strict=True
            )
        ]
    )
    photographs, labels = np.nonzero(category.visible & inside)
    outside = int((category.visible & ~inside).sum())
    return Keypoints(labels, photographs, category.folds[photographs], outside)


def shown(category: Category, number: int, side_px: int) -> Resampled:
    """A record's photograph on its canvas."""
    return canvas(load_image(category.records[number]), side_px=side_px)


def features(
    category: Category,
    keypoints: Keypoints,
    weights: Weights,
    settings: Settings,
    folder: Path,
) -> dict[str, Float[np.ndarray, "n _"]]:
    """Every feature at every keypoint, by name; parts that lie in ``folder`` already are not computed again.

    They are kept in half precision, whose error is far below what tells two keypoints apart.
    """
    count = len(category.records)
    parts = []
    starts = range(0, count, _PART)
    for start in starts:
        numbers = range(start, min(start + _PART, count))
        identity = {
            "settings": plain(settings),
            "weights": weights.fingerprint,
            **category.fingerprint,
        }
        parts.append(
            stage(
                folder / f"{category.name}_{start:05d}.npz",
                identity,
                lambda numbers=numbers: _part(category, keypoints, numbers, weights, settings),
            )
        )
    return {name: np.concatenate([part[name] for part in parts]) for name in settings.names}


def _part(
    category: Category, keypoints: Keypoints, numbers: range, weights: Weights, settings: Settings
) -> dict[str, np.ndarray]:
    blocks: dict[str, list[np.ndarray]] = {name: [] for name in settings.names}
    for batch in progress(_batches(numbers), description=category.name, total=-(-len(numbers) // _BATCH)):
        # The last batch is filled up, so that one compiled program serves all.
        views = [shown(category, number, settings.side_px) for number in batch]
        views += views[-1:] * (_BATCH - len(batch))
        photographs = np.stack([one.image for one in views])
        points = np.zeros((_BATCH, len(category.names), 2), np.float32)
        for place, number in enumerate(batch):
            points[place] = coords.apply(views[place].transform, category.points[number])
        found = {
            sift_name(radius): block
            for radius, block in sift_at_points(
                photographs, points, radii_px=settings.radii_px
            ).items()
        } | columns_at(
            weights.params,
            photographs,
            points,
            network=weights.network,
            layers=settings.layers,
            interpolate=settings.interpolate,
        )
        here = np.isin(keypoints.photographs, batch)
        place, label = keypoints.photographs[here] - batch[0], keypoints.labels[here]
        for name, block in found.items():
            blocks[name].append(np.asarray(block)[place, label].astype(np.float16))
    return {name: np.concatenate(parts) for name, parts in blocks.items()}


def _batches(numbers: range) -> Iterator[Sequence[int]]:
    return (numbers[start : start + _BATCH] for start in range(0, len(numbers), _BATCH))
