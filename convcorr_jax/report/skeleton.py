"""A person's skeleton on an image: left limbs blue, right limbs orange, the others white."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, UInt8

from convcorr_jax import coords
from convcorr_jax.report.colors import LEFT, NEITHER, RIGHT
from convcorr_jax.report.overlays import points_overlay
from convcorr_jax.shapes import Image

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


def skeleton(
    image: Image,
    points: Float[np.ndarray, "joints 2"],
    joints: Sequence[str],
    *,
    hollow: Bool[np.ndarray, " joints"] | None = None,
    boxes: Sequence[coords.Box] = (),
    longest_px: int = 640,
) -> UInt8[np.ndarray, "h w 3"]:
    """Draw a person's limbs and joints on an image, resized to a longer side of ``longest_px``.

    Args:
        image: 8-bit RGB.
        points: (x, y) in pixels of the image; absent joints (NaN) and their limbs are left out.
        joints: their names, those of a side with the prefix ``l_`` or ``r_``.
        hollow: True for joints that are drawn as rings, such as uncertain ones; by default all are dots.
        boxes: outlined boxes, in pixels of the image.
        longest_px: the longer side of the result.
    """
    sides = {"l_": LEFT, "r_": RIGHT}
    colors = [sides.get(name[:2], NEITHER) for name in joints]
    drawn = {(a, b): colors[a] if colors[a] == colors[b] else NEITHER for a, b in limbs(joints)}
    return points_overlay(
        image,
        points,
        colors=np.array(colors),
        hollow=hollow,
        boxes=boxes,
        limbs=drawn,
        longest_px=longest_px,
    )
