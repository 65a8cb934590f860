"""Colours for displacements, positions and names."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.colors import hsv_to_rgb

from convcorr_jax import coords
from convcorr_jax.shapes import Image

# Blue for left and orange for right: distinct in every kind of colour vision.
LEFT, RIGHT, NEITHER = (0.0, 0.62, 1.0), (1.0, 0.5, 0.0), (1.0, 1.0, 1.0)

# A grey, which no direction has.
_UNKNOWN_FLOW = 0.8


def flow_colors(flow: Float[np.ndarray, "h w 2"], *, longest: float) -> Image:
    """Color a flow: hue is direction, saturation is ``length / longest``; no motion is white.

    Right is red, down yellow-green, left cyan, up violet: `flow_wheel` shows all directions. Displacements
    longer than ``longest`` have full saturation; unknown ones (NaN) are grey.

    >>> flow_colors(np.array([[[0.0, 0.0], [2.0, 0.0]]]), longest=2.0).tolist()
    [[[255, 255, 255], [255, 0, 0]]]
    """
    length = np.hypot(flow[..., 0], flow[..., 1])
    hue = np.arctan2(flow[..., 1], flow[..., 0]) / (2 * np.pi) % 1.0
    known = np.isfinite(length)
    saturation = np.where(known, np.minimum(length / longest, 1.0), 0.0)
    hsv = np.stack([np.where(known, hue, 0.0), saturation, np.where(known, 1.0, _UNKNOWN_FLOW)], -1)
    return np.round(255 * hsv_to_rgb(hsv)).astype(np.uint8)


def flow_wheel(side_px: int) -> Image:
    """Draw the key to `flow_colors`: a disc whose points have the colour of their offset from the centre."""
    middle = (side_px - 1) / 2
    flow = (coords.cell_grid((side_px, side_px)).astype(np.float64) - middle) / (side_px / 2)
    colors = flow_colors(flow, longest=1.0)
    colors[np.hypot(flow[..., 0], flow[..., 1]) > 1] = 255
    return colors


def position_colors(
    points: Float[np.ndarray, "n 2"], size: Sequence[int]
) -> Float[np.ndarray, "n 3"]:
    """Color points by their position in an image of ``size`` (height, width), as RGB between 0 and 1.

    Hue changes from left to right, and colours darken towards the bottom, so that near points have similar
    colours.
    """
    height, width = size
    across = np.clip((points[:, 0] + 0.5) / width, 0, 1)
    down = np.clip((points[:, 1] + 0.5) / height, 0, 1)
    return hsv_to_rgb(np.stack([0.85 * across, 0.95 - 0.15 * down, 1.0 - 0.4 * down], axis=-1))


def name_colors(count: int) -> Float[np.ndarray, "count 3"]:
    """Return distinct colours for the points of a list, as RGB between 0 and 1."""
    # Steps of the golden ratio keep every hue far from the previous ones.
    hue = (np.arange(count) * 0.618034 + 0.02) % 1.0
    return hsv_to_rgb(np.stack([hue, np.full(count, 0.9), np.full(count, 1.0)], axis=-1))
