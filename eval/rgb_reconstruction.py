"""RGB reconstruction: Figure 4 of Sharif Razavian et al. 2014.

    python -m eval.rgb_reconstruction                                            (rendered categories)
    python -m eval.rgb_reconstruction --datasets imagenet_sample mini_imagenet
    python -m eval.rgb_reconstruction --datasets path/to/a/folder --layer conv4

From the feature vector of an image, a ridge regression predicts the 46 x 46 x 3 colours of the image resized
to a square; four folds choose its penalty. ``result.json`` has the mean absolute error on the test images,
with colours between 0 and 1, beside that of the mean of the training images, and ``curve``, the same for
fewer training images: the images pass once, in a random order, and the sums of the first n of them give the
probe of n images. The split "test" (or else "val") is tested; of a data set without splits, every tenth
image. A later run with the same settings reads finished reconstructions from the cache, and continues a pass
that was killed. Memory does not depend on the number of images:

    python -m eval.rgb_reconstruction --rendered-train 12250 --rendered-px 128 --side-px 128
"""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from convcorr_jax.descriptors import default_layer
from convcorr_jax.errors import InputError
from convcorr_jax.io import make_folder, write_image
from convcorr_jax.runtime import run, write_results
from convcorr_jax.tasks import RENDERED, Backbone, DataRoot, Output, Sources, scenes
from convcorr_jax.tasks.reading import RENDERED_PX
from convcorr_jax.tasks.scenes.colors import FOLDS

PUBLISHED = {"images": 49_000, "mean_absolute_error": 0.12}


@dataclass(frozen=True)
class Config:
    """What to reconstruct from which features."""

    datasets: Sources = (RENDERED,)
    """``rendered``, or names or paths of data sets' folders, whose images are joined."""
    rendered_train: int = 100
    """Training instances of every rendered category."""
    rendered_test: int = 25
    """Test instances of every rendered category."""
    rendered_px: int = RENDERED_PX
    """Height and width of rendered images."""
    data_root: DataRoot = None
    """Folder of data sets; by default $CONVCORR_DATA, or else the user's data folder."""
    backbone: Backbone = Backbone()
    layer: str | None = None
    """Layer whose activations are features; by default fc6, or pool5 where the weights have no fc6."""
    side_px: int | None = None
    """Side of the squares that the network sees; by default its own. Smaller squares have fewer features."""
    images: tuple[int, ...] = (100, 300, 900, 1800)
    """Numbers of training images for the curve; numbers above that of all images are left out."""
    all_images: bool = True
    """Fit a probe to all training images, too. Without it, the pass ends at the last of ``images``."""
    copies: int = 1
    """Variations of every training image: 2 adds its mirror image, more add crops."""
    shown: int = 24
    """Test images in the figure."""
    seed: int = 0
    """Seed of the order in which training images are added."""
    output: Output = Output(Path("runs/rgb_reconstruction"))


def main(config: Config) -> Path:
    """Fit, reconstruct, and write ``result.json`` and figures; return its path."""
    started = time.perf_counter()
    _check(config)
    out = make_folder(config.output.out)
    weights = config.backbone.load()
    if config.side_px:
        weights = replace(weights, network=weights.network._replace(image_side=config.side_px))
    layer = config.layer or default_layer(weights)
    splits = {
        name: scenes.read_split(
            name,
            data_root=config.data_root,
            rendered_train=config.rendered_train,
            rendered_test=config.rendered_test,
            rendered_px=config.rendered_px,
        )
        for name in config.datasets
    }
    split = scenes.join_splits(splits.values())
    order = np.random.default_rng(config.seed).permutation(len(split.train))
    train = scenes.color_samples(
        split.train.take(order), weights, layer=layer, copies=config.copies, folder=out / "train", seeds=order
    )
    test = scenes.color_samples(split.test, weights, layer=layer, copies=1, folder=out / "test")
    counts = sorted({n for n in config.images if n < len(order)})
    counts += [len(order)] if config.all_images or not counts else []
    results = scenes.reconstruct_test(train, test, counts, folder=out / "probes")
    figure = scenes.reconstruction_figure(test, results[counts[-1]], shown=config.shown)
    write_image(out / "figure_4.png", figure)
    published = ("the paper, fc6", PUBLISHED["images"], PUBLISHED["mean_absolute_error"])
    write_image(out / "curve.png", scenes.error_figure(results, published=published))
    tested = {name: len(part.test) for name, part in splits.items()}
    result: dict[str, Any] = {
        "datasets": list(config.datasets),
        "network": weights.network.name,
        "weights": weights.source,
        "layer": layer,
        "train": counts[-1],
        "test": len(split.test),
        "copies": config.copies,
        **scenes.reconstruction_scores(results, tested),
        "published": PUBLISHED,
    }
    return write_results(out, result, config, started=started)


def _check(config: Config) -> None:
    if not config.datasets or len(set(config.datasets)) < len(config.datasets):
        raise InputError(f"datasets is {config.datasets}; at least one is expected, none of them twice")
    if any(count < FOLDS for count in config.images) or config.shown < 1:
        raise InputError(
            f"images is {config.images} and shown {config.shown}; at least {FOLDS} and 1 are expected"
        )


if __name__ == "__main__":
    run(Config, main, __doc__)
