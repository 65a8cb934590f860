import numpy as np
import pytest

from convcorr_jax.errors import InputError
from convcorr_jax.linear import ridge
from convcorr_jax.linear.ridge import fit_best
from convcorr_jax.probes import fit_grid

FOLDS = np.arange(40) % 4


@pytest.fixture
def grid(rng):
    """Features, and two targets in each of 7 x 7 cells: noise except in rows and columns 1 and 4."""
    features = rng.normal(size=(40, 6)).astype(np.float32)
    cells = rng.normal(size=(40, 7, 7, 2))
    cells[:, 1::3, 1::3] = (features @ rng.normal(size=(6, 8))).reshape(40, 2, 2, 2)
    return features, cells.astype(np.float32)


def test_every_third_cell_chooses_the_penalty_of_all(grid):
    features, cells = grid
    targets = cells.reshape(40, -1)
    fitted, curve = fit_grid(features, targets, side=7, folds=FOLDS, k=4)
    third = cells[:, 1::3, 1::3].reshape(40, -1)
    expected = fit_best(features, third, folds=FOLDS, k=4)[1]
    # Errors from statistics lose the digits of targets that are predicted nearly without error.
    np.testing.assert_allclose(curve.errors, expected.errors, rtol=1e-4, atol=5e-6)
    assert curve.errors.shape[1] == 8
    assert float(fitted.penalty) == pytest.approx(expected.best())
    # Noise would have chosen a large one.
    assert fit_best(features, targets, folds=FOLDS, k=4)[1].best() > 100 * expected.best()
    whole = ridge.fit(features, targets, penalty=expected.best())
    np.testing.assert_allclose(fitted.weights, whole.weights, rtol=1e-4, atol=1e-6)


def test_a_grid_of_one_cell_is_used_whole(grid):
    features, cells = grid
    curve = fit_grid(features, cells[:, 0, 0], side=1, folds=FOLDS, k=4)[1]
    assert curve.errors.shape[1] == 2


def test_targets_that_form_no_grid_are_refused(grid):
    features, cells = grid
    with pytest.raises(InputError, match="98 targets are not those of 3 x 3 cells"):
        fit_grid(features, cells.reshape(40, -1), side=3, folds=FOLDS, k=4)
