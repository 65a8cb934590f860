"""PCKh, the PCK of MPII: distances divided by a length of the head, which does not shrink when a person turns.

The length is 0.6 times the diagonal of the annotated box of the head; "PCKh @ 0.5" accepts errors up to half of
it. The rules are those of the official MATLAB evaluation: a person whose head has no box is left out, and so is
a joint that is not annotated; hidden joints count; a prediction that is NaN is wrong.

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
"""Each side of a joint by itself, then the mean of both; upper body and total over all their joints at once."""

PCKH_ALPHAS = tuple((np.arange(51) / 100).tolist())
"""The thresholds of the official curve; the area under it is the official AUC."""

# The official evaluation's factor: the annotated box is larger than the head.
_HEAD_FRACTION = 0.6


def head_sizes(boxes: Float[np.ndarray, "people 4"]) -> Float[np.ndarray, " people"]:
    """Compute the normalizing length of every person from the box of the head.

    >>> head_sizes(np.array([[10.0, 10.0, 40.0, 50.0]]))
    array([30.])

    Args:
        boxes: left, top, right and bottom edge of each person's head, in pixels; NaN where a head has no box.

    Returns:
        The lengths in pixels; NaN where a head has no box.
    """
    return _HEAD_FRACTION * np.linalg.norm(boxes[:, 2:] - boxes[:, :2], axis=-1)


def pckh(
    predicted: Float[np.ndarray, "people joints 2"],
    truth: Float[np.ndarray, "people joints 2"],
    sizes: Float[np.ndarray, " people"],
    joints: Sequence[str],
    *,
    alphas: Sequence[float] = PCKH_ALPHAS,
) -> JointTable:
    """Compute the table of PCKh.

    Args:
        predicted: predicted joints (x, y), in pixels of the video frame; NaN is wrong.
        truth: annotated joints in the same frame; NaN is left out.
        sizes: the length of each person's head in pixels, as `head_sizes` returns it; a person with NaN is left
            out.
        joints: names of the joints, in the order of the second axis of ``predicted``.
        alphas: thresholds, as fractions of the head's length, in rising order.

    Raises:
        InputError: a size is neither positive nor NaN, or no joint is in a column of the table.
    """
    errors = joint_errors(predicted, truth, sizes)
    return joint_table(errors, joints, alphas=alphas, protocol=MPII_PCKH)
