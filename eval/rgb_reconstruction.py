"""RGB reconstruction: Figure 4 of Sharif Razavian et al. 2014.

    python -m eval.rgb_reconstruction                                            (rendered categories)
    python -m eval.rgb_reconstruction --datasets imagenet_sample mini_imagenet
    python -m eval.rgb_reconstruction --datasets path/to/a/folder --layer conv4

From one vector that describes a photograph, a ridge regression predicts the 46 x 46 x 3 colours to which the
photograph is squashed; four folds choose its penalty. ``result.json`` has the mean absolute error on the test
photographs, with colours between 0 and 1, beside that of the mean of the training photographs, and ``curve``,
the same for fewer training photographs. Of a data set with splits, "test" (or else "val") is tested; of one
without, every tenth photograph. What an earlier run finished under the same settings is not done again.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8

from convcorr_jax import synthetic
from convcorr_jax.backbone.weights import Weights, load
from convcorr_jax.datasets import opening
from convcorr_jax.datasets.records import Record, load_image
from convcorr_jax.descriptors.global_features import default_layer
from convcorr_jax.errors import InputError
from convcorr_jax.io import make_folder, write_image, write_json
from convcorr_jax.linear.folds import grouped_folds
from convcorr_jax.probes.grids import fit_grid
from convcorr_jax.probes.rgb import (
    SIDE_PX,
    absolute_error,
    as_squares,
    reconstruct,
    rgb_targets,
)
from convcorr_jax.report.figures import image_grid, pixels
from convcorr_jax.report.learning_curve import learning_curve
from convcorr_jax.runtime.progress import progress
from convcorr_jax.runtime.runlog import write_run
from convcorr_jax.runtime.script import run
from convcorr_jax.runtime.stages import stage
from convcorr_jax.shapes import Image
from convcorr_jax.tasks.reading import RENDERED
from convcorr_jax.tasks.variation_features import features, fingerprint, squares, variations_of

PUBLISHED = {"images": 49_000, "mean_absolute_error": 0.12}
FOLDS = 4
TEST_EVERY = 10
PANEL_PX = 130
COLUMNS = 8


@dataclass(frozen=True)
class Config:
    """What to reconstruct, from which features."""

    datasets: tuple[str, ...] = (RENDERED,)
    """``rendered``, or names or paths of data sets' folders, which are put together."""
    network: str = "alexnet"
    weights: Path | None = None
    """File of weights; by default those that are installed or fetched."""
    layer: str | None = None
    """Whose activations are probed; by default fc6, or pool5 where the weights have no fc6."""
    images: tuple[int, ...] = (100, 300, 900, 1800)
    """Numbers of training photographs for the curve, beside all; more than there are are passed over."""
    copies: int = 1
    """Of every training photograph: 2 adds it mirrored, more add crops."""
    shown: int = 24
    """Test photographs in the picture."""
    rendered_train: int = 100
    """Training instances of every rendered category."""
    rendered_test: int = 25
    seed: int = 0
    """Of the order in which training photographs are added."""
    out: Path = Path("runs/rgb_reconstruction")
    data_root: Path | None = None
    """Folder of prepared data sets; by default the environment's CONVCORR_DATA."""


class Split(NamedTuple):
    """Photographs to learn from, and photographs to reconstruct."""

    train: list[Record]
    test: list[Record]


class Samples(NamedTuple):
    """Described photographs."""

    features: Float[np.ndarray, "n d"]
    colors: Float[np.ndarray, "n t"]
    """As of `rgb_targets`."""
    photographs: Int[np.ndarray, " n"]
    """The number of the record that each is a variation of."""


class Reconstruction(NamedTuple):
    """What a probe fitted to so many photographs makes of the test photographs."""

    error: Float[np.ndarray, " test"]
    mean_image_error: Float[np.ndarray, " test"]
    seen: UInt8[np.ndarray, "test side side 3"]
    penalties: Float[np.ndarray, " p"]
    held_out_error: Float[np.ndarray, " p"]
    """The mean squared error of held-out folds, for every penalty."""

    @property
    def penalty(self) -> float:
        """The chosen one."""
        return float(self.penalties[self.held_out_error.argmin()])


def main(config: Config) -> Path:
    """Fit, reconstruct, and write ``result.json`` and pictures; returns its path."""
    started = time.perf_counter()
    _check(config)
    out = make_folder(config.out)
    weights = load(config.network, config.weights)
    layer = config.layer or default_layer(weights)
    splits = {name: _split(name, config) for name in config.datasets}
    split = Split(
        [one for part in splits.values() for one in part.train],
        [one for part in splits.values() for one in part.test],
    )
    train = _samples(split.train, weights, layer, config.copies, out / "train")
    test = _samples(split.test, weights, layer, 1, out / "test")
    order = np.random.default_rng(config.seed).permutation(len(split.train))
    counts = sorted({*(n for n in config.images if n < len(order)), len(order)})
    found = {}
    for count in progress(counts, description="fitting"):
        settings = {
            "train": fingerprint([split.train[i] for i in order[:count]]),
            "test": fingerprint(split.test),
            "weights": weights.fingerprint,
            "layer": layer,
            "copies": config.copies,
        }
        path = out / "probes" / f"{layer}_{count:05d}.npz"
        found[count] = Reconstruction(
            **stage(path, settings, lambda count=count: _fitted(train, test, order[:count]))
        )
    last = found[len(order)]
    _draw(split.test, test, last, found, config)
    of_test = np.repeat(list(splits), [len(one.test) for one in splits.values()])
    result: dict[str, Any] = {
        "datasets": list(config.datasets),
        "network": weights.network.name,
        "weights": weights.source,
        "layer": layer,
        "train": len(split.train),
        "test": len(split.test),
        "copies": config.copies,
        "mean_absolute_error": float(last.error.mean()),
        "mean_image": float(last.mean_image_error.mean()),
        "per_dataset": {
            name: {
                "mean_absolute_error": float(last.error[of_test == name].mean()),
                "mean_image": float(last.mean_image_error[of_test == name].mean()),
            }
            for name in splits
        },
        "curve": {
            "images": counts,
            "mean_absolute_error": [float(one.error.mean()) for one in found.values()],
            "mean_image": [float(one.mean_image_error.mean()) for one in found.values()],
            "penalty": [one.penalty for one in found.values()],
        },
        "published": PUBLISHED,
    }
    write_json(out / "result.json", result)
    write_run(out, config, seconds=time.perf_counter() - started)
    return out / "result.json"


def _check(config: Config) -> None:
    if not config.datasets or len(set(config.datasets)) < len(config.datasets):
        raise InputError(
            f"datasets is {config.datasets}; at least one is expected, none of them twice"
        )
    if any(count < FOLDS for count in config.images) or config.shown < 1:
        raise InputError(
            f"images is {config.images} and shown {config.shown}; at least {FOLDS} and 1 are expected"
        )


def _split(dataset: str, config: Config) -> Split:
    if dataset == RENDERED:
        counts = {"train": config.rendered_train, "test": config.rendered_test}
        records: Sequence[Record] = synthetic.every_category(**counts)
    else:
        records = opening.read_records(dataset, data_root=config.data_root)
    splits = {one.split for one in records}
    tested = "test" if "test" in splits else "val"
    if tested in splits and "train" in splits:
        test = [one for one in records if one.split == tested]
        train = [one for one in records if one.split in {"train", "val"} - {tested}]
    else:
        # The last of every ten, so that classes that follow each other are in both.
        test = list(records[TEST_EVERY - 1 :: TEST_EVERY])
        train = [one for i, one in enumerate(records) if i % TEST_EVERY != TEST_EVERY - 1]
    if len(train) < FOLDS or not test:
        raise InputError(
            f"{dataset} has {len(train)} photographs to train on and {len(test)} to test; at least "
            f"{FOLDS} and 1 are expected"
        )
    return Split(train, test)


def _samples(
    records: Sequence[Record], weights: Weights, layer: str, copies: int, folder: Path
) -> Samples:
    seen = variations_of(records, copies=copies)
    return Samples(
        features(records, weights, layer=layer, copies=copies, folder=folder),
        rgb_targets(squares(records, seen, side_px=SIDE_PX)),
        np.repeat(np.arange(len(records)), copies),
    )


def _fitted(
    train: Samples, test: Samples, photographs: Int[np.ndarray, " some"]
) -> dict[str, np.ndarray]:
    used = np.isin(train.photographs, photographs)
    probe, curve = fit_grid(
        train.features[used],
        train.colors[used],
        side=SIDE_PX,
        folds=grouped_folds(train.photographs[used], k=FOLDS),
        k=FOLDS,
    )
    truth, seen = as_squares(test.colors), reconstruct(probe, test.features)
    mean_image = as_squares(train.colors[used].mean(axis=0)[None])
    return Reconstruction(
        absolute_error(seen, truth),
        absolute_error(np.broadcast_to(mean_image, truth.shape), truth),
        np.round(255 * seen).astype(np.uint8),
        curve.penalties,
        curve.errors.mean(axis=1),
    )._asdict()


def _draw(
    records: Sequence[Record],
    test: Samples,
    last: Reconstruction,
    found: dict[int, Reconstruction],
    config: Config,
) -> None:
    """Figure 4, and the curve."""
    chosen = np.unique(np.linspace(0, len(records) - 1, config.shown).astype(int))
    small = np.round(255 * as_squares(test.colors)).astype(np.uint8)
    cells = [(load_image(records[i]), small[i], last.seen[i]) for i in chosen]
    rows: list[list[Image]] = []
    for start in range(0, len(cells), COLUMNS):
        rows += map(list, zip(*cells[start : start + COLUMNS], strict=True))
    labels = ("photographs", "squashed to 46 x 46", "reconstructed") * (len(rows) // 3)
    write_image(
        config.out / "figure_4.png", pixels(image_grid(rows, row_labels=labels, cell_px=PANEL_PX))
    )
    picture = learning_curve(
        list(found),
        {
            "from the representation": [float(one.error.mean()) for one in found.values()],
            "mean image": [float(one.mean_image_error.mean()) for one in found.values()],
        },
        published=("the paper, fc6", PUBLISHED["images"], PUBLISHED["mean_absolute_error"]),
        y_label="mean absolute error of colours in [0, 1]",
    )
    write_image(config.out / "curve.png", pixels(picture))


if __name__ == "__main__":
    run(Config, main, __doc__)
