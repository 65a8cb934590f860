"""Semantic segmentation: Table 3 and Figure 5 of Sharif Razavian et al. 2014.

    python -m eval.segmentation                              (rendered categories)
    python -m eval.segmentation --dataset camvid
    python -m eval.segmentation --dataset path/to/a/folder   (any with label maps, such as VOC 2012)

From one vector that describes a photograph, a ridge regression predicts 30 x 30 cells' shares of every class,
and the matrix M makes of the responses in a cell the class (`convcorr_jax.probes.segmentation`). ``convnet`` is
probed beside ``rgb``, the 32 x 32 x 3 colours of the photograph themselves; each plain and ``augmented``, with
crops and mirrored copies of the training photographs. ``result.json`` has for each the intersection over union
of every class, their mean, which the paper's "mAP" is taken to be, and pixel accuracy: without M (``none``),
with M fitted to responses to the ``same`` photographs as the first regression, and with M fitted to responses
that ``held_out`` the photograph.

A split "val" trains beside a split "test", and is tested where there is none (VOC). Penalties are chosen by
four folds that part neither the variations of a photograph nor photographs that follow each other, as frames of
a film do. What an earlier run finished under the same settings is not done again.
"""

import functools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from convcorr_jax.backbone.weights import Weights, load
from convcorr_jax.datasets.records import Record, load_image
from convcorr_jax.descriptors.global_features import default_layer
from convcorr_jax.errors import InputError
from convcorr_jax.io import make_folder, write_image, write_json
from convcorr_jax.linear.folds import grouped_folds
from convcorr_jax.linear.ridge.penalty import cross_predict
from convcorr_jax.metrics.segmentation import (
    SegmentationScores,
    confusion_counts,
    segmentation_scores,
)
from convcorr_jax.probes import segmentation
from convcorr_jax.probes.grids import fit_grid
from convcorr_jax.probes.rgb import rgb_targets
from convcorr_jax.report.figures import pixels
from convcorr_jax.report.segmentation_figure import Segmented, segmentation_figure
from convcorr_jax.runtime.progress import progress
from convcorr_jax.runtime.runlog import write_run
from convcorr_jax.runtime.script import run
from convcorr_jax.runtime.stages import stage
from convcorr_jax.tasks.keypoints.categories import RENDERED
from convcorr_jax.tasks.scenes import Scenes, read_scenes
from convcorr_jax.tasks.variation_features import features, fingerprint, squares, variations_of

FOLDS = 4
CONVNET, _ = KINDS = ("convnet", "rgb")
RGB_SIDE_PX = 32
# Frames of a film that follow each other are in one fold.
RUN = 20
MIXINGS = ("none", "same", "held_out")
PUBLISHED = {"mean_iou": 0.2073, "background": 0.7912}


@dataclass(frozen=True)
class Config:
    """What to segment, from which features."""

    dataset: str = RENDERED
    """``rendered``, or the name or path of a data set's folder."""
    network: str = "alexnet"
    weights: Path | None = None
    """File of weights; by default those that are installed or fetched."""
    layer: str | None = None
    """Whose activations are probed; by default fc6, or pool5 where the weights have no fc6."""
    copies: int = 10
    """Of every training photograph where it is augmented."""
    shown: int = 8
    """Test photographs in the picture."""
    rendered_train: int = 100
    """Training instances of every rendered category."""
    rendered_test: int = 25
    out: Path = Path("runs/segmentation")
    data_root: Path | None = None
    """Folder of prepared data sets; by default the environment's CONVCORR_DATA."""


class Samples(NamedTuple):
    """What is learned from, and what is to be segmented."""

    train: Float[np.ndarray, "n d"]
    """Features of all variations of the training photographs."""
    test: Float[np.ndarray, "test d"]
    shares: Float[np.ndarray, "n side side classes"]
    """Of the classes in the cells of the training variations."""


class Outcome(NamedTuple):
    """What the probe of one kind of features makes of the test photographs."""

    confusions: Int[np.ndarray, "mixings classes classes"]
    """Summed over the test photographs, for each of `MIXINGS`."""
    penalties: Float[np.ndarray, " p"]
    held_out_error: Float[np.ndarray, " p"]
    """The mean squared error of held-out folds, for every penalty."""
    responses: Float[np.ndarray, "shown side side classes"]
    """To the photographs that are shown, before M."""
    mixed: Float[np.ndarray, "shown side side classes"]
    """After M as fitted to the same photographs."""

    @property
    def penalty(self) -> float:
        """The chosen one."""
        return float(self.penalties[self.held_out_error.argmin()])


def main(config: Config) -> Path:
    """Fit, segment, score, and write ``result.json`` and a picture; returns its path."""
    started = time.perf_counter()
    if config.copies < 2 or config.shown < 1:
        raise InputError(
            f"copies is {config.copies} and shown {config.shown}; at least 2 and 1 are expected"
        )
    out = make_folder(config.out)
    weights = load(config.network, config.weights)
    layer = config.layer or default_layer(weights)
    scenes = read_scenes(
        config.dataset,
        config.data_root,
        rendered_train=config.rendered_train,
        rendered_test=config.rendered_test,
    )
    shown = np.unique(np.linspace(0, len(scenes.test) - 1, config.shown).astype(int))
    learned = functools.cache(lambda kind: _samples(kind, scenes, weights, layer, config))
    outcomes = {}
    for kind in KINDS:
        for name, copies in {kind: 1, f"{kind}_augmented": config.copies}.items():
            settings = {
                "train": fingerprint(scenes.train),
                "test": fingerprint(scenes.test),
                "classes": scenes.classes,
                "features": [weights.fingerprint, layer] if kind == CONVNET else RGB_SIDE_PX,
                "copies": copies,
                "shown": shown.tolist(),
            }

            def compute(kind: str = kind, copies: int = copies) -> dict[str, np.ndarray]:
                # The first variation of every photograph is the photograph itself.
                step = config.copies // copies
                return _outcome(scenes, learned(kind), step, shown)

            outcomes[name] = Outcome(**stage(out / "probes" / f"{name}.npz", settings, compute))
    scored = {
        name: dict(zip(MIXINGS, map(segmentation_scores, outcome.confusions), strict=True))
        for name, outcome in outcomes.items()
    }
    _draw(scenes, shown, outcomes[f"{CONVNET}_augmented"], config)
    result = {
        "dataset": config.dataset,
        "network": weights.network.name,
        "weights": weights.source,
        "layer": layer,
        "train": len(scenes.train),
        "test": len(scenes.test),
        "copies": config.copies,
        "classes": list(scenes.classes),
        "scores": {
            name: {mixing: _told(one, scenes.classes) for mixing, one in of_mixing.items()}
            for name, of_mixing in scored.items()
        },
        "penalty": {name: outcome.penalty for name, outcome in outcomes.items()},
        "published": PUBLISHED,
    }
    write_json(out / "result.json", result)
    write_run(out, config, seconds=time.perf_counter() - started)
    return out / "result.json"


def _outcome(
    scenes: Scenes, learned: Samples, step: int, shown: Int[np.ndarray, " shown"]
) -> dict[str, np.ndarray]:
    """Fit to every so many-th training sample, and score on the test photographs."""
    train, shares = learned.train[::step], learned.shares[::step]
    folds = np.repeat(_folds(len(scenes.train)), len(train) // len(scenes.train))
    targets = segmentation.targets(shares)
    probe, curve = fit_grid(train, targets, side=segmentation.SIDE, folds=folds, k=FOLDS)
    held_out = cross_predict(train, targets, penalty=curve.best(), folds=folds, k=FOLDS)
    same = segmentation.responses(probe, train)
    mixings = [
        segmentation.fit_mixing(one, shares, folds=folds, k=FOLDS)
        for one in (same, held_out.reshape(shares.shape))
    ]
    given = segmentation.responses(probe, learned.test)
    answers = dict(
        zip(MIXINGS, (given, *(segmentation.mix(given, one) for one in mixings)), strict=True)
    )
    size = len(scenes.classes)
    confusions = np.zeros((len(answers), size, size), np.int64)
    for number, record in enumerate(progress(scenes.test, description="scoring")):
        truth = scenes.class_map(record)
        for counts, answer in zip(confusions, answers.values(), strict=True):
            labels = segmentation.label_map(answer[number], record.size)
            counts += confusion_counts(truth, labels, classes=size)
    return Outcome(
        confusions,
        curve.penalties,
        curve.errors.mean(axis=1),
        given[shown],
        answers["same"][shown],
    )._asdict()


def _folds(photographs: int) -> Int[np.ndarray, " photographs"]:
    """Folds of training photographs; of fewer than four runs, every photograph is its own."""
    run_length = min(RUN, max(1, photographs // FOLDS))
    return grouped_folds(np.arange(photographs) // run_length, k=FOLDS)


def _samples(kind: str, scenes: Scenes, weights: Weights, layer: str, config: Config) -> Samples:
    """All variations of the training photographs and the test photographs, by one kind of features."""

    def described(name: str, records: Sequence[Record], copies: int) -> Float[np.ndarray, "n d"]:
        if kind == CONVNET:
            folder = config.out / name
            return features(records, weights, layer=layer, copies=copies, folder=folder)
        pictures = squares(records, variations_of(records, copies=copies), side_px=RGB_SIDE_PX)
        return rgb_targets(pictures, side_px=RGB_SIDE_PX)

    return Samples(
        described("train", scenes.train, config.copies),
        described("test", scenes.test, 1),
        _shares(scenes, config),
    )


def _shares(scenes: Scenes, config: Config) -> Float[np.ndarray, "n side side classes"]:
    def compute() -> dict[str, np.ndarray]:
        found = []
        for record, seen in zip(
            progress(scenes.train, description="label maps"),
            variations_of(scenes.train, copies=config.copies),
            strict=True,
        ):
            labels = scenes.class_map(record)
            found += [
                segmentation.class_shares(labels, one, classes=len(scenes.classes)) for one in seen
            ]
        return {"shares": np.stack(found).astype(np.float16)}

    settings = {
        "train": fingerprint(scenes.train),
        "classes": scenes.classes,
        "copies": config.copies,
    }
    kept = stage(config.out / "train" / "shares.npz", settings, compute)
    return kept["shares"].astype(np.float32)


def _told(one: SegmentationScores, classes: Sequence[str]) -> dict[str, Any]:
    """Scores as JSON holds them: those that a class does not have are left out."""
    by_class = {
        name: {
            class_name: float(value)
            for class_name, value in zip(classes, values, strict=True)
            if not np.isnan(value)
        }
        for name, values in {"iou": one.iou, "class_accuracy": one.class_accuracy}.items()
    }
    return {
        "mean_iou": one.mean_iou,
        "accuracy": one.accuracy,
        "mean_class_accuracy": one.mean_class_accuracy,
        **by_class,
    }


def _draw(
    scenes: Scenes, shown: Int[np.ndarray, " shown"], outcome: Outcome, config: Config
) -> None:
    """Figure 5."""
    examples = []
    for number, given, mixed in zip(shown, outcome.responses, outcome.mixed, strict=True):
        record = scenes.test[number]
        examples.append(
            Segmented(
                load_image(record),
                scenes.class_map(record),
                segmentation.label_map(mixed, record.size),
                segmentation.resized(given, record.size),
            )
        )
    picture = pixels(segmentation_figure(examples, scenes.classes))
    write_image(config.out / "figure_5.png", picture)


if __name__ == "__main__":
    run(Config, main, __doc__)
