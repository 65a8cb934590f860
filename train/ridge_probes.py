"""Train a ridge probe and save it (Sharif Razavian et al. 2014, sections 3.1 and 4).

    python -m train.ridge_probes                                                (landmarks of rendered faces)
    python -m train.ridge_probes --train lfpw68 helen68 --out runs/landmarks
    python -m train.ridge_probes --probe attributes --train lfw_attributes
    python -m train.ridge_probes --probe colors --train imagenet_sample

Writes ``<probe>.npz`` and ``<probe>.json`` (`convcorr_jax.probes.saved`): ``landmarks``, with look-back, which
``convcorr landmarks --model`` uses; ``keypoints`` of every category; ``colors`` of photographs; ``classes`` of
their pixels; ``attributes`` of faces. Only the training split is learned from.

Layer and share of look-back's landmarks were chosen on training faces of LFPW that were held out: there conv3
and conv4 leave a fifth less error than pool5.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from convcorr_jax.backbone.weights import Weights, load
from convcorr_jax.descriptors.global_features import default_layer
from convcorr_jax.errors import InputError
from convcorr_jax.io import make_folder, write_json
from convcorr_jax.metrics.landmark_error import landmark_errors, landmark_summary
from convcorr_jax.probes.landmark_files import Reads, save
from convcorr_jax.probes.landmarks import Description, LandmarkProbe, convnet, fit, with_mirrored
from convcorr_jax.probes.look_back import look_back_sets, to_fractions, to_pixels
from convcorr_jax.probes.saved import save_probe
from convcorr_jax.runtime.runlog import write_run
from convcorr_jax.runtime.script import run
from convcorr_jax.tasks.keypoints.categories import RENDERED
from convcorr_jax.tasks.landmarks.faces import FRAME_MARGIN, FaceSet, frame_of, read_faces
from convcorr_jax.tasks.probes import Kind, Source, fit_picture_probe

LANDMARK_LAYER = "conv3"


@dataclass(frozen=True)
class Learning:
    """Options of everything that learns landmarks of faces."""

    train: tuple[str, ...] = (RENDERED,)
    """``rendered``, or names or paths of data sets' folders, whose training faces are put together."""
    network: str = "alexnet"
    weights: Path | None = None
    """File of weights; by default those that are installed or fetched."""
    layer: str | None = None
    """Whose activations describe a square; by default conv3 for landmarks, else fc6 or pool5."""
    rounds: int = 2
    """Of look-back, at most."""
    share: float = 0.97
    """Of the training faces whose errors the margins of the squares of look-back cover; the paper's is 1."""
    mirrored: bool = True
    """Train with every face and its mirror image."""
    rendered_train: int = 200
    data_root: Path | None = None
    """Folder of prepared data sets; by default the environment's CONVCORR_DATA."""


@dataclass(frozen=True)
class Config(Learning):
    """What to train on what."""

    probe: Literal["landmarks", "keypoints", "colors", "classes", "attributes"] = "landmarks"
    out: Path = Path("runs/ridge_probes")


def main(config: Config) -> Path:
    """Train, save, and write ``result.json``; returns its path."""
    started = time.perf_counter()
    out = make_folder(config.out)
    weights = load(config.network, config.weights)
    if config.probe == "landmarks":
        facts = _train_landmarks(config, weights)
    else:
        facts = _train_picture_probe(config.probe, config, weights)
    write_json(out / "result.json", facts)
    write_run(out, config, seconds=time.perf_counter() - started)
    return out / "result.json"


def _train_landmarks(config: Config, weights: Weights) -> dict[str, Any]:
    layer = config.layer or LANDMARK_LAYER
    train = read_faces(config.train, config.data_root, test=False, rendered=config.rendered_train)
    probe, held_out = fit_faces(train, convnet(weights, layer), config, rounds=config.rounds)
    lengths = np.array([one.normalizer_px or np.nan for one in train.records])
    facts = {
        "datasets": list(config.train),
        "faces": len(train.records),
        "left_out": train.left_out,
        "held_out_error": [
            landmark_summary(landmark_errors(one, train.points, lengths)).mean for one in held_out
        ],
    }
    reads = Reads(weights.network.name, weights.fingerprint, layer, FRAME_MARGIN)
    save(config.out / "landmarks", probe, reads, training=facts)
    return facts


def _train_picture_probe(kind: Kind, config: Config, weights: Weights) -> dict[str, Any]:
    if len(config.train) != 1:
        raise InputError(f"--train names {len(config.train)} data sets; one data set is expected")
    layer = config.layer or default_layer(weights)
    source = Source(
        config.train[0],
        config.data_root,
        config.rendered_train,
        weights,
        layer,
        config.mirrored,
        config.out / "kept",
    )
    fitted = fit_picture_probe(kind, source)
    facts = {
        "datasets": list(config.train),
        "network": weights.network.name,
        "fingerprint": weights.fingerprint,
        "layer": layer,
        **fitted.told,
    }
    save_probe(config.out / kind, fitted.ridges, facts)
    return facts


def fit_faces(
    train: FaceSet, description: Description, options: Learning, *, rounds: int
) -> tuple[LandmarkProbe, list[Float[np.ndarray, "faces n 2"]]]:
    """A probe of the faces, and what it predicts of each while it is held out, a round each.

    Raises:
        InputError: an option is out of its range, or as `probes.landmarks.fit`.
    """
    if rounds < 0 or not 0 < options.share <= 1:
        raise InputError(
            f"rounds is {rounds} and share {options.share}; at least 0, and from 0 to 1, are expected"
        )
    one = train.records[0]
    count = len(train.records)
    faces, people = train.faces, np.arange(count)
    if options.mirrored:
        faces = with_mirrored(
            faces,
            widths=[record.size.width for record in train.records],
            left_right_pairs=one.left_right_pairs,
        )
        people = np.tile(people, 2)
    probe, held_out = fit(
        faces,
        description,
        names=one.names,
        people=people,
        sets=look_back_sets(one.part_sets, left_right_pairs=one.left_right_pairs) if rounds else {},
        rounds=rounds,
        share=options.share,
    )
    return probe, [points[:count] for points in held_out]


def mean_face(train: FaceSet, test: FaceSet) -> Float[np.ndarray, "faces n 2"]:
    """The mean of the training faces' landmarks, laid into the frame of every other face."""
    frames = tuple(frame_of(one) for one in train.records)
    mean = to_fractions(train.points, frames).mean(axis=0)
    onto = tuple(frame_of(one) for one in test.records)
    return to_pixels(np.tile(mean, (len(onto), 1)), onto)


if __name__ == "__main__":
    run(Config, main, __doc__)
