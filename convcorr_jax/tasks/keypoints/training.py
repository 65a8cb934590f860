"""Training of keypoint models: detectors of a category's objects and, by cross-validation, their prior."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from convcorr_jax import keypoints
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.errors import InputError
from convcorr_jax.io import make_folder
from convcorr_jax.linear.ridge import argmin_error
from convcorr_jax.metrics import LONG_2014, pck
from convcorr_jax.tasks.keypoints.categories import Category
from convcorr_jax.tasks.keypoints.examples import Examples, Mining, read_examples

ETAS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4)
"""The weights of the prior to choose from."""
# The paper's threshold, in longer sides of the box; the weight with the highest PCK at it is chosen.
ALPHA = 0.1


class HeldOut(NamedTuple):
    """Scores and neighbors of held-out images, from detectors and objects of the other images only."""

    scores: Float[np.ndarray, "images h w n"]
    neighbor_points: Float[np.ndarray, "images n 2"]
    """Each keypoint (x, y) of the most similar other object, in pixels of the square; NaN if absent."""
    points: Float[np.ndarray, "images n 2"]
    """The true keypoints (x, y) in pixels of the square; NaN if absent."""
    box_fractions_per_px: Float[np.ndarray, "images 2"]
    """The length of a pixel of the square along x and y, as a fraction of the box's longer side."""


class PriorChoice(NamedTuple):
    """The calibration of scores, and the PCK of every combination with the prior."""

    calibration: keypoints.Calibration
    curves: dict[keypoints.Positive, list[float]]
    """PCK at 0.1 for every weight of `ETAS`, by score transform, one of `keypoints.POSITIVES`."""

    @property
    def etas(self) -> dict[keypoints.Positive, float]:
        """For each score transform, the prior's weight eta at which the held-out PCK is highest."""
        return {positive: ETAS[argmin_error(-np.array(curve))] for positive, curve in self.curves.items()}

    @property
    def positive(self) -> keypoints.Positive:
        """The score transform with the highest held-out PCK."""
        highest = [np.max(self.curves[positive]) for positive in keypoints.POSITIVES]
        return keypoints.POSITIVES[argmin_error(-np.array(highest))]


def predict_held_out(
    examples: Examples,
    mining: Mining,
    *,
    may_train: Bool[np.ndarray, " objects"],
    learning: Int[np.ndarray, " learning"],
    folds: int,
    folder: Path,
) -> HeldOut:
    """Score each part of the images that train the detectors by detectors of the other parts.

    The images ``learning`` are indices of ``examples.described``; neighbors are searched among the objects that
    ``may_train``, apart from the held-out part. With fewer images than ``folds``, a part is an image.
    """
    images = examples.described[learning]
    part_of_image = np.arange(len(images)) % min(folds, len(images))
    scores = np.zeros(mining.labels.shape, np.float32)
    neighbors = np.zeros(examples.points[images].shape)
    for part in range(part_of_image.max() + 1):
        held_out = part_of_image == part
        detectors, _ = mining.run(folder / f"without_{part}", chosen=~held_out)
        scores[held_out] = keypoints.score_images(mining.maps[held_out], detectors)
        others = may_train.copy()
        others[images[held_out]] = False
        neighbors[held_out] = keypoints.neighbor_points(
            examples.features[images[held_out]], examples.features[others], examples.points[others]
        )
    fractions = 1 / (examples.px_per_photograph_px * examples.longer_px[:, None])
    return HeldOut(scores, neighbors, examples.points[images], fractions[images])


def choose_prior(held_out: HeldOut, mining: Mining, cells: keypoints.Cells) -> PriorChoice:
    """Calibrate the scores, and compute the PCK of every way to combine them with the prior."""
    calibration = keypoints.calibrate(held_out.scores, mining.labels)
    curves = {
        positive: [_held_out_pck(held_out, calibration, cells, positive, eta) for eta in ETAS]
        for positive in keypoints.POSITIVES
    }
    return PriorChoice(calibration, curves)


def _held_out_pck(
    held_out: HeldOut,
    calibration: keypoints.Calibration,
    cells: keypoints.Cells,
    positive: keypoints.Positive,
    eta: float,
) -> float:
    scores, neighbors = held_out.scores, held_out.neighbor_points
    combined = keypoints.combine_with_prior(
        scores, neighbors, calibration, centers=cells.centers, eta=eta, positive=positive
    )
    # In these units the box's longer side is 1.
    scale = held_out.box_fractions_per_px[:, None]
    result = pck(
        keypoints.best_candidates(combined, cells.centers).points * scale,
        held_out.points * scale,
        ~np.isnan(held_out.points[..., 0]),
        np.ones(len(held_out.points)),
        ["all"] * len(held_out.points),
        alphas=(ALPHA,),
        protocol=LONG_2014,
    )
    return float(result.mean[0])


@dataclass(frozen=True)
class DetectorOptions:
    """How keypoint detectors are trained.

    Candidates are the grid cells of the last layer whose centers lie in the box. A column is the vector of all
    channels of a layer at one cell; a candidate is described by the columns around it.
    """

    layers: tuple[str, ...] = ("conv5",)
    """Layers whose columns describe candidates; the last one's cells are the candidates."""
    images: int = 300
    """Objects of a category whose boxes train its detectors, at most."""
    equal_objects: bool = False
    """Let the prior search only the objects that train the detectors; by default it searches all."""
    rounds: int = 2
    """How often violators are added and the detectors refitted, at most; the initial fit is not counted. Mining
    ends early when there are no new violators."""
    cost: float = 0.01
    """C of the support vector machines of columns, chosen on held-out training objects of LFPW and LSPET."""
    sift_cost: float = 0.1
    """C of the support vector machines of SIFT, chosen likewise."""
    folds: int = 3
    """Parts of the images that are held out in turn, to choose the prior's weight and to calibrate."""
    box_px: int = keypoints.BOX_PX
    """Side to which boxes are warped."""
    directions: int | None = None
    """Directions of pool5 in which the saved model compares objects; by default all of pool5."""
    seed: int = 0
    """Seed of the initial pool's random candidates."""

    def check(self) -> None:
        """Refuse options out of their range."""
        for name, least in {"images": 2, "rounds": 0, "folds": 2, "box_px": 1}.items():
            if getattr(self, name) < least:
                raise InputError(f"{name} is {getattr(self, name)}; at least {least} is expected")
        if self.directions is not None and self.directions < 1:
            raise InputError(f"directions is {self.directions}; at least 1 is expected")

    def conv_cells(self, weights: Weights) -> keypoints.ConvCells:
        """Return candidates that are described by columns of the network."""
        return keypoints.ConvCells(weights.network, self.layers, keypoints.Square(self.box_px))

    def sift_cells(self) -> keypoints.SiftCells:
        """Return candidates of the same square that are described by dense SIFT."""
        return keypoints.SiftCells(keypoints.Square(self.box_px))


class TrainedModel(NamedTuple):
    """A keypoint model, and facts about its training."""

    model: keypoints.KeypointModel
    """The model; its ``training`` holds the facts."""
    etas: dict[keypoints.Positive, float]
    """The weight of the prior with the highest PCK, by how scores become positive."""

    @property
    def facts(self) -> dict[str, Any]:
        """Facts about the training, as JSON holds them."""
        return dict(self.model.training)


def check_trainable(categories: tuple[Category, ...]) -> None:
    """Refuse categories with fewer than two training objects for one of their folds."""
    for category in categories:
        count = min(int((category.folds != fold).sum()) for fold in category.tested_folds)
        if count < 2:
            raise InputError(
                f"category {category.name!r} has {count} training object; at least two are expected"
            )


def train_model(
    category: Category,
    cells: keypoints.Cells,
    weights: Weights,
    options: DetectorOptions,
    *,
    folder: Path,
    fold: int | None = None,
) -> TrainedModel:
    """Train the keypoint model of a category on the objects outside one of its folds, by default on all."""
    folder = make_folder(folder / category.name)
    examples = read_examples(category, cells, weights, images=options.images, folder=folder)
    folds = category.folds[examples.objects]
    may_train = np.ones(len(folds), bool) if fold is None else folds != fold
    if options.equal_objects:
        may_train = may_train & np.isin(np.arange(len(folds)), examples.described)
    known = _known_keypoints(category, examples, may_train)
    examples = examples._replace(points=examples.points[:, known])
    learning = np.flatnonzero(may_train[examples.described])
    mining = _mining(examples, cells, options, learning=learning, known=known)
    rounds_folder = folder / f"{cells.name}_{'all' if fold is None else f'fold_{fold}'}"
    detectors, rounds = mining.run(rounds_folder)
    held_out = predict_held_out(
        examples, mining, may_train=may_train, learning=learning, folds=options.folds, folder=rounds_folder
    )
    prior = choose_prior(held_out, mining, cells)
    names = tuple(category.names[k] for k in known)
    features, basis = np.asarray(examples.features[may_train]), None
    if options.directions is not None:
        basis = keypoints.principal_directions(features, count=options.directions).astype(np.float16)
        features = (features.astype(np.float32) @ basis.astype(np.float32)).astype(np.float16)
    facts = {
        "positive": prior.positive,
        "eta": prior.etas[prior.positive],
        "objects": int(may_train.sum()),
        "learning": len(learning),
        "left_out": [name for name in category.names if name not in names],
        "describing_seconds": examples.seconds,
        "rounds": rounds,
        "held_out_pck": {
            positive: dict(zip(map(str, ETAS), curve, strict=True)) for positive, curve in prior.curves.items()
        },
    }
    model = keypoints.KeypointModel(
        category=category.name,
        names=names,
        cells=cells,
        network=weights.network.name,
        fingerprint=weights.fingerprint,
        detectors=detectors,
        calibration=prior.calibration,
        features=features,
        points=examples.points[may_train],
        positive=prior.positive,
        eta=prior.etas[prior.positive],
        training=facts,
        basis=basis,
    )
    return TrainedModel(model, prior.etas)


def _known_keypoints(
    category: Category, examples: Examples, may_train: Bool[np.ndarray, " objects"]
) -> Int[np.ndarray, " known"]:
    """Return the keypoints that at least one training object shows."""
    shows = may_train[:, None] & ~np.isnan(examples.points[..., 0])
    known = np.flatnonzero(shows.any(axis=0))
    if not len(known):
        raise InputError(f"category {category.name!r} shows no keypoint in its training objects")
    return known


def _mining(
    examples: Examples,
    cells: keypoints.Cells,
    options: DetectorOptions,
    *,
    learning: Int[np.ndarray, " learning"],
    known: Int[np.ndarray, " known"],
) -> Mining:
    """Label the candidates of the learning images."""
    images = examples.described[learning]
    labels = np.stack([cells.labels(examples.points[i]) for i in images])
    if not (labels == -1).any():
        raise InputError(
            f"a box of {options.box_px} pixels is too small: the descriptor of every cell covers every "
            "keypoint; a larger box_px is expected"
        )
    return Mining(
        np.asarray(examples.maps[learning]),
        labels,
        cost=options.cost if isinstance(cells, keypoints.ConvCells) else options.sift_cost,
        rounds=options.rounds,
        seed=options.seed,
        settings={"described": examples.settings, "learning": images.tolist(), "keypoints": known.tolist()},
    )
