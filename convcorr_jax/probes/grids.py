"""Ridge regression of targets that lie on a grid over the photograph, thousands of them."""

import numpy as np
from jaxtyping import Float, Int

from convcorr_jax.errors import InputError
from convcorr_jax.linear import ridge
from convcorr_jax.linear.ridge import Ridge
from convcorr_jax.linear.ridge.penalty import PenaltyCurve, cross_validate, penalty_grid

# Neighbouring cells are much alike: a ninth of them choose the penalty that all would, in a ninth of the time.
_STEP = 3


def fit_grid(
    features: Float[np.ndarray, "n d"],
    targets: Float[np.ndarray, "n t"],
    *,
    side: int,
    folds: Int[np.ndarray, " n"],
    k: int,
) -> tuple[Ridge, PenaltyCurve]:
    """Fit all targets, with the penalty that k folds choose for those of every third cell across and down.

    Args:
        features: one row a photograph.
        targets: in each row those of ``side`` rows of ``side`` cells, equally many a cell.
        side: cells across and down.
        folds: the fold that holds each photograph out.
        k: number of folds.

    Raises:
        InputError: the targets are not those of such a grid, or as `cross_validate` and `ridge.fit`.
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
