"""The two sides of a PCK evaluation, from a file of ground truth and a file of predictions.

The ground truth is an official file that `ground_truth` reads, a JSON file of MPII's people, or a file of
`plain_keypoints`; its content decides which. Predictions of official people are read by `predictions`.
"""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import h5py
import numpy as np
from jaxtyping import Bool, Float

from convcorr_jax.datasets import ground_truth, plain_keypoints, predictions
from convcorr_jax.datasets.formats import mat
from convcorr_jax.datasets.ground_truth import GroundTruth, Sides
from convcorr_jax.datasets.joint_orders import Order
from convcorr_jax.datasets.official import mpii
from convcorr_jax.datasets.predictions import Axes
from convcorr_jax.errors import InputError
from convcorr_jax.io import array_headers, check_file, json_file
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

Release = Literal["MPII", "FLIC", "LSP"]
"""The data set of an official file; LSP is also LSPET and PARSE."""

_PROTOCOLS: dict[Release, Protocol] = {"MPII": MPII_PCKH, "FLIC": FLIC_PCK, "LSP": LSP_PCK}
# The number of joints in the observer-centric file of FLIC, by which it is known from LSP's.
_FLIC_JOINTS = 10


class MatchedPredictions(NamedTuple):
    """Predictions of the test people of a ground truth."""

    points: Float[np.ndarray, "people joints 2"]
    """Joints (x, y), 0-based; NaN where there is no prediction."""
    joints: tuple[str, ...]
    source: str
    notes: tuple[str, ...]
    """Other possible readings of the file, one sentence each."""


class Evaluation(NamedTuple):
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


def read(
    truth_path: Path,
    predictions_path: Path,
    *,
    sides: Sides | None = None,
    order: Order | None = None,
    key: str | None = None,
    axes: Axes | None = None,
    first_pixel: Literal[0, 1] | None = None,
) -> Evaluation:
    """Read ground truth and predictions of the same images.

    Of an official file the test people are evaluated, who may be the only people of the predictions. A plain
    file has plain predictions. ``sides`` states whose left is left in FLIC; by default the observer's, as
    published. The other options are those of `match_predictions`.
    """
    check_file(truth_path, "ground truth")
    check_file(predictions_path, "prediction")
    release = release_of(truth_path)
    if sides and release != "FLIC":
        raise InputError(f"--sides is for FLIC only; {truth_path} is of {release or 'no release'}")
    if release is None:
        options = {"--order": order, "--key": key, "--axes": axes, "--first-pixel": first_pixel}
        if stated := [name for name, value in options.items() if value is not None]:
            raise InputError(
                f"{' and '.join(stated)} is for predictions of official people; {truth_path} is a plain "
                "file, whose predictions have the array 'points' in the same frame"
            )
        return _plain(truth_path, predictions_path)
    people = _official(truth_path, release, sides)
    matched = match_predictions(
        predictions_path,
        people,
        joints=people.joints,
        # Official figures of FLIC are of the joints that a method predicts.
        required=() if release == "FLIC" else tuple(filter(column_of, people.joints)),
        scorer=f"the metric of {release}",
        order=order,
        key=key,
        axes=axes,
        first_pixel=first_pixel,
    )
    return _evaluation(release, people, matched, sides)


def match_predictions(
    path: Path,
    truth: GroundTruth,
    *,
    joints: Sequence[str],
    required: Collection[str],
    scorer: str,
    order: Order | None = None,
    key: str | None = None,
    axes: Axes | None = None,
    first_pixel: Literal[0, 1] | None = None,
) -> MatchedPredictions:
    """Read predictions of official people, and select the test people and the joints of the ground truth.

    Args:
        path: a file ``.npz``, ``.h5`` or ``.mat``, of all people or of the test people.
        joints: the joints to select, of those that the predictions have.
        required: the joints that they must have.
        scorer: what scores the joints, for the error message.
        order: the order of the predicted joints; by default as the file states it.
        key: the name of the array in the file; needed if several arrays could be the predictions.
        axes: the meaning of the array's axes; by default as their sizes imply.
        first_pixel: the coordinate of the first pixel in the predictions; by default as in the ground truth.
    """
    tested = truth.tested
    predicted = predictions.read(
        path, people={len(tested), int(tested.sum())}, own_order=truth.order, order=order, key=key, axes=axes
    )
    present = tuple(name for name in joints if name in predicted.joints)
    missing = [name for name in required or joints if name not in present]
    if (required and missing) or not present:
        raise InputError(
            f"{path} ({predicted.source}) lacks {', '.join(missing)}, which {scorer} "
            "scores; --order states the order of joints if the file does not"
        )
    points = predicted.points[tested] if len(predicted.points) == len(tested) else predicted.points
    first = truth.first_pixel if first_pixel is None else first_pixel
    points = points[:, [predicted.joints.index(name) for name in present]] - first
    return MatchedPredictions(points, present, predicted.source, predicted.notes)


def release_of(path: Path) -> Release | None:
    """Return the data set of an official file; None for a plain file."""
    if h5py.is_hdf5(path):
        return "MPII"
    if path.suffix == ".json":
        with json_file(path, "ground truth") as content:
            return "MPII" if isinstance(content, list) else None
    if path.suffix == ".npz":
        return "FLIC" if array_headers(path, names=("joints_pc",)) else None
    variables = mat.read(path)
    if "annolist" in variables or "pos_gt_src" in variables:
        return "MPII"
    if "examples" in variables:
        return "FLIC"
    if "ptsAll" in variables:
        return "LSP"
    if "joints" in variables:
        is_flic = variables.array("joints").shape[:2] == (2, _FLIC_JOINTS)
        return "FLIC" if is_flic else "LSP"
    raise InputError(
        f"{path} has {', '.join(map(str, variables))}; annolist or pos_gt_src of MPII, examples of FLIC, or "
        "joints of FLIC or LSP is expected"
    )


def _official(path: Path, release: Release, sides: Sides | None) -> GroundTruth:
    if release == "FLIC":
        return ground_truth.read_flic(path, sides=sides or "observer")
    if release == "LSP":
        return ground_truth.read_lsp(path)
    if path.suffix == ".json":
        return ground_truth.of_mpii_people(mpii.read_json({"valid": path}))
    return ground_truth.read_mpii(path)


def _evaluation(
    release: Release, people: GroundTruth, matched: MatchedPredictions, sides: Sides | None
) -> Evaluation:
    """Return official people and their predictions as arrays of the ground truth's joints."""
    tested = people.tested
    scored = np.array([column_of(name) is not None for name in people.joints])
    points, visible, sizes = people.points, people.visible, people.image_sizes
    truth = KeypointTruth(
        points=points[tested],
        visible=None if visible is None else visible[tested],
        head_sizes=people.normalizer[tested] if release == "MPII" else None,
        image_sizes=None if sizes is None else sizes[tested],
        names=people.joints,
        scored=scored,
    )
    predicted = np.full(truth.points.shape, np.nan)
    places = [people.joints.index(name) for name in matched.joints]
    predicted[:, places] = matched.points
    compared = np.zeros(len(scored), np.bool_)
    compared[places] = True
    source = f"{release}, left is {people.sides}; predictions: {matched.source}"
    evaluation = Evaluation(truth, predicted, compared, None, None, source, matched.notes)
    # Published figures of FLIC are the observer's.
    own = None if sides == "person" else _own_normalizer(truth, people.normalizer[tested])
    if own is None:
        return evaluation
    unscored = (truth.annotated & compared & ~scored).any()
    return evaluation._replace(
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


def _plain(truth_path: Path, predictions_path: Path) -> Evaluation:
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
    every = np.ones(points.shape[1], np.bool_)
    return Evaluation(truth, points, every, None, None, "plain arrays", ())
