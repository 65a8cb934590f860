"""Batches of training examples; heat-maps from points, and points from heat-maps.

The frame of a map is the `coords.Transform` from its cells (column, row) to pixels; for coarse maps that is
`Architecture.cells`.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from convcorr_jax import coords
from convcorr_jax.flow import parabola_vertex


class Batch(NamedTuple):
    """Examples with images of one size; points are in the input frame (pixels of these images)."""

    images: UInt8[Array, "b h w 3"] | UInt8[np.ndarray, "b h w 3"]
    points: Float[Array, "b j 2"] | Float[np.ndarray, "b j 2"]
    """Joints; NaN where missing."""
    torso: Float[Array, "b 2"] | Float[np.ndarray, "b 2"]
    """The middle of the person's torso; NaN where unknown."""


class FeatureBatch(NamedTuple):
    """Examples as of `Batch`, of which the coarse maps of a pretrained front are known."""

    features: tuple[
        Float[Array, "b _ _ f"] | Float[np.ndarray, "b _ _ f"],
        Float[Array, "b _ _ f"] | Float[np.ndarray, "b _ _ f"],
    ]
    """`convcorr_jax.pose.front.FrontMaps.coarse`."""
    points: Float[Array, "b j 2"] | Float[np.ndarray, "b j 2"]
    torso: Float[Array, "b 2"] | Float[np.ndarray, "b 2"]


class Peaks(NamedTuple):
    """The position of each heat-map's maximum, (x, y) in pixels, and the value of its highest cell."""

    points: Float[Array, "*b j 2"]
    scores: Float[Array, "*b j"]


def gaussians(
    points: Float[Array, "*b j 2"] | Float[np.ndarray, "*b j 2"],
    size: coords.Size,
    cells: coords.Transform,
    *,
    sigma_px: float,
) -> Float[Array, "*b {size.height} {size.width} j"]:
    """Compute ``exp(-|c - p|^2 / (2 sigma^2))`` at every cell's centre c, where p is the point.

    The maximum of 1 is exactly at the point, which may be between cells. A map is NaN where its joint is
    missing.

    >>> heatmap = gaussians(np.zeros((1, 2)), coords.Size(1, 3), coords.grid(8, 0), sigma_px=12)[0, :, 0]
    >>> [f"{height:.2f}" for height in heatmap]
    ['1.00', '0.80', '0.41']

    Source: Tompson et al. 2015, section 3.3: "sigma about 1.5 pixels" of the heat-map.
    """
    centers = cells.inverse(jnp.asarray(points, jnp.float32))
    sigma_cells = sigma_px / cells.scale

    def along(axis: int, side: int) -> Array:
        places = jnp.arange(side).reshape((1,) * (centers.ndim - 2) + (side, 1))
        distances = places - centers[..., None, :, axis]
        return jnp.exp(-(distances**2) / (2 * sigma_cells[axis] ** 2))

    return along(0, size.width)[..., None, :, :] * along(1, size.height)[..., :, None, :]


def peaks(heatmaps: Float[Array, "*b h w j"], cells: coords.Transform, *, subcell: bool = False) -> Peaks:
    """Return the centre of each map's highest cell, or a position near it; the first of equal cells counts.

    Values below the least normal number, 1.2e-38 in single precision, may count as 0. Position and score of a
    map are NaN if one of its cells is.

    The paper estimates no positions between cells: that is the fine net's task.

    Args:
        subcell: move each position, by half a cell at most, to the vertex of the parabolas through the highest
            cell and its neighbours in the row and in the column. At a border it stays in the middle of the cell
            along the axis that ends there.
    """
    height, width = heatmaps.shape[-3:-1]
    flat = _flat(heatmaps)
    best = flat.argmax(axis=-2)
    column, row = best % width, best // width
    columns_rows = jnp.stack([column, row], axis=-1).astype(jnp.float32)
    if subcell:
        axes = ((column, 1, width), (row, width, height))
        offsets = [_vertex(flat, best, *axis) for axis in axes]
        columns_rows += jnp.stack(offsets, axis=-1)
    scores = flat.max(axis=-2)
    columns_rows = jnp.where(jnp.isnan(scores)[..., None], jnp.nan, columns_rows)
    return Peaks(cells(columns_rows), scores)


def values_at_peaks(
    values: Float[Array, "*b h w j"], heatmaps: Float[Array, "*b h w j"]
) -> Float[Array, "*b j"]:
    """Return the value of each map at the highest cell of another map, whose position `peaks` returns.

    It is NaN where one of the other's cells is.
    """
    flat, best = (_flat(maps) for maps in (values, heatmaps))
    highest = best.argmax(axis=-2, keepdims=True)
    found = jnp.take_along_axis(flat, highest, axis=-2)[..., 0, :]
    return jnp.where(jnp.isnan(best).any(axis=-2), jnp.nan, found)


def _flat(maps: Array) -> Array:
    return maps.reshape(*maps.shape[:-3], -1, maps.shape[-1])


def _vertex(flat: Array, best: Array, place: Array, step: int, length: int) -> Array:
    """Return the vertex of the parabola through the cells beside the best one along an axis, in cells."""

    def at(cells: Array) -> Array:
        inside = jnp.clip(cells, 0, flat.shape[-2] - 1)
        return jnp.take_along_axis(flat, inside[..., None, :], axis=-2)[..., 0, :]

    offset = parabola_vertex(-at(best - step), -at(best), -at(best + step))
    return jnp.where((place > 0) & (place < length - 1), offset, 0.0)
