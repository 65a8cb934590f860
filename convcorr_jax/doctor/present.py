"""All keypoints of a data set that have a position, in one table."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from convcorr_jax.datasets.records import Record


class PresentPoints(NamedTuple):
    """The keypoints that have a position, one row each."""

    record: Int[np.ndarray, " points"]
    """The record that it belongs to."""
    index: Int[np.ndarray, " points"]
    """Its place among the record's keypoints."""
    place: Float[np.ndarray, "points 2"]
    visible: Bool[np.ndarray, " points"]
    width_height: Int[np.ndarray, "points 2"]
    """Of the image."""


def present_points(records: Sequence[Record]) -> PresentPoints:
    """The keypoints of all records that have a position."""
    counts = [len(record.names) for record in records]
    owner = np.repeat(np.arange(len(records)), counts)
    index = np.concatenate([np.zeros(0, int), *map(np.arange, counts)])
    place = np.concatenate([np.zeros((0, 2)), *(record.points for record in records)])
    visible = np.concatenate([np.zeros(0, bool), *(record.visible for record in records)])
    sizes = np.array([record.size[::-1] for record in records], int).reshape(-1, 2)
    there = ~np.isnan(place[:, 0])
    owner = owner[there]
    return PresentPoints(owner, index[there], place[there], visible[there], sizes[owner])
