"""Annotated categories with their train and test folds, and the cached features of their objects' boxes.

Faces with the 68 points of 300-W are reduced to fifteen named points.
"""

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from convcorr_jax import coords, images
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets import Record, fingerprint, load_image
from convcorr_jax.datasets.official import ibug
from convcorr_jax.descriptors import global_features, view
from convcorr_jax.errors import InputError
from convcorr_jax.runtime import progress
from convcorr_jax.runtime.stages import cached_in_parts
from convcorr_jax.shapes import Image
from convcorr_jax.tasks.reading import CategoryData, choose_splits, read

FACE_POINTS = MappingProxyType(
    {
        "l_brow_outer": 17,
        "l_brow_inner": 21,
        "r_brow_inner": 22,
        "r_brow_outer": 26,
        "l_eye_outer": 36,
        "l_eye_inner": 39,
        "r_eye_inner": 42,
        "r_eye_outer": 45,
        "nose_tip": 30,
        "l_nostril": 31,
        "r_nostril": 35,
        "l_mouth_corner": 48,
        "r_mouth_corner": 54,
        "lower_lip": 57,
        "chin": 8,
    }
)
"""The fifteen points that are taken of the 68, by name, as indices from 0; left is the viewer's left."""


@dataclass(frozen=True, eq=False)
class Category:
    """The annotated objects of one category.

    Keypoints (x, y) are in pixels of the records' images, NaN where absent; only visible ones train and are
    scored. ``folds`` has the fold in which an object is tested while all others train; -1 for objects that only
    train. An official split has the one fold 0. Without a split, every object is a fold of its own.
    """

    name: str
    names: tuple[str, ...]
    records: tuple[Record, ...]
    points: Float[np.ndarray, "records n 2"]
    visible: Bool[np.ndarray, "records n"]
    folds: Int[np.ndarray, " records"]

    @property
    def tested_folds(self) -> tuple[int, ...]:
        """The folds that are tested, in rising order."""
        return tuple(np.unique(self.folds[self.folds >= 0]).tolist())

    @property
    def tested(self) -> Int[np.ndarray, " tested"]:
        """Numbers of the objects that are tested, in rising order."""
        return np.flatnonzero(self.folds >= 0)

    @property
    def tested_split(self) -> str:
        """The split of the objects that are tested; "all" if each is tested by a model of the others."""
        return "all" if len(self.tested_folds) > 1 else self.records[self.tested[0]].split

    @functools.cached_property
    def fingerprint(self) -> str:
        """Fingerprint of the records, for cache keys."""
        return fingerprint(self.records)

    @property
    def boxes(self) -> tuple[coords.Box, ...]:
        """The box of every record in pixels of its image; the whole image where a record has none."""
        return tuple(record.box or coords.whole_image(record.size) for record in self.records)


def read_categories(data: CategoryData) -> tuple[Category, ...]:
    """Read the categories of a data set, in its order."""
    records = [
        with_face_points(record)
        for record in read(
            data.dataset,
            data_root=data.data_root,
            categories=data.categories,
            train=data.rendered_train,
            test=data.rendered_test,
        )
    ]
    return tuple(
        _category(name, [record for record in records if record.category == name], data.split)
        for name in dict.fromkeys(record.category for record in records)
    )


def with_face_points(record: Record) -> Record:
    """Reduce the 68 points of a 300-W face to the fifteen of `FACE_POINTS`; return other records unchanged."""
    if record.names != ibug.MARKUP.names:
        return record
    chosen = list(FACE_POINTS.values())
    return dataclasses.replace(
        record,
        names=tuple(FACE_POINTS),
        points=record.points[chosen],
        visible=record.visible[chosen],
        left_right_pairs=tuple(
            (i, list(FACE_POINTS).index(f"r_{name[2:]}"))
            for i, name in enumerate(FACE_POINTS)
            if name.startswith("l_")
        ),
        part_sets={},
    )


def _category(name: str, records: Sequence[Record], tested: str | None) -> Category:
    names = records[0].names
    if len(records) < 2:
        raise InputError(f"category {name!r} has one object; at least two are expected")
    if not names or any(record.names != names for record in records):
        raise InputError(f"the objects of category {name!r} do not share named keypoints")
    chosen, folds = _of_splits(name, records, tested)
    return Category(
        name,
        names,
        tuple(chosen),
        np.stack([record.points for record in chosen]),
        np.stack([record.visible for record in chosen]),
        folds,
    )


def _of_splits(
    name: str, records: Sequence[Record], tested: str | None
) -> tuple[Sequence[Record], Int[np.ndarray, " records"]]:
    """Return the records that train or are tested, and their folds."""
    present = [record.split for record in records]
    if tested is None and "train" not in present:
        return records, np.arange(len(records))
    splits = choose_splits(present, tested=tested, source=f"category {name!r}")
    chosen = [record for record in records if record.split in (*splits.training, splits.tested)]
    return chosen, np.array([0 if record.split == splits.tested else -1 for record in chosen])


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
    points: Float[np.ndarray, "rows n 2"]
    """Keypoints (x, y) in sides of the square with its margin: the centre is (0, 0), the edges are at -0.5 and
    0.5; NaN where not visible."""
    objects: Int[np.ndarray, " rows"]
    mirrored: Bool[np.ndarray, " rows"]
    to_photograph_px: tuple[coords.Transform, ...]
    """Of every object, the transform from that frame to pixels of its photograph."""


def box_features(
    category: Category, weights: Weights, *, layer: str, margin: float, folder: Path
) -> BoxFeatures:
    """Compute the features of every object's box and of its mirror image, flattened and at unit length.

    With `RGB` they are the colors of the square. ``margin`` is the width of the surroundings that the square
    shows on each side of the box, as a fraction of the box's width and height. A box outside its image is
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
            features = global_features(squares(numbers), weights=weights, layer=layer)
        return {"features": features.astype(np.float16)}

    count = len(category.records)
    key = {"weights": weights.fingerprint, "layer": layer, "margin": margin, "records": category.fingerprint}
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
