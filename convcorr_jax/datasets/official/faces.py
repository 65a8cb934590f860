"""What the face data sets share: how a mark-up's points become a record.

The box is the extent of the points. "Left" is the viewer's in all of them.
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
    left_right_pairs: tuple[tuple[int, int], ...]
    part_sets: Mapping[str, tuple[int, ...]]
    eyes: tuple[tuple[int, ...], tuple[int, ...]]
    """Two groups of points; the distance of their means is the metric's length."""


def record(
    image: Path,
    markup: Markup,
    points: Float[np.ndarray, "n 2"],
    *,
    source_id: str,
    split: str,
    visible: Bool[np.ndarray, " n"] | None = None,
    attributes: Mapping[str, float] = _NOTHING,
) -> Record | Absent:
    """A face as a record; `Absent` where its picture cannot be read or its points fit no face.

    Without ``visible`` all points that have a position are.
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
