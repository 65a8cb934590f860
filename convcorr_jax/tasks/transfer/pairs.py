"""Pairs of records between which keypoints are carried: fixed ones, or the nearest records of every target."""

import dataclasses
import functools
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from convcorr_jax import coords, synthetic
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets import (
    PairSet,
    Record,
    Scoring,
    box_lengths,
    box_of,
    fingerprint,
    load_image,
    read_pairs,
    read_records,
)
from convcorr_jax.descriptors import default_layer, global_features, view
from convcorr_jax.errors import InputError
from convcorr_jax.keypoints import NEIGHBORS
from convcorr_jax.metrics import LONG_2014, PF_WILLOW, Protocol, group_numbers
from convcorr_jax.retrieval import nearest_neighbors
from convcorr_jax.runtime import progress
from convcorr_jax.tasks.reading import CategoryData, Splits, choose_splits, evenly_spread

Transfer = Literal["neighbors", "box", "image"]
"""How keypoints are transferred: by "neighbors" that vote, or between fixed pairs by "box" or whole "image"."""
ALPHAS = (0.05, 0.1, 0.2)
"""The thresholds of PCK of fixed pairs, in units of a protocol's normalizer."""
CORNERS = Protocol(
    name="corners of warped photographs",
    normalizer="the longer side of the image",
    frame="pixels of the target image",
    strict=False,
    average="image",
    counted="corners that both images show",
    overall="all",
)
"""How the corners of warped photographs are scored."""
# The seed of the rendered pairs that choose settings; results use seed 0.
_CHOICE_SEED = 1
# Of pairs that choose settings: neighbours of a target, and rendered training objects of a category.
_NEAREST, _TRAIN = 3, 60


class Keypoints(NamedTuple):
    """The keypoints of many records, padded to the largest number of keypoints of a record."""

    points: Float[np.ndarray, "records n 2"]
    """Positions (x, y) in pixels of each photograph; NaN where a record has no such keypoint."""
    visible: Bool[np.ndarray, "records n"]


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


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of records between which keypoints are carried, and how predictions are scored.

    A prediction belongs to each pair, or, where neighbours vote, to each target.
    """

    records: Sequence[Record]
    indices: Int[np.ndarray, "pairs 2"]
    """Indices (source, target) of records."""
    groups: tuple[str, ...]
    """The group of every prediction, over which the protocol averages first."""
    scorings: tuple[Scoring, ...]
    """How PCK is computed: the data set's own protocol, then others in use for it."""
    alphas: tuple[float, ...] = ALPHAS
    """The thresholds of PCK, in units of a protocol's normalizer."""
    boxed: bool = False
    """Whether boxes are aligned, and not whole photographs."""
    split: str = "test"
    neighborhoods: Neighborhoods | None = None
    """The neighbours that vote; None for fixed pairs."""
    drawn: Int[np.ndarray, "pairs ends"] | None = None
    """What intervals draw (`convcorr_jax.metrics.UnitSums`); by default `photographs`."""

    @functools.cached_property
    def keypoints(self) -> Keypoints:
        """The keypoints of the records, which may be of several categories."""
        most = max(len(record.names) for record in self.records)
        points = np.full((len(self.records), most, 2), np.nan)
        visible = np.zeros((len(self.records), most), bool)
        for row, record in enumerate(self.records):
            points[row, : len(record.names)] = record.points
            visible[row, : len(record.names)] = record.visible
        return Keypoints(points, visible)

    @functools.cached_property
    def key(self) -> dict[str, Any]:
        """What identifies the pairs in the settings of a cached stage."""
        checksum = zlib.crc32(self.indices.astype("<i8").tobytes())
        return {"records": fingerprint(self.records), "pairs": checksum, "boxed": self.boxed}

    @property
    def targets(self) -> Int[np.ndarray, " targets"]:
        """The index of the record of every prediction."""
        return self.indices[:, 1] if self.neighborhoods is None else self.neighborhoods.targets

    @functools.cached_property
    def photographs(self) -> Int[np.ndarray, "pairs ends"] | None:
        """The numbers of both photographs of each fixed pair; None if pairs share none, or neighbours vote."""
        if self.drawn is not None or self.neighborhoods is not None:
            return self.drawn
        images = [
            record.image if isinstance(record.image, Path) else id(record.image) for record in self.records
        ]
        numbers = group_numbers(images)[self.indices]
        return numbers if len(np.unique(numbers)) < numbers.size else None

    @property
    def categories(self) -> list[str]:
        """The category of every prediction."""
        return [self.records[target].category for target in self.targets]

    @property
    def protocol(self) -> Protocol:
        """The data set's own protocol."""
        return self.scorings[0].protocol

    def of_category(self, category: str) -> "Pairs":
        """Return the fixed pairs of one category, with their records only."""
        return self.subset(np.flatnonzero(np.array(self.categories) == category))

    def subset(self, rows: Sequence[int] | Int[np.ndarray, " rows"]) -> "Pairs":
        """Return some of the fixed pairs, with their records only."""
        if self.neighborhoods is not None:
            raise InputError("the pairs of neighbours that vote have no subsets; fixed pairs are expected")
        indices = self.indices[rows]
        used, numbers = np.unique(indices, return_inverse=True)
        scorings = [
            each._replace(normalizers_px=tuple(each.normalizers_px[index] for index in used))
            for each in self.scorings
        ]
        return dataclasses.replace(
            self,
            records=[self.records[index] for index in used],
            indices=numbers.reshape(indices.shape),
            groups=tuple(self.groups[row] for row in rows),
            scorings=tuple(scorings),
            drawn=None if self.drawn is None else self.drawn[rows],
        )


def open_pairs(
    data: CategoryData,
    weights: Weights,
    *,
    transfer: Transfer,
    targets: int | None = None,
    box_jitter: float = 0.0,
) -> Pairs:
    """Read the fixed pairs of a data set, or its records, and find the neighbours that vote.

    Where neighbours vote, ``targets`` tested records of each category are chosen, evenly spread; by default
    all. With ``box_jitter``, fixed pairs are aligned in boxes that `jitter_boxes` displaces, and scored by the
    annotated ones.
    """
    if box_jitter and transfer != "box":
        raise InputError(f"box_jitter is {box_jitter} with the protocol {transfer}; it is for the protocol box")
    if targets is not None and (targets < 1 or transfer != "neighbors"):
        raise InputError(
            f"targets is {targets} with the protocol {transfer}; a positive number is expected, with the "
            "protocol neighbors only"
        )
    if transfer != "neighbors":
        fixed = read_pairs(data.dataset, data_root=data.data_root, split=data.split)
        chosen = [
            pair
            for pair in fixed.pairs
            if not data.categories or fixed.records[pair.source].category in data.categories
        ]
        if not chosen:
            raise InputError(f"{data.dataset} has no pairs of {', '.join(data.categories)}")
        pairs = fixed_pairs(dataclasses.replace(fixed, pairs=tuple(chosen)))
        if box_jitter:
            pairs = dataclasses.replace(pairs, records=jitter_boxes(pairs.records, deviation=box_jitter))
        return dataclasses.replace(pairs, boxed=transfer == "box", split=data.split or "test")
    records = data.read()
    splits = choose_splits((record.split for record in records), tested=data.split, source=data.dataset)
    nearest = neighborhoods(records, weights, splits=splits, targets=targets)
    return Pairs(
        records,
        nearest.pairs,
        groups=tuple(records[target].category for target in nearest.targets),
        scorings=(box_lengths(records, LONG_2014),),
        alphas=(0.1, 0.05, 0.025),
        boxed=True,
        split=splits.tested,
        neighborhoods=nearest,
    )


def fixed_pairs(fixed: PairSet) -> Pairs:
    """Return the fixed pairs of a data set, by whole photographs."""
    indices = np.array([(pair.source, pair.target) for pair in fixed.pairs])
    return Pairs(fixed.records, indices, tuple(pair.subset for pair in fixed.pairs), fixed.scorings)


def jitter_boxes(records: Sequence[Record], *, deviation: float, seed: int = 1) -> list[Record]:
    """Displace and scale every box at random, as one whose object's keypoints are not known is.

    Displacements in widths and heights, and logarithms of scales, are drawn from a normal distribution.
    """
    rng, jittered = np.random.default_rng(seed), []
    for record, (shift_x, shift_y, log_scale) in zip(
        records, rng.normal(0, deviation, (len(records), 3)), strict=True
    ):
        x0, y0, x1, y1 = box_of(record)
        center_x, center_y = (x0 + x1) / 2 + shift_x * (x1 - x0), (y0 + y1) / 2 + shift_y * (y1 - y0)
        half_x, half_y = (x1 - x0) / 2 * np.exp(log_scale), (y1 - y0) / 2 * np.exp(log_scale)
        box = coords.Box(center_x - half_x, center_y - half_y, center_x + half_x, center_y + half_y)
        jittered.append(dataclasses.replace(record, box=box))
    return jittered


def warped_pairs(warped: Iterable[synthetic.WarpedPair]) -> Pairs:
    """Return photographs and their warps as pairs, scored by the corners that both show.

    Intervals draw photographs, of which there may be several warps.
    """
    records = [record for pair in warped for record in (pair.source, pair.target)]
    names = tuple(target.source_id for target in records[1::2])
    return Pairs(
        records,
        np.arange(len(records)).reshape(-1, 2),
        groups=names,
        drawn=group_numbers(names)[:, None],
        scorings=(Scoring(CORNERS, tuple(float(max(record.size)) for record in records)),),
        alphas=(0.025, 0.05, 0.1),
    )


def rendered_pairs(weights: Weights, *, test: int) -> Pairs:
    """Render objects, and pair some of every category with the nearest ones among the others."""
    return nearest_pairs(synthetic.render_every_category(train=_TRAIN, test=test, seed=_CHOICE_SEED), weights)


def face_pairs(weights: Weights, *, data_root: Path | None, count: int) -> Pairs:
    """Pair photographs of even number of LFPW's training split with their nearest of odd number."""
    records = read_records("lfpw68", data_root=data_root)
    train = [record for record in records if record.split == "train"]
    even = [dataclasses.replace(record, split="test") for record in train[: 2 * count : 2]]
    return nearest_pairs((*train[1::2], *even), weights)


def nearest_pairs(records: Sequence[Record], weights: Weights) -> Pairs:
    """Pair every test record with its nearest training records, scored by the protocol of PF-WILLOW."""
    found = neighborhoods(records, weights, splits=Splits(("train",), "test"))
    indices = found._replace(neighbors=found.neighbors[:, :_NEAREST]).pairs
    groups = tuple(records[target].category for target in indices[:, 1])
    every = Pairs(records, indices, groups, (box_lengths(records, PF_WILLOW),))
    return every.subset(range(len(indices)))


def neighborhoods(
    records: Sequence[Record], weights: Weights, *, splits: Splits, targets: int | None = None
) -> Neighborhoods:
    """Find the 25 nearest training records of the same category for every tested record, by cosine.

    The features are the fc7 activations of the boxes, as in the paper, or the flattened pool5 activations if
    the weights have no fully connected layers, or the last layer of a network without both. A category with
    fewer training records is refused.
    """
    layer = "fc7" if "fc7" in weights.layers else default_layer(weights)
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
