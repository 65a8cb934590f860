"""The table of a pose method: PCK of head, shoulder, … ankle, over thresholds.

Names are those of `convcorr_jax.datasets`: ``l_`` and ``r_`` before what a person has two of. A column holds
both sides; "head" holds its top, the neck, the nose and the eyes, as far as a data set has them; ``ubody``
(upper body) is shoulders, elbows and wrists, and ``total`` every joint of a column. Pelvis and thorax are in
none.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from convcorr_jax.errors import InputError
from convcorr_jax.metrics.pck import Protocol

COLUMNS = ("head", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
UPPER_BODY = ("shoulder", "elbow", "wrist")
_HEAD = ("head_top", "upper_neck", "neck", "nose", "eye")


class JointTable(NamedTuple):
    """Shares between 0 and 1, NaN where no joint of a column counts."""

    alphas: tuple[float, ...]
    columns: tuple[str, ...]
    """The columns that the joints have, then ``ubody``, if any, and ``total``."""
    shares: Float[np.ndarray, "columns alphas"]
    counted: Int[np.ndarray, " columns"]
    """How many joints, of all people, count."""

    def at(self, alpha: float) -> dict[str, float]:
        """Every column's share at one of the thresholds."""
        return dict(
            zip(self.columns, self.shares[:, self.alphas.index(alpha)].tolist(), strict=True)
        )


def column_of(joint: str) -> str | None:
    """The column of a joint; None for pelvis and thorax, which are in none.

    >>> column_of("l_wrist"), column_of("upper_neck"), column_of("pelvis")
    ('wrist', 'head', None)
    """
    plain = joint.removeprefix("l_").removeprefix("r_")
    if plain in _HEAD:
        return "head"
    return plain if plain in COLUMNS else None


def joint_errors(
    predicted: Float[np.ndarray, "people joints 2"],
    truth: Float[np.ndarray, "people joints 2"],
    normalizer: Float[np.ndarray, " people"],
) -> Float[np.ndarray, "people joints"]:
    """``|predicted - truth| / normalizer``, as the official evaluations see it.

    NaN, which does not count, where the truth or the person's normalizer is absent; infinite, which is wrong
    at every threshold, where only the prediction is.

    >>> joint_errors(np.array([[[3.0, 4.0], [np.nan, 0.0]]]), np.zeros((1, 2, 2)), np.array([50.0]))
    array([[0.1, inf]])

    Raises:
        InputError: a normalizer is neither positive nor absent (NaN).
    """
    if (normalizer <= 0).any() or np.isinf(normalizer).any():
        raise InputError("every normalizer of a PCK must be a positive length, or NaN where absent")
    distance = np.linalg.norm(predicted - truth, axis=-1)
    distance[np.isnan(predicted).any(axis=-1)] = np.inf
    errors = distance / normalizer[:, None]
    errors[np.isnan(truth).any(axis=-1)] = np.nan
    return errors


def joint_table(
    errors: Float[np.ndarray, "people joints"],
    joints: Sequence[str],
    *,
    alphas: Sequence[float],
    protocol: Protocol,
) -> JointTable:
    """The table of what `joint_errors` gives.

    A column is averaged in the protocol's order: its joints in one heap (``"pooled"``), or the people of each
    joint and then its joints (``"keypoint"``). ``ubody`` and ``total`` are always heaps.

    Args:
        errors: normalized, NaN where nothing counts.
        joints: the names of their columns.
        alphas: thresholds, in rising order.
        protocol: the rules.

    Raises:
        InputError: no joint is in any column, or the protocol averages over images first.
    """
    if protocol.average == "image":
        raise InputError(
            f"{protocol.name} averages the keypoints of an image first: it has no joint table"
        )
    members = {column: _members(joints, (column,)) for column in COLUMNS}
    heaps = {"ubody": _members(joints, UPPER_BODY), "total": _members(joints, COLUMNS)}
    if not heaps["total"]:
        raise InputError(f"none of the joints {', '.join(joints)} is one that a pose is scored by")
    rows, counted = {}, []
    for column, indices in (members | heaps).items():
        if not indices:
            continue
        apart = protocol.average == "keypoint" and column in members
        lines = [errors[:, [index]] for index in indices] if apart else [errors[:, indices]]
        curves = [_shares(line, alphas, strict=protocol.strict) for line in lines]
        # A side that nobody annotated has no share to average.
        present = [curve for curve in curves if not np.isnan(curve).any()] or curves
        rows[column] = np.mean(present, axis=0)
        counted.append(int((~np.isnan(errors[:, indices])).sum()))
    return JointTable(tuple(alphas), tuple(rows), np.array([*rows.values()]), np.array(counted))


def area_under_curve(
    shares: Float[np.ndarray, "*columns alphas"], alphas: Sequence[float]
) -> Float[np.ndarray, "*columns"]:
    """The mean height of a curve between its first and its last threshold, by trapezoids."""
    return np.asarray(np.trapezoid(shares, alphas, axis=-1) / (alphas[-1] - alphas[0]))


def _members(joints: Sequence[str], columns: Sequence[str]) -> list[int]:
    return [index for index, joint in enumerate(joints) if column_of(joint) in columns]


def _shares(errors: np.ndarray, alphas: Sequence[float], *, strict: bool) -> np.ndarray:
    """The share of the errors that count which are right at every threshold."""
    known = errors[~np.isnan(errors)]
    if not len(known):
        return np.full(len(alphas), np.nan)
    sides = known[:, None], np.asarray(alphas)[None]
    return (np.less(*sides) if strict else np.less_equal(*sides)).mean(axis=0)
