"""Ridge regression of thousands of targets that form a grid over the image."""

import numpy as np
from jaxtyping import Float, Int

from convcorr_jax.errors import InputError
from convcorr_jax.linear import ridge
from convcorr_jax.linear.ridge import PenaltyCurve, Ridge, cross_validate, penalty_grid

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
    if side < 1 or targets.shape[1] % side**2:
        raise InputError(f"{targets.shape[1]} targets are not those of {side} x {side} cells")
    first = min(_STEP, side) // 2
    cells = targets.reshape(len(targets), side, side, -1)[:, first::_STEP, first::_STEP]
    curve = cross_validate(
        features,
        cells.reshape(len(targets), -1),
        penalties=penalty_grid(features),
        folds=folds,
        k=k,
    )
    return ridge.fit(features, targets, penalty=curve.best()), curve
