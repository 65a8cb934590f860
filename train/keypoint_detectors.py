"""Train keypoint detectors: one model for every category of a data set (Long et al. 2014, section 5).

    python -m train.keypoint_detectors --dataset rendered
    python -m train.keypoint_detectors --dataset lfpw68 --out runs/faces
    python -m train.keypoint_detectors --dataset lfpw68 --sift
    python -m train.keypoint_detectors --preset face --out runs/face                (the model of the package)

Writes ``<category>.npz`` and ``<category>.json``, which ``convcorr keypoints --model`` reads. Descriptors
and every round of mining are cached in ``--out``, so that a killed run continues there.

The detectors train on ``--images`` objects of a category, evenly spread; all training objects of the
category serve the prior. Cross-validation chooses how scores become positive and how much the prior weighs:
each third of the images is predicted by detectors of the other two thirds.
"""

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from convcorr_jax.io import make_folder, save_fitted
from convcorr_jax.runtime import checked, run, write_results
from convcorr_jax.tasks import Backbone, CategoryData, Output
from convcorr_jax.tasks.keypoints import (
    DetectorOptions,
    check_trainable,
    read_categories,
    train_model,
    with_card,
)

FACE_DIRECTIONS = 64
"""Directions of pool5 in the shipped model of faces: 1.4 MB instead of 31 for the features of all objects."""


@dataclass(frozen=True)
class Config:
    """The data set, the descriptors and the training."""

    data: CategoryData = CategoryData()
    backbone: Backbone = Backbone()
    training: DetectorOptions = DetectorOptions()
    sift: bool = False
    """Describe candidates by dense SIFT instead of the network's columns."""
    preset: Literal["face"] | None = None
    """``face`` sets the data and the training of the model that the package ships."""
    output: Output = Output(Path("runs/keypoint_detectors"))


def main(config: Config) -> Path:
    """Train and save a model of every category; return the path of ``result.json``."""
    started = time.perf_counter()
    if config.preset == "face":
        data = checked(dataclasses.replace(config.data, dataset="faces"))
        config = dataclasses.replace(
            config, data=data, training=DetectorOptions(directions=FACE_DIRECTIONS), sift=False
        )
    config.training.check()
    out = make_folder(config.output.out)
    weights = config.backbone.load()
    cells = config.training.sift_cells() if config.sift else config.training.conv_cells(weights)
    categories = read_categories(config.data)
    check_trainable(categories)
    result = {}
    for category in categories:
        # Without an official split no object is held back.
        fold = 0 if (category.folds < 0).any() else None
        trained = train_model(category, cells, weights, config.training, folder=out / "cached", fold=fold)
        model = trained.model
        if config.preset is not None:
            model = with_card(
                model, category, weights, command=f"python -m train.keypoint_detectors --preset {config.preset}"
            )
        save_fitted(out / category.name, model)
        result[category.name] = trained.facts
    return write_results(out, result, config, started=started)


if __name__ == "__main__":
    run(Config, main, __doc__)
