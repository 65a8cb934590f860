"""Ridge regression of thousands of targets that form a grid over the image."""

import numpy as np
from jaxtyping import Float, Int

from convcorr_jax.errors import InputError
from convcorr_jax.linear.ridge import FoldSums, PenaltyCurve, Ridge, fold_sums

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

    Args:
        features: one row for every image.
        targets: one row for every image: the targets of ``side`` rows of ``side`` cells, equally many a cell.
        side: number of cells across and down.
        folds: for each image the number, 0 to k - 1, of the fold that holds it out.
        k: number of folds.

    Returns:
        The regression, and the cross-validation errors of every penalty for the cells used.

    Raises:
        InputError: the targets do not form such a grid, the folds are invalid, or a value is NaN or infinite.
    """
    return fit_grid_sums(fold_sums(features, targets, folds=folds, k=k), side=side)


def fit_grid_sums(sums: FoldSums, *, side: int) -> tuple[Ridge, PenaltyCurve]:
    """Fit all targets with one penalty like `fit_grid`, to rows that were summed up block by block.

    Args:
        sums: of the rows; their targets are those of ``side`` rows of ``side`` cells, equally many a cell.
        side: number of cells across and down.

    Returns:
        The regression, and the cross-validation errors of every penalty for the cells used.

    Raises:
        InputError: the targets do not form such a grid, a fold has no row, or a value is NaN or infinite.
    """
    if side < 1 or sums.targets % side**2:
        raise InputError(f"{sums.targets} targets are not those of {side} x {side} cells")
    first = min(_STEP, side) // 2
    numbers = np.arange(sums.targets).reshape(side, side, -1)[first::_STEP, first::_STEP]
    curve = sums.select(numbers.ravel()).cross_validate(sums.penalty_grid())
    return sums.solve(curve.best()), curve
