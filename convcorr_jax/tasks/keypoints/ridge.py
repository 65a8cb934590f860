"""Keypoints of objects by ridge regression: cached features of boxes, cached predictions, and a figure."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from convcorr_jax import coords, images
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets import load_image
from convcorr_jax.descriptors import global_features, view
from convcorr_jax.errors import InputError
from convcorr_jax.metrics import Pck
from convcorr_jax.probes import fit_keypoints, mean_keypoints
from convcorr_jax.report import pck_curves, pixels
from convcorr_jax.runtime import cached_in_parts, progress, stage
from convcorr_jax.shapes import Image
from convcorr_jax.tasks.keypoints.categories import Category

RGB = "rgb"
"""The name that stands for the colors themselves, from 0 to 1, in place of a layer's activations."""
RGB_SIDE_PX = 32
"""Side of the square whose colors are described."""
RIDGE_METHODS = ("convnet", "rgb", "mean")
"""``convnet``: ridge regression from a layer's features of the box; ``rgb``: from the box's colors; ``mean``:
the mean position in the training boxes, without regression."""
# Objects of one cached part: at most about a minute's work.
_PART = 500


class BoxFeatures(NamedTuple):
    """Features of a category's objects and of their mirror images, with the positions of their keypoints.

    The rows are the first object, its mirror image, the second object, its mirror image, and so on.
    """

    features: Float[np.ndarray, "rows d"]
    points: Float[np.ndarray, "rows n 2"]
    """Keypoints (x, y) in sides of the square with its margin: the centre is (0, 0), the edges are at -0.5 and
    0.5; NaN where not visible."""
    objects: Int[np.ndarray, " rows"]
    mirrored: Bool[np.ndarray, " rows"]
    to_photograph_px: tuple[coords.Transform, ...]
    """Of every object, the transform from that frame to pixels of its photograph."""


def box_features(
    category: Category, weights: Weights, *, layer: str, margin: float, folder: Path, cells: int | None = None
) -> BoxFeatures:
    """Compute the features of every object's box and of its mirror image, flattened and at unit length.

    With `RGB` they are the colors of the square. ``margin`` is the width of the surroundings that the square
    shows on each side of the box, as a fraction of the box's width and height. With ``cells``, maps of more
    cells on a side are averaged (`convcorr_jax.descriptors.global_features`). A box outside its image is
    refused.
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
            features = global_features(squares(numbers), weights=weights, layer=layer, cells=cells)
        return {"features": features.astype(np.float16)}

    count = len(category.records)
    key = {"weights": weights.fingerprint, "layer": layer, "margin": margin, "records": category.fingerprint}
    # Features of whole maps that were cached before there was this option stay valid.
    key |= {} if cells is None else {"cells": cells}
    cached = cached_in_parts(folder, f"{category.name}_{layer}", key, part, count=count, part=_PART)
    # In this frame the square with its margin is one pixel.
    to_square = [coords.box_to_size(coords.grow(box, margin), (1, 1)) for box in category.boxes]
    points = np.where(category.visible[..., None], category.points, np.nan)
    pairs = category.records[0].left_right_pairs
    rows = []
    for transform, object_points in zip(to_square, points, strict=True):
        in_square = transform(object_points)
        rows += [in_square, coords.flip_points(in_square, width=1, left_right_pairs=pairs)]
    return BoxFeatures(
        cached["features"].astype(np.float32),
        np.stack(rows),
        np.repeat(np.arange(count), 2),
        np.arange(2 * count) % 2 == 1,
        tuple(one.inverse for one in to_square),
    )


class RidgeOptions(NamedTuple):
    """Options of the regressions."""

    layer: str
    mirrored: bool
    margin: float
    """Added on each side of a box, in fractions of its width and height."""
    cells: int | None = None
    """Most cells on a side of a layer's map; by default all."""


def predict_by_ridge(
    category: Category, weights: Weights, options: RidgeOptions, *, method: str, folder: Path
) -> Float[np.ndarray, "tested n 2"]:
    """Predict the keypoints (x, y) of a category's tested objects by one of `RIDGE_METHODS`, in pixels."""
    layer = options.layer if method == "convnet" else RGB
    features = box_features(
        category, weights, layer=layer, margin=options.margin, cells=options.cells, folder=folder / "features"
    )

    def compute() -> dict[str, np.ndarray]:
        points = np.empty((len(features.to_photograph_px), len(category.names), 2))
        for fold in category.tested_folds:
            tested = np.flatnonzero(category.folds == fold)
            points[tested] = _predict_fold(category, features, method, tested, options.mirrored)
        return {"points": points[category.tested]}

    key = {"records": category.fingerprint, "weights": weights.fingerprint, **options._asdict()}
    points = stage(folder / "predictions" / f"{category.name}_{method}.npz", key, compute)["points"]
    transforms = [features.to_photograph_px[i] for i in category.tested]
    return np.stack([transform(each) for transform, each in zip(transforms, points, strict=True)])


def _predict_fold(
    category: Category, features: BoxFeatures, method: str, tested: Int[np.ndarray, " tested"], mirrored: bool
) -> Float[np.ndarray, "tested n 2"]:
    rows = ~np.isin(features.objects, tested) & (mirrored | ~features.mirrored)
    try:
        if method == "mean":
            return np.tile(mean_keypoints(features.points[rows]), (len(tested), 1, 1))
        probe = fit_keypoints(
            features.features[rows], features.points[rows], features.objects[rows], names=category.names
        )
    except InputError as error:
        raise InputError(f"category {category.name!r}: {error}") from error
    return probe.predict(features.features[np.isin(features.objects, tested) & ~features.mirrored])


def ridge_curves_figure(scores: Mapping[str, Pck], *, alphas: Sequence[float]) -> Image:
    """Draw PCK of every category by ``convnet``, and beside it the mean PCK of every method.

    Figure 2b of Sharif Razavian et al. 2014.
    """
    convnet = scores["convnet"]
    panels = {
        "ConvNet + ridge": dict(zip(map(str, convnet.groups), convnet.per_group.tolist(), strict=True)),
        "mean over categories": {name: score.mean.tolist() for name, score in scores.items()},
    }
    return pixels(pck_curves(panels, alphas=alphas, x_label="alpha, of the box's longer side"))
