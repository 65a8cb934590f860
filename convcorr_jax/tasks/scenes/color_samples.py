"""Training and test images of the RGB reconstruction, and their features and colours in cached parts."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets.selection import Selection
from convcorr_jax.errors import InputError
from convcorr_jax.probes.rgb import SIDE_PX
from convcorr_jax.runtime.stages import CachedParts
from convcorr_jax.tasks.reading import RENDERED_PX, select
from convcorr_jax.tasks.variation_features import PartContents, variation_parts

FOLDS = 4
"""Number of folds that choose the penalty; the paper's."""
# Of a data set without splits, the last of every ten images is tested.
_TEST_EVERY = 10


class Split(NamedTuple):
    """Training images, and images to reconstruct."""

    train: Selection
    test: Selection


class ColorSamples(NamedTuple):
    """Features and colours of images and their variations, in cached parts."""

    records: Selection
    """The images."""
    copies: int
    """Variations of every image."""
    parts: CachedParts
    """Arrays ``features`` and ``squares``, with one row for every variation, all those of an image in turn."""

    def rows(
        self, numbers: range
    ) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, "n t"], Int[np.ndarray, " n"]]:
        """Read the variations of some images of one part.

        Args:
            numbers: numbers of the images.

        Returns:
            Features, colours between 0 and 1 as `convcorr_jax.probes.rgb_targets` returns them, and the number
            of the image of each row.
        """
        part = numbers.start // self.parts.part
        first = self.parts.items(part).start
        rows = slice(*(self.copies * (end - first) for end in (numbers.start, numbers.stop)))
        arrays = self.parts[part]
        squares = arrays["squares"][rows]
        colors = squares.reshape(len(squares), -1).astype(np.float32) / 255
        return arrays["features"][rows].astype(np.float32), colors, np.repeat(numbers, self.copies)

    def blocks(self, *, stops: Iterable[int] = ()) -> list[range]:
        """Return the numbers of all images, divided at the parts' ends and at some stops.

        Args:
            stops: numbers of images.
        """
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

    Args:
        dataset: ``rendered``, or the name or path of a folder.
        data_root: the folder of data sets; by default $CONVCORR_DATA, or else the user's data folder.
        rendered_train: number of training images of each rendered category.
        rendered_test: number of test images of each rendered category.
        rendered_px: height and width of rendered images.

    Raises:
        InputError: the data set cannot be read, or has fewer training images than folds, or no test image.
    """
    records = select(
        dataset,
        data_root=data_root,
        train=rendered_train,
        test=rendered_test,
        side_px=rendered_px,
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
    """Join the images of several data sets.

    Args:
        splits: training and test images of each data set.
    """
    splits = list(splits)
    return Split(
        Selection.of(*(split.train for split in splits)),
        Selection.of(*(split.test for split in splits)),
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
    """Return features and colours of the variations of images, which are computed when they are read.

    Args:
        records: the images.
        weights: weights of the network.
        layer: name of the layer.
        copies: number of variations of every image; 1 is the image itself.
        folder: where features and colours are cached.
        seeds: seed of each image's variations; by default its number.

    Raises:
        InputError: an image cannot be read.
    """
    parts = variation_parts(
        records,
        weights,
        layer=layer,
        copies=copies,
        folder=folder,
        contents=PartContents(squares_px=SIDE_PX, seeds=seeds),
    )
    return ColorSamples(records, copies, parts)
