"""Features at the keypoints of a category's photographs, cached in parts.

Long et al. 2014 take photographs from PASCAL VOC, whose longer side has 500 pixels. Every photograph is
therefore resized to that side, so that radii and receptive fields in pixels have the paper's meaning. (The
compact data sets have crops of 200 to 300 pixels.) Resized photographs are padded to squares of one size.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from convcorr_jax import coords
from convcorr_jax.arrays import padded_batches
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets import load_image
from convcorr_jax.descriptors import canvas, columns_at, sift_at_points
from convcorr_jax.errors import InputError
from convcorr_jax.images import Resampled
from convcorr_jax.runtime import progress
from convcorr_jax.runtime.runlog import plain
from convcorr_jax.runtime.stages import cached_in_parts
from convcorr_jax.tasks.keypoints.categories import Category

VOC_SIDE_PX = 500
"""The longer side of the photographs of PASCAL VOC."""
# Photographs of one compiled call.
_BATCH = 8
# Photographs of one cached part: about a minute's work.
_PART = 400


@dataclass(frozen=True)
class FeatureOptions:
    """Which features of a keypoint are compared."""

    layers: tuple[str, ...] = ("conv1", "conv2", "conv3", "conv4", "conv5")
    """Layers whose columns are features."""
    radii_px: tuple[int, ...] = (10, 20, 40, 80, 160)
    """Radii of SIFT, in pixels of the resized photographs."""
    side_px: int = VOC_SIDE_PX
    """Longer side to which photographs are resized."""
    interpolate: bool = False
    """Beyond the paper: interpolate between the nearest columns of a layer."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features, SIFT first, as in Table 3 of the paper."""
        return (*self.sift_names, *self.layers)

    @property
    def sift_names(self) -> tuple[str, ...]:
        """Names of the SIFT features, one for every radius."""
        return tuple(map(sift_name, self.radii_px))

    def check(self) -> None:
        """Refuse options out of their range."""
        for name, values in {"layers": self.layers, "radii_px": self.radii_px}.items():
            if not values or len(set(values)) < len(values):
                raise InputError(f"{name} is {values}; at least one is expected, none of them twice")
        if self.side_px < 1:
            raise InputError(f"side_px is {self.side_px}; at least 1 is expected")


def sift_name(radius_px: int) -> str:
    """Return the name of the SIFT feature of a radius in pixels of the resized photographs."""
    return f"sift_{radius_px}"


class KeypointSamples(NamedTuple):
    """The visible keypoints of a category that are inside their photographs, photograph by photograph."""

    labels: Int[np.ndarray, " n"]
    """The keypoint type of every sample, from 0."""
    photographs: Int[np.ndarray, " n"]
    """The index of the sample's record."""
    folds: Int[np.ndarray, " n"]
    """The fold in which the sample is tested; -1 if it only trains."""
    outside: int
    """The number of visible keypoints that are outside their photographs, and therefore no samples."""


def keypoint_samples(category: Category) -> KeypointSamples:
    """Return the samples of a category."""
    sizes = (record.size for record in category.records)
    inside = np.stack(
        [
            coords.inside(points, coords.whole_image(size))
            for points, size in zip(category.points, sizes, strict=True)
        ]
    )
    photographs, labels = np.nonzero(category.visible & inside)
    outside = int((category.visible & ~inside).sum())
    return KeypointSamples(labels, photographs, category.folds[photographs], outside)


def resized_photograph(category: Category, number: int, *, side_px: int) -> Resampled:
    """Return a record's photograph, its longer side resized, padded to a square, with the points' transform."""
    return canvas(load_image(category.records[number]), side_px=side_px)


def keypoint_features(
    category: Category, samples: KeypointSamples, weights: Weights, options: FeatureOptions, *, folder: Path
) -> dict[str, Float[np.ndarray, "n _"]]:
    """Compute every feature of every sample, or load it from the parts that an earlier run cached.

    Features are cached in half precision, whose error is far below the differences between keypoints.
    """
    return cached_in_parts(
        folder,
        category.name,
        {"features": plain(options), "weights": weights.fingerprint, "records": category.fingerprint},
        lambda numbers: _part(category, samples, numbers, weights, options),
        count=len(category.records),
        part=_PART,
    )


def _part(
    category: Category, samples: KeypointSamples, numbers: range, weights: Weights, options: FeatureOptions
) -> dict[str, np.ndarray]:
    """Compute the features of the samples of some photographs."""
    blocks: dict[str, list[np.ndarray]] = {name: [] for name in options.names}
    batches = list(padded_batches(len(numbers), size=_BATCH))
    for rows, own in progress(batches, description=category.name):
        batch = [numbers[row] for row in rows[:own]]
        views = [resized_photograph(category, number, side_px=options.side_px) for number in batch]
        photographs = np.stack([view.image for view in views])[rows - rows[0]]
        points = np.zeros((_BATCH, len(category.names), 2), np.float32)
        for place, number in enumerate(batch):
            points[place] = views[place].transform(category.points[number])
        sift = sift_at_points(photographs, points, radii_px=options.radii_px)
        columns = columns_at(
            weights.params,
            photographs,
            points,
            network=weights.network,
            layers=options.layers,
            interpolate=options.interpolate,
        )
        features = {sift_name(radius): block for radius, block in sift.items()} | columns
        in_batch = np.isin(samples.photographs, batch)
        place, label = samples.photographs[in_batch] - batch[0], samples.labels[in_batch]
        for name, block in features.items():
            blocks[name].append(np.asarray(block)[place, label].astype(np.float16))
    return {name: np.concatenate(parts) for name, parts in blocks.items()}
