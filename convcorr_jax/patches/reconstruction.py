"""Reconstruction of an image from the patches of similar features (Figure 1 of Long et al. 2014).

Each cell of a layer has a tile: the square around its centre whose side is the layer's stride. Tiles cover the
image without overlap. Each is replaced by the mean tile of the feature's nearest neighbours
(`views.mean_windows`). Pixels beyond the outermost tiles are not part of the reconstruction or its scores.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Num, UInt8
from scipy import ndimage

from convcorr_jax import coords
from convcorr_jax.backbone import ReceptiveField
from convcorr_jax.descriptors.sift import LUMA
from convcorr_jax.errors import InputError
from convcorr_jax.patches.views import cells_of, windows
from convcorr_jax.shapes import Image


class Scores(NamedTuple):
    """Differences of a reconstruction from the original, and their similarity."""

    color_error: float
    """Mean absolute difference of the channels, in grey levels of 255."""
    gradient_error: float
    """Mean length of the grey levels' differences in gradient, in mean lengths of the original's gradient."""
    detail_correlation: float
    """Pearson's correlation of the grey levels minus their means over a square around each pixel. It is about 0
    for an image that reproduces the contents of such squares but not their positions."""


def from_tiles(
    tiles: Num[np.ndarray, "cells side side 3"], grid: coords.Size
) -> Num[np.ndarray, "height width 3"]:
    """Assemble an image from the tiles of a grid's cells, row by row."""
    side = tiles.shape[1]
    rows = tiles.reshape(*grid, side, side, 3).swapaxes(1, 2)
    return rows.reshape(grid.height * side, grid.width * side, 3)


def crop_to_tiles(image: Image, grid: coords.Size, *, field: ReceptiveField) -> UInt8[np.ndarray, "_ _ 3"]:
    """Cut out the part of an image that the tiles of its cells cover."""
    tiles = windows(image, cells_of(grid), field=field, side_px=field.stride_px)
    return from_tiles(tiles, grid)


def uniform_tiles(
    image: Image, grid: coords.Size, *, field: ReceptiveField, ks: Sequence[int], seed: int
) -> Float[np.ndarray, "ks cells side side 3"]:
    """Compute the tiles that a feature could give if it did not encode where in its field a pattern is.

    Every tile is the mean of k patches of its own image, drawn independently and uniformly. Patches lie inside
    the image and the cell's receptive field, evenly around the cell's own tile: where the sides of field and
    tile differ by an odd number, the field's last row and column are left out. For each k the first k patches
    of one draw are averaged. The paper draws from conv3's field.
    """
    side = field.stride_px
    reach = (field.size_px - side) // 2
    starts = np.floor(field.first_center_px + side * cells_of(grid)[None] - (side - 1) / 2).astype(int)
    last = np.array(image.shape[:2]) - side
    low = np.clip(starts - reach, 0, last)
    high = np.clip(starts + reach, 0, last)
    drawn = np.random.default_rng(seed).integers(low, high, (max(ks), *low.shape[1:]), endpoint=True)
    every = np.lib.stride_tricks.sliding_window_view(image, (side, side), axis=(0, 1))
    tiles = np.moveaxis(every[drawn[..., 0], drawn[..., 1]], 2, -1)
    return np.stack([tiles[:k].mean(axis=0) for k in ks])


def scores(rebuilt: Num[np.ndarray, "h w 3"], original: Num[np.ndarray, "h w 3"], *, side_px: int) -> Scores:
    """Compare a reconstruction with the original.

    Args:
        side_px: the side in pixels of the square whose mean separates detail from its surroundings, such as
            the size of a receptive field.

    Raises:
        InputError: the original has one colour, so that it has no gradient and no detail.
    """
    ours, true = (image.astype(np.float64) for image in (rebuilt, original))
    our_grey, true_grey = (image @ np.array(LUMA) for image in (ours, true))
    our_gradient, true_gradient = (np.stack(np.gradient(g)) for g in (our_grey, true_grey))
    scale = np.linalg.norm(true_gradient, axis=0).mean()
    if scale == 0:
        raise InputError("the original is plain; an image with contrast is expected")
    difference = np.linalg.norm(our_gradient - true_gradient, axis=0).mean()
    details = [grey - ndimage.uniform_filter(grey, side_px, mode="nearest") for grey in (our_grey, true_grey)]
    a, b = (detail - detail.mean() for detail in details)
    lengths = np.sqrt((a**2).sum() * (b**2).sum())
    return Scores(
        float(np.abs(ours - true).mean()),
        float(difference / scale),
        float((a * b).sum() / lengths) if lengths > 0 else 0.0,
    )
