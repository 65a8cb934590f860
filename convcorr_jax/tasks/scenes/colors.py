"""RGB reconstruction: data, cached fits to training sets of several sizes, and figures."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8

from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets.fingerprint import fingerprint
from convcorr_jax.datasets.records import Record, load_image
from convcorr_jax.errors import InputError
from convcorr_jax.linear import grouped_folds
from convcorr_jax.probes import absolute_error, as_squares, fit_grid, reconstruct, rgb_targets
from convcorr_jax.probes.rgb import SIDE_PX
from convcorr_jax.report import image_grid, learning_curve, pixels
from convcorr_jax.runtime.stages import stage
from convcorr_jax.shapes import Image
from convcorr_jax.tasks.reading import read
from convcorr_jax.tasks.variation_features import (
    variation_features,
    variation_images,
    variations_of,
)

FOLDS = 4
"""Number of folds that choose the penalty; the paper's."""
# Of a data set without splits, the last of every ten images is tested.
_TEST_EVERY = 10
_PANEL_PX = 130
# Images of a row of the figure.
_COLUMNS = 8


class Split(NamedTuple):
    """Training images, and images to reconstruct."""

    train: list[Record]
    test: list[Record]


class ColorSamples(NamedTuple):
    """Features and colours of images and their variations."""

    features: Float[np.ndarray, "n d"]
    """One row for every variation."""
    colors: Float[np.ndarray, "n t"]
    """RGB between 0 and 1, as `convcorr_jax.probes.rgb_targets` returns them."""
    images: Int[np.ndarray, " n"]
    """Number of the image that each row is a variation of."""


class Reconstruction(NamedTuple):
    """Reconstructed test images, and how well the probe was fitted."""

    error: Float[np.ndarray, " test"]
    """Mean absolute error of every test image, with colours between 0 and 1."""
    mean_image_error: Float[np.ndarray, " test"]
    """The same error for the mean of the training images."""
    reconstructed: UInt8[np.ndarray, "test side side 3"]
    """The reconstructed test images."""
    penalties: Float[np.ndarray, " p"]
    """All penalties tried."""
    held_out_error: Float[np.ndarray, " p"]
    """Mean squared error on held-out folds, for every penalty."""

    @property
    def penalty(self) -> float:
        """The penalty with the least error on held-out folds."""
        return float(self.penalties[self.held_out_error.argmin()])


def read_split(
    dataset: str,
    *,
    data_root: Path | None = None,
    rendered_train: int = 100,
    rendered_test: int = 25,
) -> Split:
    """Read the training and test images of a data set.

    The test images are the split "test", or else "val"; of a data set without splits, every tenth image.

    Args:
        dataset: ``rendered``, or the name or path of a folder.
        data_root: the folder of data sets; by default $CONVCORR_DATA, or else the user's data folder.
        rendered_train: number of training images of each rendered category.
        rendered_test: number of test images of each rendered category.

    Raises:
        InputError: the data set cannot be read, or has fewer training images than folds, or no test image.
    """
    records = read(dataset, data_root=data_root, train=rendered_train, test=rendered_test)
    splits = {record.split for record in records}
    tested = "test" if "test" in splits else "val"
    if tested in splits and "train" in splits:
        test = [record for record in records if record.split == tested]
        train = [record for record in records if record.split in {"train", "val"} - {tested}]
    else:
        # Images of a class follow each other; every tenth image covers all classes.
        test = list(records[_TEST_EVERY - 1 :: _TEST_EVERY])
        train = [record for i, record in enumerate(records) if i % _TEST_EVERY != _TEST_EVERY - 1]
    if len(train) < FOLDS or not test:
        raise InputError(
            f"{dataset} has {len(train)} images to train on and {len(test)} to test; at least "
            f"{FOLDS} and 1 are expected"
        )
    return Split(train, test)


def join_splits(splits: Iterable[Split]) -> Split:
    """Join the images of several data sets.

    Args:
        splits: training and test images of each data set.
    """
    splits = list(splits)
    return Split(
        [record for split in splits for record in split.train],
        [record for split in splits for record in split.test],
    )


def color_samples(
    records: Sequence[Record], weights: Weights, *, layer: str, copies: int, folder: Path
) -> ColorSamples:
    """Compute features and colours of the variations of images.

    Args:
        records: the images.
        weights: weights of the network.
        layer: name of the layer.
        copies: number of variations of every image; 1 is the image itself.
        folder: where features are cached.
    """
    squares = variation_images(records, variations_of(records, copies=copies), side_px=SIDE_PX)
    return ColorSamples(
        variation_features(records, weights, layer=layer, copies=copies, folder=folder),
        rgb_targets(squares),
        np.repeat(np.arange(len(records)), copies),
    )


def reconstruct_test(
    split: Split,
    train: ColorSamples,
    test: ColorSamples,
    chosen: Int[np.ndarray, " chosen"],
    *,
    weights: Weights,
    layer: str,
    path: Path,
) -> Reconstruction:
    """Fit a probe to some training images and reconstruct all test images, or read them from the cache.

    Args:
        split: the records of the samples.
        train: samples of the training images.
        test: samples of the test images.
        chosen: numbers of the training images to use.
        weights: weights of the network that computed the features.
        layer: name of the layer.
        path: the ``.npz`` file that caches the reconstruction.
    """
    key = {
        "train": fingerprint([split.train[i] for i in chosen]),
        "test": fingerprint(split.test),
        "weights": weights.fingerprint,
        "layer": layer,
        "copies": len(train.images) // len(split.train),
    }
    return Reconstruction(**stage(path, key, lambda: _reconstruct(train, test, chosen)._asdict()))


def _reconstruct(
    train: ColorSamples, test: ColorSamples, chosen: Int[np.ndarray, " chosen"]
) -> Reconstruction:
    rows = np.isin(train.images, chosen)
    probe, curve = fit_grid(
        train.features[rows],
        train.colors[rows],
        side=SIDE_PX,
        folds=grouped_folds(train.images[rows], k=FOLDS),
        k=FOLDS,
    )
    truth, predicted = as_squares(test.colors), reconstruct(probe, test.features)
    mean_image = as_squares(train.colors[rows].mean(axis=0)[None])
    return Reconstruction(
        absolute_error(predicted, truth),
        absolute_error(np.broadcast_to(mean_image, truth.shape), truth),
        np.round(255 * predicted).astype(np.uint8),
        curve.penalties,
        curve.errors.mean(axis=1),
    )


def reconstruction_scores(
    results: Mapping[int, Reconstruction], tested: Mapping[str, int]
) -> dict[str, Any]:
    """Return the errors of reconstructions as ``result.json`` holds them.

    Args:
        results: reconstructions of the test images, by number of training images; the last is of all of them.
        tested: number of test images of each data set, in their order.

    Returns:
        The mean error of the last reconstruction beside that of the mean image, both for all test images and
        for each data set (``per_dataset``), and against the number of training images (``curve``).
    """
    *_, last = results.values()
    dataset = np.repeat(list(tested), list(tested.values()))
    return {
        "mean_absolute_error": float(last.error.mean()),
        "mean_image": float(last.mean_image_error.mean()),
        "per_dataset": {
            name: {
                "mean_absolute_error": float(last.error[dataset == name].mean()),
                "mean_image": float(last.mean_image_error[dataset == name].mean()),
            }
            for name in tested
        },
        "curve": {
            "images": list(results),
            "mean_absolute_error": [float(each.error.mean()) for each in results.values()],
            "mean_image": [float(each.mean_image_error.mean()) for each in results.values()],
            "penalty": [each.penalty for each in results.values()],
        },
    }


def reconstruction_figure(
    records: Sequence[Record], test: ColorSamples, result: Reconstruction, *, shown: int
) -> Image:
    """Draw Figure 4: test images, the squares they are resized to, and their reconstructions.

    Args:
        records: the test images.
        test: samples of the test images.
        result: their reconstruction.
        shown: number of images in the figure.
    """
    chosen = np.unique(np.linspace(0, len(records) - 1, shown).astype(int))
    squares = np.round(255 * as_squares(test.colors)).astype(np.uint8)
    cells = [(load_image(records[i]), squares[i], result.reconstructed[i]) for i in chosen]
    rows: list[list[Image]] = []
    for start in range(0, len(cells), _COLUMNS):
        rows += map(list, zip(*cells[start : start + _COLUMNS], strict=True))
    labels = ("photographs", "resized to 46 x 46", "reconstructed") * (len(rows) // 3)
    return pixels(image_grid(rows, row_labels=labels, cell_px=_PANEL_PX))


def error_figure(
    results: Mapping[int, Reconstruction], *, published: tuple[str, int, float]
) -> Image:
    """Draw the error against the number of training images.

    Args:
        results: reconstructions of the test images, by number of training images.
        published: name, number of training images and error of a result to compare with.
    """
    figure = learning_curve(
        list(results),
        {
            "from the representation": [float(each.error.mean()) for each in results.values()],
            "mean image": [float(each.mean_image_error.mean()) for each in results.values()],
        },
        published=published,
        y_label="mean absolute error of colours in [0, 1]",
    )
    return pixels(figure)
