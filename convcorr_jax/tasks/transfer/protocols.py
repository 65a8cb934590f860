"""The two protocols of keypoint transfer: fixed pairs, and annotated neighbours that vote."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from convcorr_jax import coords
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets.records import Record, load_image
from convcorr_jax.descriptors.global_features import global_features
from convcorr_jax.descriptors.views import view
from convcorr_jax.errors import InputError
from convcorr_jax.keypoints.transfer import NEIGHBORS, carry_points, vote
from convcorr_jax.retrieval import nearest_neighbors
from convcorr_jax.runtime.progress import progress
from convcorr_jax.tasks.transfer.methods import Described, Flows


class Keypoints(NamedTuple):
    """The keypoints of many records, filled up with NaN to the largest number that one has."""

    points: Float[np.ndarray, "records n 2"]
    visible: Bool[np.ndarray, "records n"]


def keypoints_of(records: Sequence[Record]) -> Keypoints:
    """Keypoints of records of several categories as arrays."""
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
    """The source's keypoints of every pair, in pixels of the target's photograph."""
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
    points: Float[np.ndarray, "records n 2"],
    pairs: Int[np.ndarray, "pairs 2"],
    described: Described,
) -> Float[np.ndarray, "pairs n 2"]:
    """The source's keypoints at the same place of the target's square: no alignment at all."""
    return np.stack(
        [
            coords.apply(
                coords.compose(described.to_px[target], coords.invert(described.to_px[source])),
                points[source],
            )
            for source, target in pairs
        ]
    )


class Neighborhoods(NamedTuple):
    """The annotated records nearest to every record that is to be predicted."""

    targets: Int[np.ndarray, " targets"]
    """Indices of the test records."""
    neighbors: Int[np.ndarray, "targets neighbors"]
    """Indices of training records of the same category, nearest first."""
    layer: str
    """Whose activations were compared."""

    @property
    def pairs(self) -> Int[np.ndarray, "pairs 2"]:
        """Every (neighbour, target), target by target."""
        targets = np.repeat(self.targets, self.neighbors.shape[1])
        return np.stack([self.neighbors.reshape(-1), targets], axis=1)


def neighborhoods(records: Sequence[Record], weights: Weights) -> Neighborhoods:
    """The 25 nearest training records of the same category for every test record, by cosine.

    Compared are the fc7 activations of the boxes, as in the paper, or pool5's, flattened, when the
    weights at hand have no fully connected layers.

    Raises:
        InputError: a category has no test record, or fewer than 25 training records.
    """
    layer = "fc7" if "fc7" in weights.layers else "pool5"
    shown = progress(records, description=f"retrieval: {layer}")
    sides = (weights.network.image_side,)
    squares = (view(load_image(one), one.box, sizes_px=sides).pyramid[0] for one in shown)
    features = global_features(squares, weights=weights, layer=layer)
    category = np.array([record.category for record in records])
    split = np.array([record.split for record in records])
    targets, neighbors = [], []
    for name in dict.fromkeys(category.tolist()):
        train = np.flatnonzero((category == name) & (split == "train"))
        test = np.flatnonzero((category == name) & (split == "test"))
        if len(train) < NEIGHBORS or not len(test):
            raise InputError(
                f"category {name!r} has {len(train)} training and {len(test)} test records; "
                f"at least {NEIGHBORS} and 1 are needed"
            )
        found = nearest_neighbors(features[test], features[train], k=NEIGHBORS)
        targets.append(test)
        neighbors.append(train[np.asarray(found.indices)])
    return Neighborhoods(np.concatenate(targets), np.concatenate(neighbors), layer)


class Votes(NamedTuple):
    """A prediction for every target, and who made it."""

    predicted: Float[np.ndarray, "targets n 2"]
    order: Int[np.ndarray, "targets neighbors"]
    """Places in `Neighborhoods.neighbors`, the best voter first."""


def voted(
    near: Neighborhoods, candidates: Float[np.ndarray, "pairs n 2"], flows: Flows | None
) -> Votes:
    """One prediction a target: the median of five neighbours' points.

    With flows, of the five that deform least; without, of the five nearest.
    """
    shape = near.neighbors.shape
    by_target = candidates.reshape(*shape, *candidates.shape[1:])
    if flows is None:
        order = np.tile(np.arange(shape[1]), (shape[0], 1))
    else:
        order = np.argsort(flows.deformation.reshape(shape), axis=1, kind="stable")
    predicted = [vote(one, ranks) for one, ranks in zip(by_target, order, strict=True)]
    return Votes(np.stack(predicted), order)
