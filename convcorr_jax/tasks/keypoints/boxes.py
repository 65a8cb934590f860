"""Features of the boxes of a category's objects, each warped to a square, cached in parts."""

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
from convcorr_jax.runtime.stages import cached_in_parts
from convcorr_jax.shapes import Image
from convcorr_jax.tasks.keypoints.categories import Category

RGB = "rgb"
"""The name that stands for the colors themselves, from 0 to 1, in place of a layer's activations."""
RGB_SIDE_PX = 32
"""Side of the square whose colors are described."""
# Objects of one cached part: at most about a minute's work.
_PART = 500


class BoxFeatures(NamedTuple):
    """Features of a category's objects and of their mirror images, with the positions of their keypoints.

    The rows are the first object, its mirror image, the second object, its mirror image, and so on.
    """

    features: Float[np.ndarray, "rows d"]
    """The feature of every row."""
    points: Float[np.ndarray, "rows n 2"]
    """Keypoints (x, y) in sides of the square with its margin: the centre is (0, 0), the edges are at -0.5 and
    0.5; NaN where not visible."""
    objects: Int[np.ndarray, " rows"]
    """The index of every row's object."""
    mirrored: Bool[np.ndarray, " rows"]
    """Whether the row is a mirror image."""
    to_photograph_px: tuple[coords.Transform, ...]
    """Of every object, the transform from that frame to pixels of its photograph."""


def box_features(
    category: Category, weights: Weights, *, layer: str, margin: float, folder: Path
) -> BoxFeatures:
    """Compute the features of every object's box and of its mirror image.

    Parts that an earlier run cached under the same settings are loaded.

    Args:
        category: the annotated objects.
        weights: the network's weights.
        layer: the layer whose activations are the features, flattened and scaled to unit length; or `RGB`,
            for the colors of the square at 32 x 32 pixels.
        margin: width of the surroundings that the square shows on each side of the box, as a fraction of the
            box's width and height.
        folder: the folder of cached parts.

    Raises:
        InputError: the network has no such layer, a box lies outside its image, an image cannot be read, or
            a cached part is damaged.
        WriteError: a part cannot be written.
    """
    side = RGB_SIDE_PX if layer == RGB else weights.network.image_side

    def squares(numbers: range) -> Iterator[Image]:
        for number in progress(numbers, description=f"{category.name}: {layer}"):
            photograph, box = load_image(category.records[number]), category.boxes[number]
            square = view(photograph, box, sizes_px=(side,), margin=margin).pyramid[0]
            yield from (square, images.flip(square))

    def part(numbers: range) -> dict[str, np.ndarray]:
        if layer == RGB:
            colors = np.stack([*squares(numbers)]).reshape(2 * len(numbers), -1)
            features = colors.astype(np.float32) / 255
        else:
            features = global_features(squares(numbers), weights=weights, layer=layer)
        return {"features": features.astype(np.float16)}

    count = len(category.records)
    key = {
        "weights": weights.fingerprint,
        "layer": layer,
        "margin": margin,
        "records": category.fingerprint,
    }
    cached = cached_in_parts(folder, f"{category.name}_{layer}", key, part, count=count, part=_PART)
    # In this frame the square with its margin is one pixel.
    to_square = [coords.box_to_size(coords.grow(box, margin), (1, 1)) for box in category.boxes]
    points = np.where(category.visible[..., None], category.points, np.nan)
    pairs = category.records[0].left_right_pairs
    rows = []
    for transform, object_points in zip(to_square, points, strict=True):
        in_square = coords.apply(transform, object_points)
        rows += [in_square, coords.flip_points(in_square, width=1, left_right_pairs=pairs)]
    return BoxFeatures(
        cached["features"].astype(np.float32),
        np.stack(rows),
        np.repeat(np.arange(count), 2),
        np.arange(2 * count) % 2 == 1,
        tuple(map(coords.invert, to_square)),
    )
