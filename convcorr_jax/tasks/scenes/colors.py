"""RGB reconstruction: cached features and colours, fits to training sets of several sizes, scores and figures.

The training images pass once, in parts that are cached on disk, and are summed up
(`convcorr_jax.linear.ridge.FoldSums`). A fit to the first n images is a fit to the sums as they are after n
images. Memory is that of one part and of the sums, whatever the number of images.

Source: Sharif Razavian et al. 2014, section 3.1, with 49,000 training images of ImageNet's validation set and
1,000 test images. Differs from the paper: images are added in a random order, not that of the data set, so that
the first n are a sample of all; and the weights at hand have no fc6 (`default_layer`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8

from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets import Selection, load_image
from convcorr_jax.errors import InputError
from convcorr_jax.linear.ridge import FoldSums, argmin_error, empty_fold_sums
from convcorr_jax.metrics import mean_interval
from convcorr_jax.probes import absolute_error, as_squares, fit_grid_sums, reconstruct
from convcorr_jax.probes.rgb import SIDE_PX
from convcorr_jax.report import image_grid, learning_curve, pixels
from convcorr_jax.runtime import CachedParts, accumulate, cached, progress, stage
from convcorr_jax.shapes import Image
from convcorr_jax.tasks.reading import RENDERED_PX, evenly_spread, select
from convcorr_jax.tasks.variation_features import PartContents, variation_parts

FOLDS = 4
"""Number of folds that choose the penalty; the paper's."""
# Of a data set without splits, the last of every ten images is tested.
_TEST_EVERY = 10
_PANEL_PX = 130
# Images of a row of the figure.
_COLUMNS = 8


class Split(NamedTuple):
    """Training images, and images to reconstruct."""

    train: Selection
    test: Selection


class ColorSamples(NamedTuple):
    """Features and colours of images and their variations, in cached parts."""

    records: Selection
    copies: int
    """Variations of every image."""
    parts: CachedParts
    """Arrays ``features`` and ``squares``, with one row for every variation, all those of an image in turn."""

    def rows(
        self, numbers: range
    ) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, "n t"], Int[np.ndarray, " n"]]:
        """Read features, colours in [0, 1] and image numbers of the variations of some images of one part."""
        part = numbers.start // self.parts.part
        first = self.parts.items(part).start
        rows = slice(*(self.copies * (end - first) for end in (numbers.start, numbers.stop)))
        arrays = self.parts[part]
        squares = arrays["squares"][rows]
        colors = squares.reshape(len(squares), -1).astype(np.float32) / 255
        return arrays["features"][rows].astype(np.float32), colors, np.repeat(numbers, self.copies)

    def blocks(self, *, stops: Iterable[int] = ()) -> list[range]:
        """Return the numbers of all images, divided at the parts' ends and at some stops."""
        count = len(self.records)
        ends = sorted({*range(self.parts.part, count, self.parts.part), *stops, count})
        return [range(start, end) for start, end in zip([0, *ends], ends, strict=False)]


def read_split(
    dataset: str,
    *,
    data_root: Path | None = None,
    rendered_train: int = 100,
    rendered_test: int = 25,
    rendered_px: int = RENDERED_PX,
) -> Split:
    """Read the training and test images of a data set.

    The test images are the split "test", or else "val"; of a data set without splits, every tenth image.
    """
    records = select(
        dataset, data_root=data_root, train=rendered_train, test=rendered_test, side_px=rendered_px
    )
    splits = np.array(records.splits())
    tested = "test" if "test" in splits else "val"
    if tested in splits and "train" in splits:
        test = splits == tested
        train = np.isin(splits, list({"train", "val"} - {tested}))
    else:
        # Images of a class follow each other; every tenth image covers all classes.
        test = np.arange(len(records)) % _TEST_EVERY == _TEST_EVERY - 1
        train = ~test
    if train.sum() < FOLDS or not test.any():
        raise InputError(
            f"{dataset} has {train.sum()} images to train on and {test.sum()} to test; at least "
            f"{FOLDS} and 1 are expected"
        )
    return Split(records.take(np.flatnonzero(train)), records.take(np.flatnonzero(test)))


def join_splits(splits: Iterable[Split]) -> Split:
    """Join the images of several data sets."""
    splits = list(splits)
    return Split(
        Selection.of(*(split.train for split in splits)), Selection.of(*(split.test for split in splits))
    )


def color_samples(
    records: Selection,
    weights: Weights,
    *,
    layer: str,
    copies: int,
    folder: Path,
    seeds: Int[np.ndarray, " n"] | None = None,
) -> ColorSamples:
    """Return features and colours of the variations of images, which are computed when they are read."""
    contents = PartContents(squares_px=SIDE_PX, seeds=seeds)
    parts = variation_parts(records, weights, layer=layer, copies=copies, folder=folder, contents=contents)
    return ColorSamples(records, copies, parts)


class Reconstruction(NamedTuple):
    """Reconstructed test images, and how well the probe was fitted."""

    error: Float[np.ndarray, " test"]
    """Mean absolute error of every test image, with colours between 0 and 1."""
    mean_image_error: Float[np.ndarray, " test"]
    """The same error for the mean of the training images."""
    reconstructed: UInt8[np.ndarray, "test side side 3"]
    penalties: Float[np.ndarray, " p"]
    held_out_error: Float[np.ndarray, " p"]
    """Mean squared error on held-out folds, for every penalty."""

    @property
    def penalty(self) -> float:
        """The penalty with the least error on held-out folds, the first of several."""
        return float(self.penalties[argmin_error(self.held_out_error)])


def reconstruct_test(
    train: ColorSamples, test: ColorSamples, counts: Sequence[int], *, folder: Path
) -> dict[int, Reconstruction]:
    """Fit probes to the first training images and reconstruct all test images, or read the cached results.

    All fits share one pass over the training images: the probe of n images is fitted to the sums of n images.
    The fold of an image is its number modulo `FOLDS`. Results are by ``counts``, rising numbers of training
    images.
    """
    key = {"train": train.parts.settings, "test": test.parts.settings}
    paths = {count: folder / f"{train.parts.name}_{count:05d}.npz" for count in counts}
    found = {count: cached(path, key) for count, path in paths.items()}
    missing = [count for count, arrays in found.items() if arrays is None]
    for count, sums in _sums_after(train, counts, missing, folder / f"{train.parts.name}_sums.npz"):
        found[count] = stage(paths[count], key, lambda sums=sums: _reconstruct(sums, test)._asdict())
    return {count: Reconstruction(**arrays) for count, arrays in found.items() if arrays}


def _sums_after(
    train: ColorSamples, counts: Sequence[int], missing: Sequence[int], path: Path
) -> Iterator[tuple[int, FoldSums]]:
    """Yield some of the numbers of images and the sums after them; blocks end at all of ``counts``."""
    if not missing:
        return
    blocks = train.blocks(stops=counts)
    ends = [block.stop for block in blocks]
    features, colors, _ = train.rows(range(1))

    def step(sums: FoldSums, number: int) -> FoldSums:
        rows, targets, images = train.rows(blocks[number])
        return sums.add(rows, targets, images % FOLDS)

    snapshots = accumulate(
        path,
        {**train.parts.settings, "ends": ends, "folds": FOLDS},
        step,
        start=empty_fold_sums(features.shape[1], colors.shape[1], k=FOLDS),
        stops=[ends.index(count) + 1 for count in missing],
    )
    for stop, sums in progress(snapshots, description="fitting", total=len(missing)):
        yield ends[stop - 1], sums


def _reconstruct(sums: FoldSums, test: ColorSamples) -> Reconstruction:
    probe, curve = fit_grid_sums(sums, side=SIDE_PX)
    mean_image = as_squares(sums.target_mean()[None])
    errors, mean_errors, reconstructed = [], [], []
    for block in test.blocks():
        features, colors, _ = test.rows(block)
        truth, predicted = as_squares(colors), reconstruct(probe, features)
        errors.append(absolute_error(predicted, truth))
        mean_errors.append(absolute_error(np.broadcast_to(mean_image, truth.shape), truth))
        reconstructed.append(np.round(255 * predicted).astype(np.uint8))
    return Reconstruction(
        np.concatenate(errors),
        np.concatenate(mean_errors),
        np.concatenate(reconstructed),
        curve.penalties,
        curve.errors.mean(axis=1),
    )


def reconstruction_scores(results: Mapping[int, Reconstruction], tested: Mapping[str, int]) -> dict[str, Any]:
    """Return the errors of reconstructions as ``result.json`` holds them.

    The last of ``results`` is of all training images; ``tested`` are numbers of test images. Means stand beside
    those of the mean image, for all test images, ``per_dataset``, and by number of training images (``curve``),
    with the 95 % bootstrap ``interval`` over test images.
    """
    *_, last = results.values()
    dataset = np.repeat(list(tested), list(tested.values()))
    return {
        "mean_absolute_error": float(last.error.mean()),
        "interval": list(mean_interval(last.error)),
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
            "interval": [list(mean_interval(each.error)) for each in results.values()],
            "mean_image": [float(each.mean_image_error.mean()) for each in results.values()],
            "penalty": [each.penalty for each in results.values()],
        },
    }


def reconstruction_figure(test: ColorSamples, result: Reconstruction, *, shown: int) -> Image:
    """Draw Figure 4: test images, the squares they are resized to, and their reconstructions."""
    chosen = evenly_spread(len(test.records), shown)
    cells = []
    for number in chosen:
        square = as_squares(test.rows(range(number, number + 1))[1])[0]
        square = np.round(255 * square).astype(np.uint8)
        cells.append((load_image(test.records[number]), square, result.reconstructed[number]))
    rows: list[list[Image]] = []
    for start in range(0, len(cells), _COLUMNS):
        rows += map(list, zip(*cells[start : start + _COLUMNS], strict=True))
    labels = ("photographs", "resized to 46 x 46", "reconstructed") * (len(rows) // 3)
    return pixels(image_grid(rows, row_labels=labels, cell_px=_PANEL_PX))


def error_figure(results: Mapping[int, Reconstruction], *, published: tuple[str, int, float]) -> Image:
    """Draw the error against the number of training images, and a published name, number and error."""
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
