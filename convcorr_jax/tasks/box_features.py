"""What is seen in the boxes of a category's objects, squashed to squares, in parts that are kept on disk."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from convcorr_jax import coords, images
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets.records import load_image
from convcorr_jax.descriptors.global_features import global_features
from convcorr_jax.descriptors.views import view
from convcorr_jax.runtime.progress import progress
from convcorr_jax.runtime.stages import stage
from convcorr_jax.shapes import Image
from convcorr_jax.tasks.keypoints.categories import Category

RGB = "rgb"
"""Beside the layers: the colours themselves, between 0 and 1."""
RGB_SIDE_PX = 32
# Objects of a part that is kept: a minute's work at most.
_PART = 500


class BoxFeatures(NamedTuple):
    """Descriptions of a category's objects, each mirrored after it, and where their keypoints are."""

    features: Float[np.ndarray, "rows d"]
    points: Float[np.ndarray, "rows n 2"]
    """In the frame of `convcorr_jax.probes.keypoints`; NaN where not visible."""
    objects: Int[np.ndarray, " rows"]
    mirrored: Bool[np.ndarray, " rows"]
    to_photograph_px: tuple[coords.Transform, ...]
    """Of every object, from that frame."""


def box_features(
    category: Category, weights: Weights, *, layer: str, margin: float, folder: Path
) -> BoxFeatures:
    """Describe every object by a layer or by its colours, as it is and mirrored.

    Args:
        category: whose objects; their boxes are shown.
        weights: of the network.
        layer: as of `global_features`, or `RGB`.
        margin: as of `view`.
        folder: where parts are kept.
    """
    side = RGB_SIDE_PX if layer == RGB else weights.network.image_side

    def squares(numbers: range) -> Iterator[Image]:
        for number in progress(numbers, description=f"{category.name}: {layer}"):
            photograph, box = load_image(category.records[number]), category.boxes[number]
            square = view(photograph, box, sizes_px=(side,), margin=margin).pyramid[0]
            yield from (square, images.flip(square))

    def part(numbers: range) -> dict[str, np.ndarray]:
        if layer == RGB:
            found = (
                np.stack([*squares(numbers)]).reshape(2 * len(numbers), -1).astype(np.float32) / 255
            )
        else:
            found = global_features(squares(numbers), weights=weights, layer=layer)
        return {"features": found.astype(np.float16)}

    parts, count = [], len(category.records)
    for start in range(0, count, _PART):
        settings = {
            "weights": weights.fingerprint,
            "layer": layer,
            "margin": margin,
            **category.fingerprint,
        }
        path = folder / f"{category.name}_{layer}_{start:05d}.npz"
        numbers = range(start, min(start + _PART, count))
        parts.append(stage(path, settings, lambda numbers=numbers: part(numbers))["features"])
    # A view's square, reduced to one pixel.
    to_square = [coords.box_to_size(coords.grow(box, margin), (1, 1)) for box in category.boxes]
    points = np.where(category.visible[..., None], category.points, np.nan)
    pairs = category.records[0].left_right_pairs
    both = []
    for transform, some in zip(to_square, points, strict=True):
        inside = coords.apply(transform, some)
        both += [inside, coords.flip_points(inside, width=1, left_right_pairs=pairs)]
    return BoxFeatures(
        np.concatenate(parts).astype(np.float32),
        np.stack(both),
        np.repeat(np.arange(count), 2),
        np.arange(2 * count) % 2 == 1,
        tuple(map(coords.invert, to_square)),
    )
