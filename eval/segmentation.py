"""Semantic segmentation: Table 3 and Figure 5 of Sharif Razavian et al. 2014.

    python -m eval.segmentation                              (rendered categories)
    python -m eval.segmentation --dataset camvid
    python -m eval.segmentation --dataset path/to/a/folder   (any with label maps, such as VOC 2012)

From the feature vector of an image, a ridge regression predicts the shares of every class in 30 x 30 cells,
and the matrix M maps the responses in a cell to the class (`convcorr_jax.probes.segmentation`). A network's
features (``convnet``) are compared with the 32 x 32 x 3 colours of the image (``rgb``); each plain and
``augmented``, with crops and mirrored copies of the training images. ``result.json`` has for each the
intersection over union of every class, their mean, which the paper's "mAP" is taken to be, and pixel
accuracy: without M (``none``), with M fitted to responses to the ``same`` images as the first regression, and
with M fitted to responses to ``held_out`` images. The ``interval`` of the mean draws test images, of CamVid
runs of 20 frames of a film: consecutive frames are nearly equal.

The split "val" belongs to the training images if there is a split "test", and is tested otherwise (VOC). Four
folds choose penalties; they divide neither the variations of an image nor runs of consecutive images, such as
frames of a film. A later run with the same settings reads finished results from the cache.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from convcorr_jax.descriptors import default_layer
from convcorr_jax.errors import InputError
from convcorr_jax.io import make_folder, write_image
from convcorr_jax.runtime import run, write_results
from convcorr_jax.tasks import Backbone, Data, Output
from convcorr_jax.tasks.scenes import (
    SegmentationOptions,
    example_scenes,
    examples_figure,
    read_scenes,
    score_table,
    segment_scenes,
)

PUBLISHED = {"mean_iou": 0.2073, "background": 0.7912}


@dataclass(frozen=True)
class Config:
    """What to segment from which features."""

    data: Data = Data()
    backbone: Backbone = Backbone()
    layer: str | None = None
    """Layer whose activations are features; by default fc6, or pool5 where the weights have no fc6."""
    copies: int = 10
    """Variations of every training image, where it is augmented."""
    shown: int = 8
    """Test images in the figure."""
    output: Output = Output(Path("runs/segmentation"))


def main(config: Config) -> Path:
    """Fit, segment, score, and write ``result.json`` and a figure; return its path."""
    started = time.perf_counter()
    if config.copies < 2 or config.shown < 1:
        raise InputError(f"copies is {config.copies} and shown {config.shown}; at least 2 and 1 are expected")
    out = make_folder(config.output.out)
    weights = config.backbone.load()
    scenes = read_scenes(
        config.data.dataset,
        data_root=config.data.data_root,
        rendered_train=config.data.rendered_train,
        rendered_test=config.data.rendered_test,
        split=config.data.split,
    )
    shown = example_scenes(scenes, shown=config.shown)
    options = SegmentationOptions(config.layer or default_layer(weights), config.copies, shown)
    results = segment_scenes(scenes, weights, options, out=out)
    figure = examples_figure(scenes, shown, results["convnet_augmented"])
    write_image(out / "figure_5.png", figure)
    result = {
        "dataset": config.data.dataset,
        "network": weights.network.name,
        "weights": weights.source,
        "layer": options.layer,
        "train": len(scenes.train),
        "test": len(scenes.test),
        "copies": config.copies,
        "classes": list(scenes.classes),
        "scores": score_table(results, scenes),
        "penalty": {name: each.penalty for name, each in results.items()},
        "published": PUBLISHED,
    }
    return write_results(out, result, config, started=started)


if __name__ == "__main__":
    run(Config, main, __doc__)
