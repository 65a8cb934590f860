"""Keypoint transfer by the features of any network: nearest neighbour and flow, scored by every rule in use."""

import dataclasses
import functools
import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
from jaxtyping import Float

from convcorr_jax.datasets import Scoring
from convcorr_jax.descriptors import Recipe, recipe_for
from convcorr_jax.errors import InputError
from convcorr_jax.flow import SMOOTHNESS, TEMPERATURE, Subcell
from convcorr_jax.metrics import Pck
from convcorr_jax.runtime import plain
from convcorr_jax.tasks.transfer.functions import FeatureFunction
from convcorr_jax.tasks.transfer.joined import Features, JoinedNetworks
from convcorr_jax.tasks.transfer.methods import Method
from convcorr_jax.tasks.transfer.pairs import Pairs
from convcorr_jax.tasks.transfer.scores import pck_with_intervals, score
from convcorr_jax.tasks.transfer.selection import FlowScores, NearestScores, SearchSpace, predict_nested

METHODS = ("nearest", "flow")
"""The most similar cell for each keypoint by itself, and the flow of the mutual cost."""
BOTH_WAYS = "both_ways"
"""A further method: the flows from source to target and back, in twice the time (`convcorr_jax.flow.align`)."""
# The name of the only layer of a function.
_FUNCTION = "function"


@dataclasses.dataclass(frozen=True, eq=False)
class Scores:
    """The predictions of features for every pair, and their scores.

    Attributes:
        predictions: The keypoints (x, y) of every source in pixels of the target's photograph, by the name of
            the method; NaN for absent ones.
        settings: The settings by method and category; all alike unless they were chosen.
    """

    pairs: Pairs
    predictions: Mapping[str, Float[np.ndarray, "pairs n 2"]]
    settings: Mapping[str, Mapping[str, Method]]

    def pck(self, method: str) -> Pck:
        """Compute the PCK of a method by the set's own protocol."""
        return score(self.pairs, self.predictions[method])

    def checksum(self, method: str) -> str:
        """Return the SHA-256 of a method's predictions: x and y of every keypoint as little-endian doubles."""
        return hashlib.sha256(self.predictions[method].astype("<f8").tobytes()).hexdigest()

    @functools.cached_property
    def result(self) -> dict[str, Any]:
        """Every method's ``pck`` with its 95 % ``interval`` by threshold, as JSON stores them.

        ``protocols`` has them by every rule of `scorings`; intervals draw photographs where pairs share them.
        ``settings`` are by category, ``checksum`` is that of the predictions.
        """
        return {name: self._result(name) for name in self.predictions}

    def _result(self, method: str) -> dict[str, Any]:
        by_rule = {
            scoring.protocol.name: pck_with_intervals(
                score(self.pairs, self.predictions[method], scoring=scoring)
            )
            for scoring in scorings(self.pairs)
        }
        return {
            **by_rule[self.pairs.protocol.name],
            "protocols": by_rule,
            "settings": {name: plain(one) for name, one in self.settings[method].items()},
            "checksum": self.checksum(method),
        }


def scorings(pairs: Pairs) -> tuple[Scoring, ...]:
    """Return the rules in use for a set: each of its normalisers, averaged per image and per point.

    Per point means the share of all keypoints of a group, or of the set, at once.
    """
    found: dict[tuple[str, str], Scoring] = {}
    for scoring in pairs.scorings:
        found.setdefault((scoring.protocol.normalizer, scoring.protocol.average), scoring)
    for scoring in pairs.scorings:
        protocol = scoring.protocol
        per_point = dataclasses.replace(protocol, name=f"{protocol.name}, per point", average="pooled")
        found.setdefault((protocol.normalizer, "pooled"), scoring._replace(protocol=per_point))
    return tuple(found.values())


def evaluate_features(
    features: Features,
    pairs: Pairs,
    *,
    layers: Sequence[str] = (),
    sizes_px: Sequence[int] = (),
    center: bool | None = None,
    temperature: float = TEMPERATURE,
    smoothness: float = SMOOTHNESS["image"],
    methods: Sequence[str] = METHODS,
    space: SearchSpace | None = None,
    every: int = 1,
    folder: Path | None = None,
) -> Scores:
    """Carry keypoints between fixed pairs by features, with and without flow, and score them.

    Photographs, or boxes where ``pairs.boxed``, are resized to squares. With a ``space``, layers, sizes,
    temperature and smoothness are chosen: those of each category by every ``every``-th pair of the other
    categories, so that the scores are not those of the best of many settings.

    Args:
        features: The weights of a network, the function of another, or joined networks, whose shares are equal
            unless a ``space`` chooses them.
        layers: Layers of the network, the last of which defines the grid; by default its recipe's.
        sizes_px: Sides of the squares; by default the recipe's.
        center: Whether the mean column of every map is subtracted; by default the recipe's choice, and not for
            functions.
        temperature: That of the flow's mutual cost (`convcorr_jax.flow.align`), and where its choice starts.
        smoothness: That of the flow, and where its choice starts.
        methods: The names of `METHODS` to run, or `BOTH_WAYS`, for which a ``space`` also chooses how flows are
            refined below a cell.
        folder: Where predictions of every settings are cached, so that a killed run continues; by default none.

    Raises:
        InputError: neighbours vote in place of fixed pairs; a function has no layers to choose, and one size;
            the network lacks a layer; there is one category, so that no other can choose.
    """
    if pairs.neighborhoods is not None:
        raise InputError("neighbours vote for the keypoints of these pairs; fixed pairs are expected")
    known = (*METHODS, BOTH_WAYS)
    if unknown := set(methods) - set(known) or (not methods and {"none"}):
        raise InputError(f"methods are {', '.join(sorted(unknown))}; some of {', '.join(known)} are expected")
    if every < 1:
        raise InputError(f"every is {every}; at least 1 is expected")
    recipe = _recipe(features, layers, sizes_px, center)
    shares = features.shares[0] if isinstance(features, JoinedNetworks) else ()
    predictions, settings = {}, {}
    for name in methods:
        both_ways = name == BOTH_WAYS
        start = Method(
            name,
            recipe,
            False,
            "mutual",
            smoothness,
            temperature=temperature,
            both_ways=both_ways,
            shares=shares,
        )
        scores = _scores(name, features, folder)
        if space is None:
            predictions[name] = scores(pairs, "scored").predicted(start)
            settings[name] = dict.fromkeys(pairs.categories, start)
            continue
        searched = dataclasses.replace(space, temperatures=()) if name == "nearest" else space
        if both_ways:
            searched = dataclasses.replace(searched, subcells=get_args(Subcell))
        predictions[name], chosen = predict_nested(start, searched, pairs, every=every, scores=scores)
        settings[name] = {category: one.method for category, one in chosen.items()}
    return Scores(pairs, predictions, settings)


def _scores(name: str, features: Features, folder: Path | None) -> Callable[[Pairs, str], FlowScores]:
    kind = NearestScores if name == "nearest" else FlowScores

    def scores(some: Pairs, subfolder: str) -> FlowScores:
        return kind(some, features, folder=None if folder is None else folder / name / subfolder)

    return scores


def _recipe(features: Features, layers: Sequence[str], sizes_px: Sequence[int], center: bool | None) -> Recipe:
    """Return the recipe of what was asked for, and else the network's own."""
    if isinstance(features, FeatureFunction):
        if layers or tuple(sizes_px) not in ((), (features.side_px,)):
            raise InputError(
                f"layers are {list(layers)} and sizes {list(sizes_px)}; a function has neither layers nor "
                f"sizes but its own, {features.side_px}"
            )
        return Recipe((_FUNCTION,), (features.side_px,), center=bool(center))
    if isinstance(features, JoinedNetworks):
        if layers or sizes_px or center is not None:
            raise InputError(
                "layers, sizes and centring are asked for; joined networks have those of their recipes"
            )
        return features.recipe
    own = recipe_for(features.network)
    return Recipe(
        tuple(layers) or own.layers,
        tuple(sizes_px) or own.sizes_px,
        center=own.center if center is None else center,
    )
