"""A person's skeleton on a photograph: limbs of the person's left blue, of the right orange, the rest white."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, UInt8

from convcorr_jax import coords
from convcorr_jax.report.colors import LEFT, NEITHER, RIGHT
from convcorr_jax.report.figures import points_overlay
from convcorr_jax.shapes import Image

# Drawn where a data set has both ends; the head's top hangs on whichever neck there is.
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
    """Which of the joints are joined by a limb, as indices.

    >>> limbs(("l_wrist", "nose", "l_elbow"))
    ((2, 0),)
    """
    place = {name: index for index, name in enumerate(joints)}
    return tuple((place[a], place[b]) for a, b in _LIMBS if a in place and b in place)


def skeleton(
    photograph: Image,
    points: Float[np.ndarray, "joints 2"],
    joints: Sequence[str],
    *,
    hollow: Bool[np.ndarray, " joints"] | None = None,
    boxes: Sequence[coords.Box] = (),
    longest_px: int = 640,
) -> UInt8[np.ndarray, "h w 3"]:
    """A photograph, its longer side at ``longest_px``, with a person's limbs and joints.

    Args:
        photograph: 8-bit RGB.
        points: in its pixels; absent joints (NaN) and their limbs are left out.
        joints: their names, ``l_`` and ``r_`` before those of a side.
        hollow: joints drawn as rings, such as unsure ones; none by default.
        boxes: outlined, in its pixels.
        longest_px: the longer side of the result.
    """
    sides = {"l_": LEFT, "r_": RIGHT}
    colors = [sides.get(name[:2], NEITHER) for name in joints]
    drawn = {(a, b): colors[a] if colors[a] == colors[b] else NEITHER for a, b in limbs(joints)}
    return points_overlay(
        photograph,
        points,
        colors=np.array(colors),
        hollow=hollow,
        boxes=boxes,
        limbs=drawn,
        longest_px=longest_px,
    )
