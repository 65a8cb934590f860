"""The two sides of a PCK evaluation, from a file of ground truth and a file of predictions.

The ground truth is an official file that `ground_truth` reads, or a file of `coco` or `plain_keypoints`; its
content decides which. Predictions of official people are read by `predictions`.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from convcorr_jax.datasets.poses import coco, plain_keypoints
from convcorr_jax.datasets.poses.ground_truth import (
    GroundTruth,
    Release,
    read_flic,
    read_lsp,
    read_mpii,
    release_of,
)
from convcorr_jax.datasets.poses.predictions import AS_STATED, Interpretation, read_predictions
from convcorr_jax.errors import InputError
from convcorr_jax.io import check_file
from convcorr_jax.metrics import (
    FLIC_PCK,
    LSP_PCK,
    MPII_PCKH,
    KeypointTruth,
    Protocol,
    ProtocolChoices,
    column_of,
    normalizer_lengths,
)

_PROTOCOLS: dict[Release, Protocol] = {"MPII": MPII_PCKH, "FLIC": FLIC_PCK, "LSP": LSP_PCK}


class MatchedPredictions(NamedTuple):
    """Official annotations and predictions of the test people, joint by joint."""

    people: GroundTruth
    """The test people, with all joints of the ground truth."""
    predicted: Float[np.ndarray, "people joints 2"]
    """The same joints (x, y), 0-based; NaN where there is no prediction."""
    compared: Bool[np.ndarray, " joints"]
    """Which joints the predictions have."""
    source: str
    """The array and the order of joints that were read, in words."""
    notes: tuple[str, ...]
    """Other possible readings of the file, one sentence each."""


class Comparison(NamedTuple):
    """Ground truth and predictions of the same images, in the same frame."""

    truth: KeypointTruth
    predicted: Float[np.ndarray, "images n 2"]
    """Points (x, y); NaN where there is no prediction."""
    # Which keypoints the predictions have.
    compared: Bool[np.ndarray, " n"]
    # The protocols of the data set's own figures over all its joints, and over both sides of one joint.
    default: ProtocolChoices | None
    joint_default: ProtocolChoices | None
    source: str
    """The ground truth's kind, and what was read of the predictions, in words."""
    notes: tuple[str, ...]


def read_comparison(
    truth_path: Path, predictions_path: Path, *, interpretation: Interpretation = AS_STATED
) -> Comparison:
    """Read ground truth and predictions of the same images.

    Of an official file the test people are evaluated, who may be the only people of the predictions. A plain
    file has plain predictions, one of COCO's annotations has COCO's results, which leave nothing to interpret.
    """
    check_file(truth_path, "ground truth")
    check_file(predictions_path, "prediction")
    release = release_of(truth_path)
    if interpretation.sides and release != "FLIC":
        raise InputError(f"--sides is for FLIC only; {truth_path} is of {release or 'no release'}")
    if release is None or release == "COCO":
        if interpretation.stated:
            raise InputError(
                f"{interpretation.stated} is for predictions of official people; {truth_path} is of COCO's "
                "format, or a plain file whose predictions have the array 'points' in the same frame"
            )
        read, source = (coco.read_pair, "COCO") if release else (_plain, "plain arrays")
        truth, points = read(truth_path, predictions_path)
        every = np.ones(points.shape[1], np.bool_)
        return Comparison(truth, points, every, None, None, source, ())
    matched = match_files(
        truth_path,
        predictions_path,
        release=release,
        scorer=f"the metric of {release}",
        needs_heads=False,
        interpretation=interpretation,
    )
    return _official(release, matched)


def match_files(
    truth_path: Path,
    predictions_path: Path,
    *,
    release: Release,
    scorer: str,
    needs_heads: bool = True,
    interpretation: Interpretation = AS_STATED,
) -> MatchedPredictions:
    """Read official annotations and predictions of all their people or of the test people.

    Args:
        truth_path: a file that `ground_truth` reads as people of ``release``.
        predictions_path: a file ``.npz``, ``.h5`` or ``.mat``.
        release: the data set. Predictions of FLIC may lack joints: its official figures are of the joints that
            a method predicts. Others have all joints that the official metric counts.
        scorer: what scores the joints, for the error message.
        needs_heads: whether to refuse forms of MPII without the sizes of heads.
        interpretation: how to read the predictions, and whose left is left in FLIC.
    """
    if release == "FLIC":
        people = read_flic(truth_path, sides=interpretation.sides or "observer")
    else:
        people = read_lsp(truth_path) if release == "LSP" else read_mpii(truth_path, needs_heads=needs_heads)
    tested = people.tested
    read = read_predictions(
        predictions_path,
        people={len(tested), int(tested.sum())},
        own_order=people.order,
        interpretation=interpretation,
    )
    compared = np.array([name in read.joints for name in people.joints])
    required = () if release == "FLIC" else tuple(filter(column_of, people.joints))
    missing = [name for name in required or people.joints if name not in read.joints]
    if missing and (required or not compared.any()):
        raise InputError(
            f"{predictions_path} ({read.source}) lacks {', '.join(missing)}, which {scorer} "
            "scores; --order states the order of joints if the file does not"
        )
    points = read.points[tested] if len(read.points) == len(tested) else read.points
    first = people.first_pixel if interpretation.first_pixel is None else interpretation.first_pixel
    predicted = np.full((int(tested.sum()), len(compared), 2), np.nan)
    present = [read.joints.index(name) for name in people.joints if name in read.joints]
    predicted[:, compared] = points[:, present] - first
    return MatchedPredictions(people.test_people(), predicted, compared, read.source, read.notes)


def _official(release: Release, matched: MatchedPredictions) -> Comparison:
    people, predicted, compared, source, notes = matched
    scored = np.array([column_of(name) is not None for name in people.joints])
    truth = KeypointTruth(
        points=people.points,
        visible=people.visible,
        head_sizes=people.normalizer if release == "MPII" else None,
        image_sizes=people.image_sizes,
        names=people.joints,
        scored=scored,
    )
    source = f"{release}, left is {people.sides}; predictions: {source}"
    comparison = Comparison(truth, predicted, compared, None, None, source, notes)
    # Published figures of FLIC are the observer's.
    own = None if people.sides == "person-centric" else _own_normalizer(truth, people.normalizer)
    if own is None:
        return comparison
    unscored = (truth.annotated & compared & ~scored).any()
    return comparison._replace(
        default=ProtocolChoices(own, scored=bool(unscored)),
        joint_default=ProtocolChoices(own, average=_PROTOCOLS[release].average),
    )


def _own_normalizer(truth: KeypointTruth, length: np.ndarray) -> str | None:
    """Return the name of the normalizer with these lengths, or None if they are not known."""
    usable = np.where(length > 0, length, np.nan)
    for name, found in normalizer_lengths(truth).items():
        if np.allclose(found, usable, equal_nan=True):
            return name
    return None


def _plain(truth_path: Path, predictions_path: Path) -> tuple[KeypointTruth, np.ndarray]:
    truth = plain_keypoints.read_truth(truth_path)
    predicted = plain_keypoints.read_points(predictions_path)
    points = predicted.points
    if truth.names is not None and predicted.names is not None:
        if set(truth.names) != set(predicted.names):
            raise InputError(
                f"{predictions_path} has the names {', '.join(predicted.names)}; those of {truth_path} are "
                f"expected: {', '.join(truth.names)}"
            )
        points = points[:, [predicted.names.index(name) for name in truth.names]]
    if points.shape != truth.points.shape:
        raise InputError(
            f"{predictions_path}: points is {points.shape}; {truth.points.shape} is expected, as in "
            f"{truth_path}"
        )
    return truth, points
