"""Probes as fitted models, which `convcorr_jax.io.save_fitted` writes and `convcorr_jax.io.load_fitted` reads.

The arrays of a ridge regression are stored as ``<name>:<field>``, one for each field of
`convcorr_jax.linear.ridge.Ridge`; penalty and condition are stored for each target. Of a
`convcorr_jax.linear.ridge.LowRankRidge` the basis is in half precision, which keeps three digits above 1e-4.
"""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, get_type_hints

import jax.numpy as jnp
import numpy as np

from convcorr_jax.backbone.weights import Weights
from convcorr_jax.descriptors import feature_count
from convcorr_jax.errors import InputError
from convcorr_jax.io import Expected, Fitted, check_fields
from convcorr_jax.linear.ridge import LowRankRidge, Ridge
from convcorr_jax.probes.landmarks import FeatureExtractor, LandmarkProbe, network_features
from convcorr_jax.probes.look_back import Region
from convcorr_jax.probes.search import FaceFinder

FACE = Path(__file__).with_name("face.npz")
"""The landmark probe of faces that ships with the package; ``face.md`` beside it describes its training."""

# Fields of a regression that no prediction reads.
_DIAGNOSTICS = frozenset(Ridge._fields) - {"weights", "bias"}

# The regression of a face's presence among those of the landmarks.
_PRESENCE = "presence"


@dataclass(frozen=True, eq=False)
class ProbeModel:
    """Named ridge regressions on one feature vector, with everything that is needed to use them.

    The facts name what the regressions predict, the network and layer of the features, and how they were
    trained, as JSON holds them.
    """

    kind: ClassVar[str] = "probe"

    ridges: Mapping[str, Ridge]
    facts: Mapping[str, Any] = field(default_factory=dict)

    def to_fitted(self) -> Fitted:
        """Return the regressions as arrays; the facts begin with their names."""
        return Fitted(_ridge_arrays(self.ridges), {"ridges": list(self.ridges), **self.facts})

    @classmethod
    def expected_arrays(cls, facts: Mapping[str, Any]) -> Mapping[str, Expected]:
        """Return kind and shape of the arrays of every regression that the facts name.

        Raises:
            InputError: the facts name no regressions.
        """
        named = {"ridges": facts["ridges"]} if "ridges" in facts else {}
        check_fields(named, {"ridges": tuple[str, ...]}, name="model")
        return _expected_ridges(facts["ridges"])

    @classmethod
    def from_fitted(cls, fitted: Fitted) -> "ProbeModel":
        """Rebuild the probe."""
        facts = {name: value for name, value in fitted.facts.items() if name != "ridges"}
        return cls(_ridges(fitted), facts)


class FeatureSettings(NamedTuple):
    """The features that a landmark probe was trained on."""

    network: str
    fingerprint: str
    """Of the network's weights."""
    layer: str
    frame_margin: float
    """Added on each side of the square around a face's landmarks, in its sides, for the first features."""
    side_px: int | None = None
    """Of the squares that the network describes; None for that for which it was trained."""

    def extractor(self, weights: Weights) -> FeatureExtractor:
        """Return the extractor of these features.

        Raises:
            InputError: the weights differ from those that the probe was trained with.
        """
        if (weights.network.name, weights.fingerprint) != (self.network, self.fingerprint):
            raise InputError(
                f"the probe was trained with {self.network} and other weights than these of "
                f"{weights.network.name} ({weights.source})"
            )
        return network_features(weights, layer=self.layer, side_px=self.side_px)


@dataclass(frozen=True, eq=False)
class LandmarkModel:
    """A landmark probe with everything that is needed to use it, and facts about its training.

    The finder, if one was trained, finds a face in a photograph by the same features.
    """

    kind: ClassVar[str] = "landmark probe"

    probe: LandmarkProbe
    features: FeatureSettings
    training: Mapping[str, Any] = field(default_factory=dict)
    finder: FaceFinder | None = None

    def to_fitted(self) -> Fitted:
        """Return the regressions of the face and of all regions as arrays, and the layout as facts."""
        rounds = [
            {f"round_{number}_{region.name}": region for region in regions}
            for number, regions in enumerate(self.probe.rounds, start=1)
        ]
        regions = {key: region for part in rounds for key, region in part.items()}
        ridges = {"face": self.probe.face.probe} | {key: region.probe for key, region in regions.items()}
        if self.finder is not None:
            ridges[_PRESENCE] = self.finder.presence
        facts = {
            "ridges": list(ridges),
            "low_rank": [name for name, ridge in ridges.items() if isinstance(ridge, LowRankRidge)],
            "names": list(self.probe.names),
            "reads": self.features._asdict(),
            "rounds": [list(part) for part in rounds],
            "regions": {
                key: {"name": region.name, "members": list(region.members), "margin": region.margin}
                for key, region in regions.items()
            },
            "presence_threshold": None if self.finder is None else self.finder.threshold,
            "training": dict(self.training),
        }
        return Fitted(_ridge_arrays(ridges), facts)

    @classmethod
    def expected_arrays(cls, facts: Mapping[str, Any]) -> Mapping[str, Expected]:
        """Return kind and shape of the arrays of every regression that the facts name.

        Raises:
            InputError: a fact is missing, unknown or of another type.
        """
        optional = ("low_rank", "presence_threshold", "training")
        check_fields(dict(facts), _FACTS, name="model", optional=optional)
        check_fields(facts["reads"], get_type_hints(FeatureSettings), name="reads", optional=("side_px",))
        for key, region in facts["regions"].items():
            check_fields(region, _REGION, name=f"region {key!r}")
        return _expected_ridges(facts["ridges"], low_rank=_low_rank_names(facts))

    @classmethod
    def from_fitted(cls, fitted: Fitted) -> "LandmarkModel":
        """Rebuild the model.

        Raises:
            InputError: a region's landmarks do not match its regression, a name repeats, or a margin or a side
                is out of range.
        """
        facts, low_rank = fitted.facts, _low_rank_ridges(fitted)
        ridges, names = _ridges(fitted) | low_rank, tuple(facts["names"])
        if not names or len(set(names)) < len(names):
            raise InputError("its names of landmarks are none, or repeat")
        face = Region("face", tuple(range(len(names))), 0.0, ridges["face"])
        regions = {
            key: Region(entry["name"], tuple(entry["members"]), float(entry["margin"]), ridges[key])
            for key, entry in facts["regions"].items()
        }
        rounds = tuple(tuple(regions[key] for key in part) for part in facts["rounds"])
        _check_regions((face, *regions.values()), len(names))
        for part in rounds:
            if len({region.name for region in part}) < max(1, len(part)):
                raise InputError("a round of its look-back has no region, or two of one name")
        features = FeatureSettings(**facts["reads"])
        _check_range("frame_margin", features.frame_margin, most=_WIDEST_MARGIN)
        _check_range("side_px", features.side_px or 0, most=_LARGEST_SIDE_PX)
        finder = None
        if _PRESENCE in low_rank:
            if facts.get("presence_threshold") is None or len(low_rank[_PRESENCE].bias) != 1:
                raise InputError("its presence has no threshold, or is not one number")
            finder = FaceFinder(low_rank[_PRESENCE], float(facts["presence_threshold"]))
        probe = LandmarkProbe(names, face, rounds)
        return cls(probe, features, facts.get("training", {}), finder)

    def extractor(self, weights: Weights) -> FeatureExtractor:
        """Return the extractor of the features that the probe was trained on.

        Raises:
            InputError: the weights differ from those that the probe was trained with, or a regression is of
                another number of features.
        """
        extractor = self.features.extractor(weights)
        layer, side_px = self.features.layer, extractor.side_px
        count = feature_count(weights.network, layer, side_px=side_px)
        regions = [self.probe.face, *(region for part in self.probe.rounds for region in part)]
        ridges = [(region.name, region.probe) for region in regions]
        if self.finder is not None:
            ridges.append((_PRESENCE, self.finder.presence))
        for name, ridge in ridges:
            found = len(ridge.basis if isinstance(ridge, LowRankRidge) else ridge.weights)
            if found != count:
                raise InputError(
                    f"the probe's regression {name!r} is of {found} features; {layer} of "
                    f"{weights.network.name} has {count} at {side_px} pixels"
                )
        return extractor


_FACTS = {
    "ridges": tuple[str, ...],
    "low_rank": tuple[str, ...],
    "names": tuple[str, ...],
    "reads": dict[str, Any],
    "rounds": tuple[tuple[str, ...], ...],
    "regions": dict[str, Any],
    "presence_threshold": float | None,
    "training": dict[str, Any],
}
_REGION = {"name": str, "members": tuple[int, ...], "margin": float}
# A face's frame is at most a few times as wide as its landmarks; the sides of published networks are below 600.
_WIDEST_MARGIN, _LARGEST_SIDE_PX = 10.0, 2048


def _check_range(name: str, value: float, *, most: float) -> None:
    if not 0 <= value <= most:
        raise InputError(f"its {name} is {value}; 0 to {most} is expected")


def _check_regions(regions: Iterable[Region], landmarks: int) -> None:
    for region in regions:
        _check_range(f"margin of region {region.name!r}", region.margin, most=_WIDEST_MARGIN)
        members = set(region.members)
        matches = len(region.probe.bias) == 2 * len(region.members) == 2 * len(members) > 0
        if not matches or not members <= set(range(landmarks)):
            raise InputError(f"region {region.name!r} does not match its regression")


def _ridge_arrays(ridges: Mapping[str, Ridge | LowRankRidge]) -> dict[str, np.ndarray]:
    return {
        f"{name}:{part}": values for name, ridge in ridges.items() for part, values in _fields(ridge).items()
    }


def _fields(ridge: Ridge | LowRankRidge) -> dict[str, np.ndarray]:
    if isinstance(ridge, LowRankRidge):
        arrays = {part: np.asarray(values) for part, values in ridge._asdict().items()}
        return arrays | {"basis": arrays["basis"].astype(np.float16)}
    return {part: np.asarray(values) for part, values in ridge.for_each_target()._asdict().items()}


def _expected_ridges(names: Iterable[Any], *, low_rank: Set[str] = frozenset()) -> dict[str, Expected]:
    expected = {}
    for name in map(str, names):
        features, rank, targets = (f"{name} {what}" for what in ("features", "rank", "targets"))
        if name in low_rank:
            shapes = {"basis": (features, rank), "loadings": (rank, targets), "bias": (targets,)}
        else:
            shapes = {part: (targets,) for part in Ridge._fields} | {"weights": (features, targets)}
        # The condition of a regression that fits its rows exactly is infinite.
        expected |= {
            f"{name}:{part}": Expected(np.floating, shape, finite=part not in _DIAGNOSTICS)
            for part, shape in shapes.items()
        }
    return expected


def _ridges(fitted: Fitted) -> dict[str, Ridge]:
    low_rank = _low_rank_names(fitted.facts)
    return {
        name: Ridge(*(jnp.asarray(fitted.arrays[f"{name}:{part}"]) for part in Ridge._fields))
        for name in map(str, fitted.facts["ridges"])
        if name not in low_rank
    }


def _low_rank_ridges(fitted: Fitted) -> dict[str, LowRankRidge]:
    # Half precision is for storage only.
    return {
        name: LowRankRidge(*(jnp.float32(fitted.arrays[f"{name}:{part}"]) for part in LowRankRidge._fields))
        for name in sorted(_low_rank_names(fitted.facts))
    }


def _low_rank_names(facts: Mapping[str, Any]) -> set[str]:
    """Return the names of the regressions of low rank, which files of earlier versions lack."""
    return set(map(str, facts.get("low_rank", ())))
