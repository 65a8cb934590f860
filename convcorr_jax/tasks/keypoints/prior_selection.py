"""Choosing how scores become positive, and how much the prior weighs, by cross-validation."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from convcorr_jax.keypoints import (
    POSITIVES,
    Calibration,
    Cells,
    Positive,
    best_candidates,
    calibrate,
    combine_with_prior,
    neighbor_points,
    score_images,
)
from convcorr_jax.linear.ridge import least_error
from convcorr_jax.metrics import LONG_2014, pck
from convcorr_jax.tasks.keypoints.examples import Examples
from convcorr_jax.tasks.keypoints.mining import Mining

ETAS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4)
"""The weights of the prior to choose from."""
# The paper's threshold, in longer sides of the box; the weight with the highest PCK at it is chosen.
ALPHA = 0.1


class HeldOut(NamedTuple):
    """Scores and neighbors of held-out images, from detectors and objects of the other images only."""

    scores: Float[np.ndarray, "images h w n"]
    """The score of every candidate for every keypoint."""
    neighbor_points: Float[np.ndarray, "images n 2"]
    """Each keypoint's position (x, y) in the most similar other object, in pixels of the square; NaN if
    absent."""
    points: Float[np.ndarray, "images n 2"]
    """The true keypoints (x, y) in pixels of the square; NaN if absent."""
    box_fractions_per_px: Float[np.ndarray, "images 2"]
    """The length of a pixel of the square along x and y, as a fraction of the box's longer side."""


class PriorChoice(NamedTuple):
    """The calibration of scores, and the PCK of every combination with the prior."""

    calibration: Calibration
    """The calibration of the detectors' scores."""
    curves: dict[Positive, list[float]]
    """PCK at 0.1 for every weight of `ETAS`, by score transform (``calibrated``, ``exponential`` or
    ``shifted``)."""

    @property
    def etas(self) -> dict[Positive, float]:
        """For each score transform, the prior's weight eta at which the held-out PCK is highest."""
        return {
            positive: ETAS[least_error(-np.array(curve))] for positive, curve in self.curves.items()
        }

    @property
    def positive(self) -> Positive:
        """The score transform with the highest held-out PCK."""
        highest = [np.max(self.curves[positive]) for positive in POSITIVES]
        return POSITIVES[least_error(-np.array(highest))]


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

    Args:
        examples: the category's objects.
        mining: the descriptors and labels of the images that train the detectors, and how they are trained.
        may_train: the objects among which neighbors are searched, apart from the held-out part.
        learning: the images that train the detectors, as indices of ``examples.described``.
        folds: the number of parts; with fewer images, one part an image.
        folder: the folder of cached rounds.

    Raises:
        InputError: a cached round is damaged.
        WriteError: a cached round cannot be written.
    """
    images = examples.described[learning]
    part_of_image = np.arange(len(images)) % min(folds, len(images))
    scores = np.zeros(mining.labels.shape, np.float32)
    neighbors = np.zeros(examples.points[images].shape)
    for part in range(part_of_image.max() + 1):
        held_out = part_of_image == part
        detectors, _ = mining.run(folder / f"without_{part}", chosen=~held_out)
        scores[held_out] = score_images(mining.maps[held_out], detectors)
        others = may_train.copy()
        others[images[held_out]] = False
        neighbors[held_out] = neighbor_points(
            examples.features[images[held_out]], examples.features[others], examples.points[others]
        )
    fractions = 1 / (examples.px_per_photograph_px * examples.longer_px[:, None])
    return HeldOut(scores, neighbors, examples.points[images], fractions[images])


def choose_prior(held_out: HeldOut, mining: Mining, cells: Cells) -> PriorChoice:
    """Calibrate the scores, and compute the PCK of every way to combine them with the prior.

    Args:
        held_out: scores and neighbors of the learning images.
        mining: the learning images' labels.
        cells: the candidates.
    """
    calibration = calibrate(held_out.scores, mining.labels)
    curves = {
        positive: [_held_out_pck(held_out, calibration, cells, positive, eta) for eta in ETAS]
        for positive in POSITIVES
    }
    return PriorChoice(calibration, curves)


def _held_out_pck(
    held_out: HeldOut, calibration: Calibration, cells: Cells, positive: Positive, eta: float
) -> float:
    combined = combine_with_prior(
        held_out.scores,
        held_out.neighbor_points,
        calibration,
        centers=cells.centers,
        eta=eta,
        positive=positive,
    )
    # In these units the box's longer side is 1.
    scale = held_out.box_fractions_per_px[:, None]
    result = pck(
        best_candidates(combined, cells.centers).points * scale,
        held_out.points * scale,
        ~np.isnan(held_out.points[..., 0]),
        np.ones(len(held_out.points)),
        ["all"] * len(held_out.points),
        alphas=(ALPHA,),
        protocol=LONG_2014,
    )
    return float(result.mean[0])
