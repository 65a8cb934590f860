"""The steps of keypoint transfer: carrying keypoints along flows, and annotated neighbours that vote."""

import zlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets import Record, box_of, load_image
from convcorr_jax.descriptors import global_features, view
from convcorr_jax.errors import InputError
from convcorr_jax.keypoints import NEIGHBORS, carry_points, vote
from convcorr_jax.retrieval import nearest_neighbors
from convcorr_jax.runtime import progress
from convcorr_jax.tasks.reading import Splits, evenly_spread
from convcorr_jax.tasks.transfer.methods import Described, Flows


class Keypoints(NamedTuple):
    """The keypoints of many records, padded to the largest number of keypoints of a record."""

    points: Float[np.ndarray, "records n 2"]
    """Positions (x, y) in pixels of each photograph; NaN where a record has no such keypoint."""
    visible: Bool[np.ndarray, "records n"]


def keypoints_of(records: Sequence[Record]) -> Keypoints:
    """Return the keypoints of records of several categories as arrays."""
    most = max(len(record.names) for record in records)
    points = np.full((len(records), most, 2), np.nan)
    visible = np.zeros((len(records), most), bool)
    for row, record in enumerate(records):
        points[row, : len(record.names)] = record.points
        visible[row, : len(record.names)] = record.visible
    return Keypoints(points, visible)


def carried(
    points: Float[np.ndarray, "records n 2"],
    pairs: Int[np.ndarray, "pairs 2"],
    described: Described,
    flow: Float[np.ndarray, "pairs h w 2"],
) -> Float[np.ndarray, "pairs n 2"]:
    """Carry the source's keypoints of every pair (source, target) of records to the target along the flow.

    Keypoints are in pixels of each photograph, NaN for absent ones; flows are in cells of the target grid.
    """
    return np.stack(
        [
            carry_points(
                points[source],
                pair_flow,
                source_to_px=described.to_px[source],
                target_to_px=described.to_px[target],
            )
            for (source, target), pair_flow in zip(pairs, flow, strict=True)
        ]
    )


def copied(
    points: Float[np.ndarray, "records n 2"], pairs: Int[np.ndarray, "pairs 2"], described: Described
) -> Float[np.ndarray, "pairs n 2"]:
    """Copy keypoints like `carried`, but to the same position of the target's square, without alignment."""
    return np.stack(
        [
            (described.to_px[target] @ described.to_px[source].inverse)(points[source])
            for source, target in pairs
        ]
    )


def pairs_checksum(pairs: Int[np.ndarray, "pairs 2"]) -> int:
    """Compute a checksum of pairs, for the key of a cache."""
    return zlib.crc32(pairs.astype("<i8").tobytes())


class Neighborhoods(NamedTuple):
    """The nearest annotated records of every record whose keypoints are predicted."""

    targets: Int[np.ndarray, " targets"]
    neighbors: Int[np.ndarray, "targets neighbors"]
    """Indices of training records of the same category, nearest first."""
    layer: str

    @property
    def pairs(self) -> Int[np.ndarray, "pairs 2"]:
        """Indices (neighbour, target) of records, target by target."""
        targets = np.repeat(self.targets, self.neighbors.shape[1])
        return np.stack([self.neighbors.reshape(-1), targets], axis=1)


def neighborhoods(
    records: Sequence[Record], weights: Weights, *, splits: Splits, targets: int | None = None
) -> Neighborhoods:
    """Find the 25 nearest training records of the same category for every tested record, by cosine.

    The features are the fc7 activations of the boxes, as in the paper, or the flattened pool5 activations if
    the weights have no fully connected layers. A category with fewer training records is refused.
    """
    layer = "fc7" if "fc7" in weights.layers else "pool5"
    sides = (weights.network.image_side,)
    squares = (
        view(load_image(record), box_of(record), sizes_px=sides).pyramid[0]
        for record in progress(records, description=f"retrieval: {layer}")
    )
    features = global_features(squares, weights=weights, layer=layer)
    category = np.array([record.category for record in records])
    split = np.array([record.split for record in records])
    tested, neighbors = [], []
    for name in dict.fromkeys(category.tolist()):
        train = np.flatnonzero((category == name) & np.isin(split, splits.training))
        test = np.flatnonzero((category == name) & (split == splits.tested))
        if len(train) < NEIGHBORS or not len(test):
            raise InputError(
                f"category {name!r} has {len(train)} training and {len(test)} {splits.tested} records; "
                f"at least {NEIGHBORS} and 1 are needed"
            )
        if targets is not None:
            test = test[evenly_spread(len(test), targets)]
        nearest = nearest_neighbors(features[test], features[train], k=NEIGHBORS)
        tested.append(test)
        neighbors.append(train[np.asarray(nearest.indices)])
    return Neighborhoods(np.concatenate(tested), np.concatenate(neighbors), layer)


class Votes(NamedTuple):
    """The predictions for all targets, and the ranking of their neighbours."""

    predicted: Float[np.ndarray, "targets n 2"]
    """Keypoints (x, y) in pixels of the target's photograph; NaN where no neighbour has the keypoint."""
    order: Int[np.ndarray, "targets neighbors"]
    """Columns of `Neighborhoods.neighbors`, the best voter first."""


def voted(nearest: Neighborhoods, candidates: Float[np.ndarray, "pairs n 2"], flows: Flows | None) -> Votes:
    """Predict the keypoints of every target by the median of five neighbours' points.

    The five with the least deformation of their flows vote; without flows, the five nearest.
    """
    shape = nearest.neighbors.shape
    by_target = candidates.reshape(*shape, *candidates.shape[1:])
    if flows is None:
        order = np.tile(np.arange(shape[1]), (shape[0], 1))
    else:
        order = np.argsort(flows.deformation.reshape(shape), axis=1, kind="stable")
    predicted = [vote(points, ranks) for points, ranks in zip(by_target, order, strict=True)]
    return Votes(np.stack(predicted), order)
