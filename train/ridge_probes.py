"""Train a ridge probe and save it (Sharif Razavian et al. 2014, sections 3.1 and 4).

    python -m train.ridge_probes                                                (landmarks of rendered faces)
    python -m train.ridge_probes --train lfpw68 helen68 --out runs/landmarks
    python -m train.ridge_probes --probe attributes --train lfw_attributes
    python -m train.ridge_probes --probe colors --train imagenet_sample

Writes ``<probe>.npz`` and ``<probe>.json``, which `convcorr_jax.io.load_fitted` reads: ``landmarks``, with
look-back, for ``convcorr landmarks --model``; ``keypoints`` of every category; ``colors`` of images;
``classes`` of their pixels; ``attributes`` of faces. Only the training split is used.
"""

import dataclasses
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from convcorr_jax.descriptors import default_layer
from convcorr_jax.errors import InputError
from convcorr_jax.io import make_folder, save_fitted
from convcorr_jax.runtime import checked, run, write_results
from convcorr_jax.tasks import RENDERED, Backbone, DataRoot, Output, Source, Sources
from convcorr_jax.tasks.landmarks import LandmarkOptions
from convcorr_jax.tasks.probes import LandmarkSource, ProbeSource, train_landmark_probe, train_probe, with_card

PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        # Frames at use are those of detectors or drawn by hand. Boxes of 300-W's detector are displaced by 0.03
        # and scaled by 0.05; drawn boxes vary more. On held-out training faces, features of 160 pixels have 3 %
        # less error than those of 128, and are 1.7 times as many; rank 12 adds 1 % to the error.
        "face": {
            "probe": "landmarks",
            "train": ("lfpw68", "helen68"),
            "layer": "conv3",
            "side_px": 128,
            "backgrounds": "imagenet_sample",
            "options": LandmarkOptions(rounds=1, margin=0.15, shift=0.06, scale=0.1, rank=12),
        }
    }
)
"""Values of options by the name of a preset."""


@dataclass(frozen=True)
class Config:
    """What to train on which data."""

    probe: Literal["landmarks", "keypoints", "colors", "classes", "attributes"] = "landmarks"
    """What the probe predicts."""
    train: Sources = (RENDERED,)
    """``rendered``, or names or paths of data sets' folders, whose training images are joined; only landmarks
    take more than one."""
    rendered_train: int = 200
    """Training instances of every rendered category."""
    data_root: DataRoot = None
    """Folder of data sets; by default $CONVCORR_DATA, or else the user's data folder."""
    backbone: Backbone = Backbone()
    layer: str | None = None
    """Layer whose activations are features; by default conv3 for landmarks, else fc6 or pool5."""
    side_px: int | None = None
    """Side of the squares that the network describes for landmarks; by default that of its training."""
    backgrounds: Source | None = None
    """Data set most of whose photographs show no face: with it, landmarks are also searched in whole
    photographs."""
    options: LandmarkOptions = LandmarkOptions()
    preset: Literal["face"] | None = None
    """``face`` sets the data, features and options of the landmark probe that the package ships."""
    output: Output = Output(Path("runs/ridge_probes"))


def main(config: Config) -> Path:
    """Train, save, and write ``result.json``; return its path."""
    started = time.perf_counter()
    if config.preset is not None:
        config = checked(dataclasses.replace(config, **PRESETS[config.preset]))
    out = make_folder(config.output.out)
    weights = config.backbone.load()
    if config.probe == "landmarks":
        source = LandmarkSource(
            config.train,
            config.data_root,
            config.rendered_train,
            weights,
            config.layer,
            config.side_px,
            config.backgrounds,
            out / "cached",
        )
        model = train_landmark_probe(source, config.options)
        if config.preset is not None:
            model = with_card(
                model,
                source,
                config.options,
                tests=config.train,
                command=f"python -m train.ridge_probes --preset {config.preset}",
                path=out / config.preset,
            )
        facts = model.training
    else:
        if len(config.train) != 1:
            raise InputError(f"--train names {len(config.train)} data sets; one data set is expected")
        source = ProbeSource(
            config.train[0],
            config.data_root,
            config.rendered_train,
            weights,
            config.layer or default_layer(weights),
            config.options.mirrored,
            out / "cached",
        )
        model = train_probe(config.probe, source)
        facts = model.facts
    save_fitted(out / (config.preset or config.probe), model)
    return write_results(out, facts, config, started=started)


if __name__ == "__main__":
    run(Config, main, __doc__)
