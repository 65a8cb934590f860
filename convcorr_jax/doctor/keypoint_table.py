"""All keypoints of a data set that have a position, in one table."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from convcorr_jax.datasets.records import Record


class KeypointTable(NamedTuple):
    """The present keypoints of many records, one row each."""

    record: Int[np.ndarray, " points"]
    """Index of the record."""
    index: Int[np.ndarray, " points"]
    """Index of the keypoint among the record's keypoints."""
    position: Float[np.ndarray, "points 2"]
    """Position (x, y) in pixels of the record's image."""
    visible: Bool[np.ndarray, " points"]
    """Whether the keypoint is visible."""
    width_height: Int[np.ndarray, "points 2"]
    """Width and height of the record's image in pixels."""


def keypoint_table(records: Sequence[Record]) -> KeypointTable:
    """Collect the keypoints of all records that have a position, record by record."""
    counts = [len(record.names) for record in records]
    owner = np.repeat(np.arange(len(records)), counts)
    index = np.concatenate([np.zeros(0, int), *map(np.arange, counts)])
    position = np.concatenate([np.zeros((0, 2)), *(record.points for record in records)])
    visible = np.concatenate([np.zeros(0, bool), *(record.visible for record in records)])
    sizes = np.array([record.size[::-1] for record in records], int).reshape(-1, 2)
    present = ~np.isnan(position[:, 0])
    owner = owner[present]
    return KeypointTable(owner, index[present], position[present], visible[present], sizes[owner])
