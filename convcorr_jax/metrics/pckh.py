"""PCKh, the PCK of MPII: distances over a length of the head, which does not shrink when a person turns.

The length is 0.6 times the diagonal of the annotated box of the head, and "PCKh @ 0.5" half of it. Matches the
official MATLAB evaluation: a person whose head has no box is left out, like a joint that nobody annotated;
hidden joints count; a prediction that is NaN is wrong.

Source: Andriluka, Pishchulin, Gehler, Schiele, "2D Human Pose Estimation: New Benchmark and State of the Art
Analysis", CVPR 2014, and its evaluation toolkit.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from convcorr_jax.metrics.joint_table import JointTable, joint_errors, joint_table
from convcorr_jax.metrics.pck import Protocol

MPII_PCKH = Protocol(
    name="MPII PCKh (Andriluka et al. 2014)",
    normalizer="0.6 times the diagonal of the head's box",
    frame="pixels of the video frame as released; left is the person's own",
    strict=False,
    average="keypoint",
    counted="the annotated of 14 joints, hidden ones too; pelvis and thorax do not count",
)
"""Sides of a joint apart, then their mean; upper body and total over all their joints in one heap."""

PCKH_ALPHAS = tuple((np.arange(51) / 100).tolist())
"""The thresholds of the official curve; the area under it is the official AUC."""

# The box is larger than the head.
_HEAD_SHARE = 0.6


def head_sizes(boxes: Float[np.ndarray, "people 4"]) -> Float[np.ndarray, " people"]:
    """The length of every person from the box (left, top, right, bottom) of the head.

    >>> head_sizes(np.array([[10.0, 10.0, 40.0, 50.0]]))
    array([30.])
    """
    return _HEAD_SHARE * np.linalg.norm(boxes[:, 2:] - boxes[:, :2], axis=-1)


def pckh(
    predicted: Float[np.ndarray, "people joints 2"],
    truth: Float[np.ndarray, "people joints 2"],
    sizes: Float[np.ndarray, " people"],
    joints: Sequence[str],
    *,
    alphas: Sequence[float] = PCKH_ALPHAS,
) -> JointTable:
    """The table of PCKh.

    Args:
        predicted: in pixels of the frame; NaN is wrong.
        truth: in the same pixels; NaN is left out.
        sizes: of `head_sizes`; NaN leaves the person out.
        joints: the names of the joints.
        alphas: thresholds, in rising order.

    Raises:
        InputError: a size is neither positive nor NaN, or no joint is one that counts.
    """
    errors = joint_errors(predicted, truth, sizes)
    return joint_table(errors, joints, alphas=alphas, protocol=MPII_PCKH)
