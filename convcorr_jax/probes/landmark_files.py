"""A probe of landmarks on disk, with what it reads."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from convcorr_jax.backbone.weights import Weights
from convcorr_jax.errors import InputError
from convcorr_jax.probes.landmarks import Description, LandmarkProbe, convnet
from convcorr_jax.probes.look_back import Region
from convcorr_jax.probes.saved import load_probe, save_probe


class Reads(NamedTuple):
    """What a probe's features are made of."""

    network: str
    fingerprint: str
    """Of the network's filters."""
    layer: str
    frame_margin: float
    """Added on each side of the square around a face's landmarks, in its sides, for the first description."""


def description(reads: Reads, weights: Weights) -> Description:
    """How the probe's features are made with these weights.

    Raises:
        InputError: the weights are others than those that it was trained with.
    """
    if (weights.network.name, weights.fingerprint) != (reads.network, reads.fingerprint):
        raise InputError(
            f"the probe was trained with {reads.network} and other weights than these of "
            f"{weights.network.name} ({weights.source})"
        )
    return convnet(weights, reads.layer)


def save(path: Path, probe: LandmarkProbe, reads: Reads, *, training: Mapping[str, Any]) -> None:
    """Write a probe as `convcorr_jax.probes.saved.save_probe` does.

    Args:
        path: the files' common name.
        probe: as `probes.landmarks.fit` makes it.
        reads: what its features are made of.
        training: facts about its training, for the reader of the ``.json``.

    Raises:
        InputError: they cannot be written.
    """
    keyed = [
        {f"round_{i + 1}_{one.name}": one for one in part} for i, part in enumerate(probe.rounds)
    ]
    regions = {key: one for part in keyed for key, one in part.items()}
    save_probe(
        path,
        {"face": probe.face.probe} | {key: one.probe for key, one in regions.items()},
        {
            "names": list(probe.names),
            "reads": reads._asdict(),
            "rounds": [list(part) for part in keyed],
            "regions": {
                key: {"name": one.name, "members": list(one.members), "margin": one.margin}
                for key, one in regions.items()
            },
            "training": dict(training),
        },
    )


def load(path: Path) -> tuple[LandmarkProbe, Reads]:
    """Read a probe.

    Raises:
        InputError: a file is missing, cut short, or no probe of landmarks.
    """
    ridges, told = load_probe(path)
    try:
        names = tuple(str(name) for name in told["names"])
        face = Region("face", tuple(range(len(names))), 0.0, ridges["face"])
        regions = {
            key: Region(
                str(one["name"]), tuple(map(int, one["members"])), float(one["margin"]), ridges[key]
            )
            for key, one in told["regions"].items()
        }
        rounds = tuple(tuple(regions[key] for key in part) for part in told["rounds"])
        for one in (face, *regions.values()):
            if len(one.probe.bias) != 2 * len(one.members) or not set(one.members) <= set(
                face.members
            ):
                raise ValueError(f"region {one.name!r} does not fit its regressors")
        reads = Reads(**told["reads"])
        if not (reads.frame_margin >= 0 and isinstance(reads.layer, str)):
            raise ValueError("layer or margin is out of range")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path} is no probe of landmarks: {error}") from error
    return LandmarkProbe(names, face, rounds), reads
