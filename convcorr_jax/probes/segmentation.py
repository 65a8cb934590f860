"""Semantic segmentation: the class of every pixel from one vector that describes the whole photograph.

A label map becomes a grid of 30 x 30 cells, and in each cell every class has a share of what is labelled of its
area. From the vector one ridge regression predicts all 30 x 30 x classes shares; a second one, the matrix M,
turns the responses of all classes in a cell into new ones, alike in all cells. The greatest names the class.

Decided here, where the paper leaves it open:

- Targets are shares of area, not the one class at the middle of the cell: that is what a map of zeros and ones
  resized to 30 x 30 x classes is, and a boundary within a cell is told, not drawn to one of its sides.
- Of a cell that has no label (VOC's borders, CamVid's unlabelled pixels) nothing is known. Its targets are the
  means of those targets over the photographs where it has one, which draw the regression nowhere. From M and
  from every score such cells and pixels are left out.
- M is fitted to the responses to the photographs that the first regression was fitted to. Those are better than
  the responses to new photographs, and from responses that held the photograph out (`cross_predict`) M
  learns how little they say: of films of CamVid that neither regression had seen, such an M has 0.01 to 0.02
  less of intersection over union, since it leaves small classes to large ones.
- Responses, not labels, are resized to the photograph, bilinearly; the class is decided at every pixel.

Source: Sharif Razavian et al. 2014, section 3.1.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int, UInt8

from convcorr_jax import coords, images
from convcorr_jax.errors import InputError
from convcorr_jax.linear.ridge import Ridge
from convcorr_jax.linear.ridge.penalty import fit_best
from convcorr_jax.probes.variations import Variation

SIDE = 30


def class_shares(
    label_map: UInt8[np.ndarray, "height width"],
    variation: Variation,
    *,
    classes: int,
    side: int = SIDE,
) -> Float[np.ndarray, "side side classes"]:
    """Which share of the labelled area of every cell each class has; NaN where nothing is labelled.

    Args:
        label_map: labels below ``classes``; all others, and what lies outside of the map, are no label.
        variation: the part of it that the grid covers.
        classes: how many there are.
        side: cells across and down.
    """
    box = variation.box
    of_class = (label_map[..., None] == np.arange(classes)).astype(np.float32)
    strips = _cell_sums(of_class, box.y0, box.y1, cells=side)
    area = _cell_sums(strips.transpose(1, 0, 2), box.x0, box.x1, cells=side).transpose(1, 0, 2)
    labelled = area.sum(axis=-1, keepdims=True)
    shares = np.divide(area, labelled, out=np.full_like(area, np.nan), where=labelled > 0)
    return shares[:, ::-1] if variation.mirrored else shares


def _cell_sums(
    rows: Float[np.ndarray, "length _ _"], low: float, high: float, *, cells: int
) -> Float[np.ndarray, "cells _ _"]:
    """Sums of the rows in each of the cells into which the stretch from low to high is divided.

    A row covers half a pixel to either side of its number; of one that lies in two cells each has its part.
    """
    sums = np.concatenate([np.zeros_like(rows[:1]), rows.cumsum(axis=0)])
    # sums[i] is what lies before the edge between rows i - 1 and i, at i - 0.5.
    edges = np.clip(np.linspace(low, high, cells + 1) + 0.5, 0, len(rows))
    before = np.minimum(edges.astype(int), len(rows) - 1)
    part = (edges - before).astype(np.float32)[:, None, None]
    return np.diff(sums[before] + part * (sums[before + 1] - sums[before]), axis=0)


def targets(shares: Float[np.ndarray, "n side side classes"]) -> Float[np.ndarray, "n t"]:
    """A row of ``side^2 classes`` numbers a photograph; absent shares become their means over all photographs.

    Raises:
        InputError: no cell of any photograph is labelled.
    """
    flat = shares.reshape(len(shares), -1)
    known = ~np.isnan(flat)
    if not known.any():
        raise InputError("no cell of any label map has a label; there is nothing to learn")
    means = np.where(known, flat, 0).sum(axis=0) / known.sum(axis=0).clip(min=1)
    return np.where(known, flat, means).astype(np.float32)


def responses(
    probe: Ridge, features: Float[np.ndarray, "n d"], *, side: int = SIDE
) -> Float[np.ndarray, "n side side classes"]:
    """What a ridge fitted to `targets` predicts in every cell."""
    return np.asarray(probe.predict(features)).reshape(len(features), side, side, -1)


def fit_mixing(
    given: Float[np.ndarray, "n side side classes"],
    shares: Float[np.ndarray, "n side side classes"],
    *,
    folds: Int[np.ndarray, " n"],
    k: int,
) -> Ridge:
    """The matrix M: from the responses in a cell, of which class the most of it is, as zeros and a one.

    Args:
        given: responses.
        shares: of the same cells.
        folds: of every photograph, for the choice of M's penalty; none parts its cells.
        k: number of folds.

    Raises:
        InputError: as of `fit_best`.
    """
    labelled = ~np.isnan(shares[..., 0])
    most = shares[labelled].argmax(axis=-1)
    chosen = (most[:, None] == np.arange(shares.shape[-1])).astype(np.float32)
    of_cell = np.broadcast_to(folds[:, None, None], labelled.shape)[labelled]
    return fit_best(given[labelled], chosen, folds=of_cell, k=k)[0]


def mix(
    given: Float[np.ndarray, "*cells classes"], mixing: Ridge
) -> Float[np.ndarray, "*cells classes"]:
    """Responses after M."""
    return given @ np.asarray(mixing.weights) + np.asarray(mixing.bias)


def label_map(
    given: Float[np.ndarray, "side side classes"], size: Sequence[int]
) -> UInt8[np.ndarray, "height width"]:
    """The class with the greatest response at every pixel of a photograph of ``size`` (height, width)."""
    return resized(given, size).argmax(axis=-1).astype(np.uint8)


def resized(
    given: Float[np.ndarray, "side side classes"], size: Sequence[int]
) -> Float[np.ndarray, "height width classes"]:
    """Responses at every pixel: bilinear between the middles of the cells, constant beyond the outermost."""
    to_cells = coords.resize(size, given.shape[:2])
    rows, columns = (
        images.linear_weights(np.arange(length) * scale + shift, cells).astype(np.float32)
        for length, cells, scale, shift in zip(
            size, given.shape[:2], to_cells.scale[::-1], to_cells.shift[::-1], strict=True
        )
    )
    return np.einsum("yh,hwc,xw->yxc", rows, given, columns, optimize=True)
