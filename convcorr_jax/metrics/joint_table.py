"""The table of a pose method: PCK of head, shoulder, … ankle, at several thresholds; and PCKh.

Joints have the names of `convcorr_jax.datasets`: ``l_`` and ``r_`` precede joints of which a person has two. A
column contains both sides. "head" contains the top of the head, the neck, the nose and the eyes, those of them
that a data set has; ``ubody`` (upper body) is shoulders, elbows and wrists, and ``total`` every joint of any
column. Pelvis and thorax are in no column.

PCKh, the PCK of MPII, divides distances by a length of the head, which does not shrink when a person turns: 0.6
times the diagonal of its annotated box. "PCKh @ 0.5" accepts errors up to half of it. The rules are those of
the official MATLAB evaluation: a person whose head has no box is left out, and so is a joint that is not
annotated; hidden joints count; a prediction that is NaN is wrong.

Source: Andriluka, Pishchulin, Gehler, Schiele, "2D Human Pose Estimation: New Benchmark and State of the Art
Analysis", CVPR 2014, and its evaluation toolkit.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from convcorr_jax.errors import InputError
from convcorr_jax.metrics.bootstrap import UnitSums
from convcorr_jax.metrics.labels import check_names
from convcorr_jax.metrics.pck import Protocol, normalized_distances

COLUMNS = ("head", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
UPPER_BODY = ("shoulder", "elbow", "wrist")
_HEAD = ("head_top", "upper_neck", "neck", "nose", "eye")

_Joints = Float[np.ndarray, "people joints 2"]
_Errors = Float[np.ndarray, "people joints"]


class JointTable(NamedTuple):
    """PCK of every column at every threshold, and the number of its joints, of all people, that count."""

    alphas: tuple[float, ...]
    columns: tuple[str, ...]
    """The columns that the joints have, then ``ubody``, if any, and ``total``."""
    shares: Float[np.ndarray, "columns alphas"]
    """The share of correct joints, between 0 and 1; NaN where no joint of a column counts."""
    counted: Int[np.ndarray, " columns"]

    def at(self, alpha: float) -> dict[str, float]:
        """Return every column's share at one of the thresholds, by the name of the column."""
        return dict(zip(self.columns, self.shares[:, self.alphas.index(alpha)].tolist(), strict=True))


def column_of(joint: str) -> str | None:
    """Return the column of a joint, or None for a joint that is in no column (pelvis and thorax).

    >>> column_of("l_wrist"), column_of("upper_neck"), column_of("pelvis")
    ('wrist', 'head', None)
    """
    plain = joint.removeprefix("l_").removeprefix("r_")
    if plain in _HEAD:
        return "head"
    return plain if plain in COLUMNS else None


def joint_errors(predicted: _Joints, truth: _Joints, normalizer: Float[np.ndarray, " people"]) -> _Errors:
    """Compute ``|predicted - truth| / normalizer`` by the rules of the official evaluations.

    Points are (x, y) and normalizers in pixels. An error is NaN, which does not count, if the truth or the
    normalizer is missing (NaN), and infinite, which is wrong at every threshold, if only the prediction is.

    >>> joint_errors(np.array([[[3.0, 4.0], [np.nan, 0.0]]]), np.zeros((1, 2, 2)), np.array([50.0]))
    array([[0.1, inf]])
    """
    lengths = np.broadcast_to(normalizer[:, None], truth.shape[:2])
    errors = normalized_distances(predicted, truth, lengths)
    errors[np.isnan(predicted).any(axis=-1)] = np.inf
    errors[np.isnan(truth).any(axis=-1) | np.isnan(lengths)] = np.nan
    return errors


def joint_table(
    errors: _Errors, joints: Sequence[str], *, alphas: Sequence[float], protocol: Protocol
) -> JointTable:
    """Compute the table of PCK from the errors that `joint_errors` returns.

    A column is averaged in the protocol's order: over all its joints at once (``"pooled"``), or over the people
    of each joint and then over its joints (``"keypoint"``). ``ubody`` and ``total`` are always averaged over
    all their joints at once. Thresholds are in rising order.

    Raises:
        InputError: no joint is in any column, the names are not those of all joints, each once, or the protocol
            averages over images first; or the thresholds do not rise from at least 0, or there is none.
    """
    _check_thresholds(alphas, least=1)
    if protocol.average == "image":
        raise InputError(f"{protocol.name} averages the keypoints of an image first: it has no joint table")
    count = errors.shape[1]
    groups_of = {column: (column,) for column in COLUMNS} | {"ubody": UPPER_BODY, "total": COLUMNS}
    members = {name: members_of(columns, joints, count=count) for name, columns in groups_of.items()}
    if not members["total"]:
        raise InputError(f"none of the joints {', '.join(joints)} is in a column of the table")
    rows, counted = {}, []
    for column, indices in members.items():
        if not indices:
            continue
        per_joint = protocol.average == "keypoint" and column in COLUMNS
        groups = [[index] for index in indices] if per_joint else [indices]
        curves = [_shares(errors[:, group], alphas, strict=protocol.strict) for group in groups]
        # A side that is annotated on no person has no share to average.
        present = [curve for curve in curves if not np.isnan(curve).any()] or curves
        rows[column] = np.mean(present, axis=0)
        counted.append(int((~np.isnan(errors[:, indices])).sum()))
    return JointTable(tuple(alphas), tuple(rows), np.array([*rows.values()]), np.array(counted))


def total_sums(
    errors: _Errors, joints: Sequence[str], *, alphas: Sequence[float], protocol: Protocol
) -> UnitSums:
    """Return what each person adds to the column ``total`` of `joint_table`, for its bootstrap interval."""
    known = errors[:, members_of(COLUMNS, joints, count=errors.shape[1])]
    sides = known[:, None, :], np.asarray(alphas)[None, :, None]
    right = np.less(*sides) if protocol.strict else np.less_equal(*sides)
    counts = (~np.isnan(known)).sum(axis=1, keepdims=True, dtype=np.float64)
    return UnitSums(right.sum(axis=2, dtype=np.float64)[:, None], counts, np.zeros(len(errors), np.int64))


def area_under_curve(
    shares: Float[np.ndarray, "*columns alphas"], alphas: Sequence[float]
) -> Float[np.ndarray, "*columns"]:
    """Compute the mean height of PCK curves between the first and the last threshold, by trapezoids.

    Raises:
        InputError: there are fewer than two thresholds, or they do not rise from at least 0.
    """
    _check_thresholds(alphas, least=2)
    return np.asarray(np.trapezoid(shares, alphas, axis=-1) / (alphas[-1] - alphas[0]))


def members_of(columns: Sequence[str], joints: Sequence[str], *, count: int) -> list[int]:
    """Return the indices of those of ``count`` joints that are in any of the columns."""
    check_names(joints, count=count, what="joints")
    return [index for index, joint in enumerate(joints) if column_of(joint) in columns]


def _check_thresholds(alphas: Sequence[float], *, least: int) -> None:
    rising = all(low < high for low, high in pairwise([*alphas, np.inf]))
    if len(alphas) < least or not (rising and alphas[0] >= 0):
        raise InputError(
            f"the thresholds are {tuple(alphas)}; {least} or more are expected, rising from 0 or above"
        )


def _shares(errors: np.ndarray, alphas: Sequence[float], *, strict: bool) -> np.ndarray:
    """Compute the share of correct joints at every threshold, of those whose error is not NaN."""
    known = errors[~np.isnan(errors)]
    if not len(known):
        return np.full(len(alphas), np.nan)
    sides = known[:, None], np.asarray(alphas)[None]
    return (np.less(*sides) if strict else np.less_equal(*sides)).mean(axis=0)


MPII_PCKH = Protocol(
    name="MPII PCKh (Andriluka et al. 2014)",
    normalizer="0.6 times the diagonal of the head's box",
    frame="pixels of the video frame as released; left is the person's own",
    strict=False,
    average="keypoint",
    counted="the annotated of 14 joints, hidden ones too; pelvis and thorax do not count",
)
"""Each side of a joint by itself, then the mean of both; upper body and total over all their joints at once."""

PCKH_ALPHAS = tuple((np.arange(51) / 100).tolist())
"""The thresholds of the official curve; the area under it is the official AUC."""


def head_sizes(boxes: Float[np.ndarray, "people 4"]) -> Float[np.ndarray, " people"]:
    """Compute the normalizing length of every person from the head's box, in pixels; NaN where it has none.

    >>> head_sizes(np.array([[10.0, 10.0, 40.0, 50.0]]))
    array([30.])
    """
    # The official evaluation's factor: the annotated box is larger than the head.
    return 0.6 * np.linalg.norm(boxes[:, 2:] - boxes[:, :2], axis=-1)


def pckh(
    predicted: _Joints,
    truth: _Joints,
    sizes: Float[np.ndarray, " people"],
    joints: Sequence[str],
    *,
    alphas: Sequence[float] = PCKH_ALPHAS,
) -> JointTable:
    """Compute the table of PCKh from joints as of `joint_errors` and the lengths of `head_sizes`."""
    return joint_table(joint_errors(predicted, truth, sizes), joints, alphas=alphas, protocol=MPII_PCKH)


# A limb is drawn if the data set has both ends; data sets have one of the two necks.
_LIMBS = (
    *(("neck", "head_top"), ("upper_neck", "head_top")),
    *(("l_shoulder", "r_shoulder"), ("l_hip", "r_hip")),
    *(("l_shoulder", "l_hip"), ("r_shoulder", "r_hip")),
    *(("l_shoulder", "l_elbow"), ("l_elbow", "l_wrist")),
    *(("r_shoulder", "r_elbow"), ("r_elbow", "r_wrist")),
    *(("l_hip", "l_knee"), ("l_knee", "l_ankle")),
    *(("r_hip", "r_knee"), ("r_knee", "r_ankle")),
)


def limbs(joints: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """Return the pairs of joints that a limb connects, as indices.

    >>> limbs(("l_wrist", "nose", "l_elbow"))
    ((2, 0),)
    """
    index = {name: number for number, name in enumerate(joints)}
    return tuple((index[a], index[b]) for a, b in _LIMBS if a in index and b in index)
