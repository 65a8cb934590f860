"""Train a ridge probe and save it (Sharif Razavian et al. 2014, sections 3.1 and 4).

    python -m train.ridge_probes                                                (landmarks of rendered faces)
    python -m train.ridge_probes --train lfpw68 helen68 --out runs/landmarks
    python -m train.ridge_probes --probe attributes --train lfw_attributes
    python -m train.ridge_probes --probe colors --train imagenet_sample

Writes ``<probe>.npz`` and ``<probe>.json``, which `convcorr_jax.io.load_fitted` reads: ``landmarks``, with
look-back, for ``convcorr landmarks --model``; ``keypoints`` of every category; ``colors`` of images;
``classes`` of their pixels; ``attributes`` of faces. Only the training split is used.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from convcorr_jax.descriptors.global_features import default_layer
from convcorr_jax.errors import InputError
from convcorr_jax.io import make_folder, save_fitted
from convcorr_jax.runtime.runlog import write_results
from convcorr_jax.runtime.script import run
from convcorr_jax.tasks.landmarks import LandmarkOptions
from convcorr_jax.tasks.options import Backbone, Output
from convcorr_jax.tasks.probes import ProbeSource, train_landmark_probe, train_probe
from convcorr_jax.tasks.reading import RENDERED


@dataclass(frozen=True)
class Config:
    """What to train on which data."""

    probe: Literal["landmarks", "keypoints", "colors", "classes", "attributes"] = "landmarks"
    """What the probe predicts."""
    train: tuple[str, ...] = (RENDERED,)
    """``rendered``, or names or paths of data sets' folders, whose training images are joined; only landmarks
    take more than one."""
    rendered_train: int = 200
    """Training instances of every rendered category."""
    data_root: Path | None = None
    """Folder of data sets; by default $CONVCORR_DATA, or else the user's data folder."""
    backbone: Backbone = Backbone()
    layer: str | None = None
    """Layer whose activations are features; by default conv3 for landmarks, else fc6 or pool5."""
    options: LandmarkOptions = LandmarkOptions()
    output: Output = Output(Path("runs/ridge_probes"))


def main(config: Config) -> Path:
    """Train, save, and write ``result.json``; return its path."""
    started = time.perf_counter()
    out = make_folder(config.output.out)
    weights = config.backbone.load()
    if config.probe == "landmarks":
        model = train_landmark_probe(
            config.train,
            weights,
            config.options,
            layer=config.layer,
            data_root=config.data_root,
            rendered=config.rendered_train,
        )
        facts = model.training
    else:
        if len(config.train) != 1:
            raise InputError(
                f"--train names {len(config.train)} data sets; one data set is expected"
            )
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
    save_fitted(out / config.probe, model)
    return write_results(out, facts, config, started=started)


if __name__ == "__main__":
    run(Config, main, __doc__)
