"""Heat-maps from points, and points from heat-maps.

The frame of a map is the `coords.Transform` from its cells (column, row) to pixels; for coarse maps that is
`Architecture.cells`.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from convcorr_jax import coords

SIGMA_CELLS = 1.5
"""Standard deviation of target Gaussians, in cells (the paper: "about 1.5 pixels")."""


class Peaks(NamedTuple):
    """The maxima of heat-maps."""

    points: Float[Array, "*b j 2"]
    """The centre (x, y) of each map's highest cell, in pixels."""
    scores: Float[Array, "*b j"]
    """The value of each map's highest cell."""


def gaussians(
    points: Float[Array, "*b j 2"] | Float[np.ndarray, "*b j 2"],
    size: coords.Size,
    cells: coords.Transform,
    *,
    sigma_cells: float = SIGMA_CELLS,
) -> Float[Array, "*b {size.height} {size.width} j"]:
    """Compute ``exp(-|c - p|^2 / (2 sigma^2))`` at every cell c, where p is the point in cells.

    The maximum of 1 is exactly at the point, which may be between cells.

    >>> heatmap = gaussians(np.zeros((1, 2)), coords.Size(1, 3), coords.grid(8, 0))[0, :, 0]
    >>> [f"{height:.2f}" for height in heatmap]
    ['1.00', '0.80', '0.41']

    Args:
        points: joints (x, y), in pixels; NaN where missing.
        size: of the maps, in cells.
        cells: the transform from cells to pixels.
        sigma_cells: standard deviation, in cells.

    Returns:
        One map for each joint; NaN where the joint is missing.

    Source: Tompson et al. 2015, section 3.3: "sigma about 1.5 pixels".
    """
    centers = coords.apply(coords.invert(cells), jnp.asarray(points, jnp.float32))

    def along(axis: int, side: int) -> Array:
        places = jnp.arange(side).reshape((1,) * (centers.ndim - 2) + (side, 1))
        return jnp.exp(-((places - centers[..., None, :, axis]) ** 2) / (2 * sigma_cells**2))

    return along(0, size.width)[..., None, :, :] * along(1, size.height)[..., :, None, :]


def peaks(heatmaps: Float[Array, "*b h w j"], cells: coords.Transform) -> Peaks:
    """Return the centre of each map's highest cell; of equal cells, the first in reading order.

    As in the paper, positions between cells are not estimated: that is the fine net's task.

    Args:
        heatmaps: one map for each joint.
        cells: the transform from cells to pixels.
    """
    height, width, joints = heatmaps.shape[-3:]
    flat = heatmaps.reshape(*heatmaps.shape[:-3], height * width, joints)
    best = flat.argmax(axis=-2)
    columns_rows = jnp.stack([best % width, best // width], axis=-1).astype(jnp.float32)
    return Peaks(coords.apply(cells, columns_rows), flat.max(axis=-2))
