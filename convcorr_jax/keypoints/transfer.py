"""Keypoint transfer: carry the points of annotated images to one that has none.

Source: Long, Zhang and Darrell 2014, section 3.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from convcorr_jax import coords
from convcorr_jax.flow.warping import sample_flow

# The paper's: 25 neighbours are aligned, the five that deform least vote.
NEIGHBORS = 25
VOTERS = 5


def carry_points(
    points_px: Float[np.ndarray, "n 2"],
    flow: Float[Array, "h w 2"] | Float[np.ndarray, "h w 2"],
    *,
    source_to_px: coords.Transform,
    target_to_px: coords.Transform,
) -> Float[np.ndarray, "n 2"]:
    """Where a flow between two grids takes points of the source image, in pixels of the target image.

    A point p lies at cell ``c = source_to_px^-1(p)`` and goes to ``target_to_px(c + w(c))``, with the
    displacement w bilinear between cells and constant beyond the outermost ones. NaN stays NaN.

    Args:
        points_px: (x, y) in pixels of the source image.
        flow: displacement of every source cell, in cells of the target grid.
        source_to_px: cells of the source grid to pixels of the source image.
        target_to_px: cells of the target grid to pixels of the target image.
    """
    cells = coords.apply(coords.invert(source_to_px), points_px)
    displacement = sample_flow(jnp.asarray(flow), jnp.asarray(cells, jnp.float32))
    return coords.apply(target_to_px, cells + np.asarray(displacement, np.float64))


def vote(
    candidates: Float[np.ndarray, "candidates n 2"],
    order: Int[np.ndarray, " candidates"],
    *,
    voters: int = VOTERS,
) -> Float[np.ndarray, "n 2"]:
    """The coordinate-wise median of each keypoint's first candidates that are present.

    The paper orders neighbours by deformation energy, least first, and takes the top five.

    Args:
        candidates: predictions (x, y), one row of keypoints a neighbour; NaN where it has none.
        order: indices of ``candidates``, best first.
        voters: how many present candidates vote for each keypoint.

    Returns:
        One point a keypoint; NaN where no neighbour has it.

    Differs from the paper: it takes the five best neighbours, and says nothing of keypoints that some of
    them lack; here each keypoint is decided by the five best neighbours that have it.

    >>> vote(np.array([[[1.0, 9.0]], [[np.nan, np.nan]], [[3.0, 5.0]]]), np.array([0, 1, 2]), voters=2)
    array([[2., 7.]])
    """
    ranked = candidates[order]
    present = ~np.isnan(ranked).any(axis=-1)
    chosen = present & (np.cumsum(present, axis=0) <= voters)
    result = np.full(ranked.shape[1:], np.nan)
    for keypoint in np.flatnonzero(chosen.any(axis=0)):
        result[keypoint] = np.median(ranked[chosen[:, keypoint], keypoint], axis=0)
    return result
