"""Semantic segmentation: the class of every pixel, predicted from one feature vector of the whole image.

A label map becomes a grid of 30 x 30 cells; in each cell every class has a share of the labelled area. One
ridge regression predicts all 30 x 30 x classes shares from the feature vector. A second one, the matrix M,
maps the responses of all classes in a cell to new ones, the same in all cells. The greatest response names
the class.

The paper leaves open, and this module decides:

- Targets are shares of area, not the one class at the centre of the cell: resizing a map of zeros and ones to
  30 x 30 x classes gives shares, and they keep a boundary within a cell.
- A cell without labels (VOC's borders, CamVid's unlabelled pixels) gets as targets the means of those targets
  over the images in which it has labels, which do not bias the regression. Such cells and pixels are left out
  of M and of every score.
- M is fitted to the responses to the images that the first regression was fitted to. These are better than the
  responses to new images. An M fitted to responses to held-out images (`cross_predict`) learns that they are
  less reliable: on films of CamVid that neither regression was fitted to, it has 0.01 to 0.02 less intersection
  over union, because it gives up small classes for large ones.
- Responses, not labels, are resized to the image, bilinearly; the class is decided at every pixel.

Source: Sharif Razavian et al. 2014, section 3.1.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float, Int, Shaped, UInt

from convcorr_jax import coords
from convcorr_jax.errors import InputError
from convcorr_jax.linear.ridge import FoldSums, PenaltyCurve, Ridge, empty_fold_sums, fold_sums
from convcorr_jax.probes.rgb import Variation

# Neighbouring cells are very similar: every third cell across and down, a ninth of all, selects the same
# penalty as all cells, in a ninth of the time.
_STEP = 3


def fit_grid(
    features: Float[np.ndarray, "n d"],
    targets: Float[np.ndarray, "n t"],
    *,
    side: int,
    folds: Int[np.ndarray, " n"],
    k: int,
) -> tuple[Ridge, PenaltyCurve]:
    """Fit all targets with one penalty, which k-fold cross-validation of every third cell selects.

    The targets belong to ``side`` rows of ``side`` cells, equally many to each cell. The cross-validation
    errors of every penalty, over the cells used, are returned as well. An `InputError` is raised as by
    `fit_grid_sums`.
    """
    return fit_grid_sums(fold_sums(features, targets, folds=folds, k=k), side=side)


def fit_grid_sums(sums: FoldSums, *, side: int) -> tuple[Ridge, PenaltyCurve]:
    """Fit all targets with one penalty like `fit_grid`, to rows that were summed up block by block.

    Raises:
        InputError: the targets do not form such a grid, a fold has no row, or a value is NaN or infinite.
    """
    if side < 1 or sums.targets % side**2:
        raise InputError(f"{sums.targets} targets are not those of {side} x {side} cells")
    first = min(_STEP, side) // 2
    numbers = np.arange(sums.targets).reshape(side, side, -1)[first::_STEP, first::_STEP]
    curve = sums.select(numbers.ravel()).cross_validate(sums.penalty_grid())
    return sums.solve(curve.best()), curve


SIDE = 30
"""Number of cells across and down; the paper's."""


def class_shares(
    label_map: Shaped[np.ndarray, "..."], variation: Variation, *, classes: int, side: int = SIDE
) -> Float[np.ndarray, "side side classes"]:
    """Compute the share of each class in the labelled area of every cell; NaN where nothing is labelled.

    Other numbers than 0 to ``classes - 1``, and the area outside the map, have no label.

    Raises:
        InputError: the map is not a grid of whole numbers.
    """
    if label_map.ndim != 2 or label_map.dtype.kind not in "iu":
        raise InputError(
            f"the label map is {label_map.dtype} of shape {label_map.shape}; whole numbers [height, width] are "
            "expected"
        )
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
    """Sum rows between the coordinates low and high by cell; a row i, from i - 0.5 to i + 0.5, is divided."""
    sums = np.concatenate([np.zeros_like(rows[:1]), rows.cumsum(axis=0)])
    # sums[i] is the sum up to the edge between rows i - 1 and i, at i - 0.5.
    edges = np.clip(np.linspace(low, high, cells + 1) + 0.5, 0, len(rows))
    before = np.minimum(edges.astype(int), len(rows) - 1)
    part = (edges - before).astype(np.float32)[:, None, None]
    return np.diff(sums[before] + part * (sums[before + 1] - sums[before]), axis=0)


def mean_shares(blocks: Iterable[Float[np.ndarray, "n side side classes"]]) -> Float[np.ndarray, " t"]:
    """Compute the mean of each share over the images in which it is known; 0 where it is never known.

    Raises:
        InputError: no cell of any image is labelled.
    """
    sums, counts = np.zeros(1), np.zeros(1)
    for shares in blocks:
        flat = shares.reshape(len(shares), -1)
        known = ~np.isnan(flat)
        sums = sums + np.where(known, flat, 0).sum(axis=0, dtype=np.float64)
        counts = counts + known.sum(axis=0)
    if not counts.any():
        raise InputError("no cell of any label map has a label; there is nothing to learn")
    return sums / counts.clip(min=1)


def class_targets(
    shares: Float[np.ndarray, "n side side classes"], *, means: Float[np.ndarray, " t"] | None = None
) -> Float[np.ndarray, "n t"]:
    """Flatten shares to targets; absent shares become their means over all images.

    The default means are the `mean_shares` of these images.
    """
    flat = shares.reshape(len(shares), -1)
    means = mean_shares([shares]) if means is None else means
    return np.where(np.isnan(flat), means, flat).astype(np.float32)


def class_responses(
    probe: Ridge, features: Float[np.ndarray, "n d"], *, side: int = SIDE
) -> Float[np.ndarray, "n side side classes"]:
    """Predict the shares of the classes in every cell."""
    return np.asarray(probe.predict(features)).reshape(len(features), side, side, -1)


def fit_mixing(
    responses: Float[np.ndarray, "n side side classes"],
    shares: Float[np.ndarray, "n side side classes"],
    *,
    folds: Int[np.ndarray, " n"],
    k: int,
) -> Ridge:
    """Fit the matrix M from the responses in a cell to 1 for the class with the largest share and 0 for others.

    Of equal shares, that of the first class is the largest. A fold holds out all cells of its images.
    """
    sums = empty_fold_sums(shares.shape[-1], shares.shape[-1], k=k)
    return fit_mixing_sums(sums.add(*mixing_rows(responses, shares, folds=folds)))


def mixing_rows(
    responses: Float[np.ndarray, "n side side classes"],
    shares: Float[np.ndarray, "n side side classes"],
    *,
    folds: Int[np.ndarray, " n"],
) -> tuple[Float[np.ndarray, "cells classes"], Float[np.ndarray, "cells classes"], Int[np.ndarray, " cells"]]:
    """Return the labelled cells as rows to which M is fitted: responses, targets and folds."""
    labelled = ~np.isnan(shares[..., 0])
    largest = shares[labelled].argmax(axis=-1)
    targets = (largest[:, None] == np.arange(shares.shape[-1])).astype(np.float32)
    cell_folds = np.broadcast_to(folds[:, None, None], labelled.shape)[labelled]
    return responses[labelled], targets, cell_folds


def fit_mixing_sums(sums: FoldSums) -> Ridge:
    """Fit the matrix M like `fit_mixing`, to `mixing_rows` that were summed up block by block.

    Raises:
        InputError: a fold has no cell, or a response is NaN or infinite.
    """
    return sums.solve(sums.cross_validate(sums.penalty_grid()).best())


def apply_mixing(
    responses: Float[np.ndarray, "*cells classes"], mixing: Ridge
) -> Float[np.ndarray, "*cells classes"]:
    """Apply the matrix M to the responses of every cell."""
    return responses @ np.asarray(mixing.weights) + np.asarray(mixing.bias)


def predict_label_map(
    responses: Float[np.ndarray, "side side classes"], size: Sequence[int]
) -> UInt[np.ndarray, "height width"]:
    """Return the class with the greatest response at every pixel of an image.

    Of responses that are equal but for the rounding of the interpolation, any may be the greatest. The type is
    the smallest that holds the last class: uint8 up to 256 classes.

    Raises:
        InputError: there is no class, or a response is NaN or infinite.
    """
    classes = responses.shape[-1]
    if not classes or not np.isfinite(responses).all():
        raise InputError(
            "the responses hold NaN, infinity or no class at all; none has the greatest response there"
        )
    return resize_responses(responses, size).argmax(axis=-1).astype(np.min_scalar_type(classes - 1))


def resize_responses(
    responses: Float[np.ndarray, "side side classes"], size: Sequence[int]
) -> Float[np.ndarray, "height width classes"]:
    """Interpolate responses at every pixel.

    Interpolation is bilinear between the cells' centres, and constant beyond the outermost centres.
    """
    to_cells = coords.resize(size, responses.shape[:2])
    rows, columns = (
        coords.linear_weights(np.arange(length) * scale + shift, cells).astype(np.float32)
        for length, cells, scale, shift in zip(
            size, responses.shape[:2], to_cells.scale[::-1], to_cells.shift[::-1], strict=True
        )
    )
    return np.einsum("yh,hwc,xw->yxc", rows, responses, columns, optimize=True)
