import jax.numpy as jnp
import numpy as np
import pytest

from convcorr_jax import coords
from convcorr_jax.linear import ridge
from convcorr_jax.linear.ridge import fit, fit_best
from convcorr_jax.probes import absolute_error, as_squares, fit_grid, reconstruct, rgb_targets


def test_targets_are_colours_between_0_and_1_of_photographs_of_any_size(rng):
    photographs = [rng.integers(0, 256, (*size, 3), np.uint8) for size in ((92, 46), (46, 46), (30, 97))]
    targets = rgb_targets(photographs)
    assert (targets.shape, targets.dtype) == ((3, 46 * 46 * 3), np.float32)
    assert targets.min() >= 0
    assert targets.max() <= 1
    np.testing.assert_array_equal(targets[1], photographs[1].reshape(-1) / np.float32(255))


def test_a_bright_pixel_is_where_resizing_moves_it():
    photograph = np.zeros((92, 138, 3), np.uint8)
    row, column = 61, 40
    photograph[row, column] = 255
    reconstructed = as_squares(rgb_targets([photograph]))[0]
    brightest = np.unravel_index(reconstructed[..., 0].argmax(), (46, 46))
    expected = coords.resize((92, 138), (46, 46))(np.array([column, row], float))
    np.testing.assert_array_equal(brightest[::-1], np.rint(expected))
    np.testing.assert_array_equal(reconstructed[..., 0], reconstructed[..., 2])


def test_features_that_hold_the_colours_give_them_back(rng):
    targets = rgb_targets([rng.integers(0, 256, (8, 8, 3), np.uint8) for _ in range(40)], side_px=2)
    features = np.concatenate([targets, rng.normal(size=(40, 3))], axis=1).astype(np.float32)
    ridge = fit(jnp.asarray(features), jnp.asarray(targets), penalty=1e-3)
    np.testing.assert_allclose(reconstruct(ridge, features), as_squares(targets), atol=2e-3)


def test_reconstructed_colours_are_clipped():
    np.testing.assert_array_equal(
        as_squares(np.array([[-1.0, 0.5, 2.0]])), np.array([0.0, 0.5, 1.0]).reshape(1, 1, 1, 3)
    )


def test_error_matches_loops(rng):
    reconstructed, truth = rng.random((2, 3, 4, 4, 3))
    expected = [
        np.mean([abs(a - b) for a, b in zip(one.flat, other.flat, strict=True)])
        for one, other in zip(reconstructed, truth, strict=True)
    ]
    np.testing.assert_allclose(absolute_error(reconstructed, truth), expected, rtol=1e-12)


FOLDS = np.arange(40) % 4


@pytest.fixture
def grid(rng):
    """Features, and two targets in each of 7 x 7 cells: noise except in rows and columns 1 and 4."""
    features = rng.normal(size=(40, 6)).astype(np.float32)
    cells = rng.normal(size=(40, 7, 7, 2))
    cells[:, 1::3, 1::3] = (features @ rng.normal(size=(6, 8))).reshape(40, 2, 2, 2)
    return features, cells.astype(np.float32)


def test_every_third_cell_chooses_the_penalty_of_all_and_a_grid_of_one_cell_is_used_whole(grid):
    features, cells = grid
    targets = cells.reshape(40, -1)
    fitted, curve = fit_grid(features, targets, side=7, folds=FOLDS, k=4)
    expected = fit_best(features, cells[:, 1::3, 1::3].reshape(40, -1), folds=FOLDS, k=4)[1]
    # Errors from statistics lose the digits of targets that are predicted nearly without error.
    np.testing.assert_allclose(curve.errors, expected.errors, rtol=1e-4, atol=5e-6)
    assert curve.errors.shape[1] == 8
    assert float(fitted.penalty) == pytest.approx(expected.best())
    # Noise would have chosen a large one.
    assert fit_best(features, targets, folds=FOLDS, k=4)[1].best() > 100 * expected.best()
    whole = ridge.fit(features, targets, penalty=expected.best())
    np.testing.assert_allclose(fitted.weights, whole.weights, rtol=1e-4, atol=1e-6)
    assert fit_grid(features, cells[:, 0, 0], side=1, folds=FOLDS, k=4)[1].errors.shape[1] == 2
