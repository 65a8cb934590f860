"""Keypoint transfer: predict the keypoints of an image from those of annotated images aligned with it.

Source: Long, Zhang and Darrell 2014, section 3.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from convcorr_jax import coords
from convcorr_jax.flow.warping import sample_flow

# The paper's: 25 neighbors are aligned, and the five with the lowest deformation energy vote.
NEIGHBORS = 25
VOTERS = 5


def carry_points(
    points_px: Float[np.ndarray, "n 2"],
    flow: Float[Array, "h w 2"] | Float[np.ndarray, "h w 2"],
    *,
    source_to_px: coords.Transform,
    target_to_px: coords.Transform,
) -> Float[np.ndarray, "n 2"]:
    """Move points of the source image to the target image by the flow between their grids.

    A point p is at cell ``c = source_to_px^-1(p)`` and moves to ``target_to_px(c + w(c))``. The displacement
    w is interpolated bilinearly between cells and is constant beyond the outermost cells.

    Args:
        points_px: points (x, y) in pixels of the source image; NaN where absent.
        flow: displacement (x, y) of every source cell, in cells of the target grid.
        source_to_px: transform from cells of the source grid to pixels of the source image.
        target_to_px: transform from cells of the target grid to pixels of the target image.

    Returns:
        Points (x, y) in pixels of the target image; NaN where absent.
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
    """Compute the coordinate-wise median of each keypoint's first candidates that are present.

    The paper orders neighbors by deformation energy, lowest first, and takes the top five.

    Args:
        candidates: predicted points (x, y) of n keypoints, one row for every neighbor; NaN where the
            neighbor lacks the keypoint.
        order: indices of ``candidates``, best first.
        voters: the number of present candidates that vote for each keypoint.

    Returns:
        One point (x, y) for every keypoint; NaN where no neighbor has the keypoint.

    Differs from the paper: it takes the five best neighbors, and does not say what happens to keypoints that
    some of them lack; here each keypoint is predicted by the five best neighbors that have it.

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
