"""An image rebuilt from the patches at the centres of similar features (Figure 1 of Long et al. 2014).

Each cell of a layer stands for the square around its centre whose side is the layer's stride; these tiles
meet and do not overlap. A tile is replaced by the mean of its neighbours' tiles (`views.mean_windows`).
What lies beyond the outermost tiles is left out of picture and scores.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Num, UInt8
from scipy import ndimage

from convcorr_jax import coords
from convcorr_jax.backbone import ReceptiveField
from convcorr_jax.errors import InputError
from convcorr_jax.patches.views import cells_of, windows
from convcorr_jax.shapes import Image

# Of grey from red, green and blue (ITU-R BT.601).
_LUMA = (0.299, 0.587, 0.114)


class Scores(NamedTuple):
    """How far a picture is from the original, and how like it."""

    color_error: float
    """Mean absolute difference of the channels, in grey levels of 255."""
    gradient_error: float
    """Mean length of the difference of the grey levels' gradients, over the original's mean length of
    gradient: a plain picture has 1."""
    detail_correlation: float
    """Pearson's correlation of the grey levels after each pixel's mean over a square around it is taken
    away. A picture that says only what such squares hold, and not where in them, has next to 0."""


def from_tiles(
    tiles: Num[np.ndarray, "cells side side 3"], grid: coords.Size
) -> Num[np.ndarray, "height width 3"]:
    """One picture of the tiles of a grid's cells, which are given row by row."""
    side = tiles.shape[1]
    rows = tiles.reshape(*grid, side, side, 3).swapaxes(1, 2)
    return rows.reshape(grid.height * side, grid.width * side, 3)


def covered(
    image: Image, grid: coords.Size, *, field: ReceptiveField
) -> UInt8[np.ndarray, "_ _ 3"]:
    """The part of an image that the tiles of its cells cover."""
    tiles = windows(image, cells_of(grid), field=field, side_px=field.stride_px)
    return from_tiles(tiles, grid)


def uniform_tiles(
    image: Image,
    grid: coords.Size,
    *,
    field: ReceptiveField,
    ks: Sequence[int],
    seed: int,
) -> Float[np.ndarray, "ks cells side side 3"]:
    """The best to expect if a feature told nothing of where in its receptive field something is.

    Every tile becomes the mean of k patches of its own image, each drawn uniformly, for itself, from all
    places within the cell's receptive field and the image. The first k of one draw are averaged for each k.

    Args:
        image: what the network sees.
        grid: of the layer's cells.
        field: the receptive field to draw from; the paper's is conv3's.
        ks: how many patches are averaged.
        seed: of the draws.
    """
    side = field.stride_px
    reach = (field.size_px - side) // 2
    starts = np.floor(field.first_center_px + side * cells_of(grid)[None] - (side - 1) / 2).astype(
        int
    )
    last = np.array(image.shape[:2]) - side
    low = np.clip(starts - reach, 0, last)
    high = np.clip(starts + reach, 0, last)
    rng = np.random.default_rng(seed)
    drawn = rng.integers(low, high, (max(ks), *low.shape[1:]), endpoint=True)
    every = np.lib.stride_tricks.sliding_window_view(image, (side, side), axis=(0, 1))
    tiles = np.moveaxis(every[drawn[..., 0], drawn[..., 1]], 2, -1)
    return np.stack([tiles[:k].mean(axis=0) for k in ks])


def scores(
    picture: Num[np.ndarray, "h w 3"], original: Num[np.ndarray, "h w 3"], *, side_px: int
) -> Scores:
    """Compare a picture with the original; the values of both run from 0 to 255.

    Args:
        picture: what was rebuilt.
        original: what it was rebuilt from.
        side_px: of the square that tells detail from what surrounds it, a receptive field's say.

    Raises:
        InputError: the original is plain, so that it has no gradient and no detail.
    """
    shown, true = (image.astype(np.float64) for image in (picture, original))
    shown_grey, true_grey = (image @ np.array(_LUMA) for image in (shown, true))
    shown_gradient, true_gradient = (np.stack(np.gradient(g)) for g in (shown_grey, true_grey))
    scale = np.linalg.norm(true_gradient, axis=0).mean()
    if scale == 0:
        raise InputError("the original is plain; an image with contrast is expected")
    difference = np.linalg.norm(shown_gradient - true_gradient, axis=0).mean()
    details = [
        grey - ndimage.uniform_filter(grey, side_px, mode="nearest")
        for grey in (shown_grey, true_grey)
    ]
    a, b = (detail - detail.mean() for detail in details)
    lengths = np.sqrt((a**2).sum() * (b**2).sum())
    return Scores(
        float(np.abs(shown - true).mean()),
        float(difference / scale),
        float((a * b).sum() / lengths) if lengths > 0 else 0.0,
    )
