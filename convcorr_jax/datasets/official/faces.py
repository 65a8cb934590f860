"""What the face data sets share: making a record from the points of a markup.

The box of a record is the extent of its points. "Left" is the viewer's in all face data sets.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from convcorr_jax import coords
from convcorr_jax.datasets.records import Absent, Record
from convcorr_jax.errors import InputError
from convcorr_jax.io import image_size

_NOTHING: Mapping[str, float] = MappingProxyType({})


class Markup(NamedTuple):
    """The points that a release marks on every face."""

    names: tuple[str, ...]
    """The name of each point."""
    left_right_pairs: tuple[tuple[int, int], ...]
    """Pairs of indices of points that exchange names when the image is mirrored."""
    part_sets: Mapping[str, tuple[int, ...]]
    """Indices of the points of each named part."""
    eyes: tuple[tuple[int, ...], tuple[int, ...]]
    """Indices of two groups of points; the distance of their means is the metric's length."""


def to_record(
    image: Path,
    markup: Markup,
    points: Float[np.ndarray, "n 2"],
    *,
    source_id: str,
    split: str,
    visible: Bool[np.ndarray, " n"] | None = None,
    attributes: Mapping[str, float] = _NOTHING,
) -> Record | Absent:
    """Return the record of a face; `Absent` if its image cannot be read or its points fit no face.

    Args:
        image: path of the image.
        markup: the meaning of the points.
        points: (x, y) in pixels of the image, 0-based; NaN where a point is absent.
        source_id: the identifier of the face, unique within the data set.
        split: the split of the face.
        visible: which points are visible; by default all that have a position.
        attributes: numbers that describe the face, by name.
    """
    left, right = (points[list(group)].mean(axis=0) for group in markup.eyes)
    length = float(np.linalg.norm(left - right))
    try:
        return Record(
            image=image,
            size=image_size(image),
            category="face",
            source_id=source_id,
            split=split,
            names=markup.names,
            points=points,
            visible=~np.isnan(points[:, 0]) if visible is None else visible,
            left_right_pairs=markup.left_right_pairs,
            part_sets=markup.part_sets,
            box=coords.tight_box(points),
            normalizer_px=None if np.isnan(length) else length,
            attributes=attributes,
        )
    except InputError as error:
        return Absent(source_id, str(error))
