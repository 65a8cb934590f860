import jax.numpy as jnp
import numpy as np
import pytest

from convcorr_jax import coords
from convcorr_jax.errors import InputError
from convcorr_jax.linear.ridge import fit
from convcorr_jax.probes import absolute_error, as_squares, reconstruct, rgb_targets


def test_targets_are_colours_between_0_and_1_of_photographs_of_any_size(rng):
    photographs = [rng.integers(0, 256, (*size, 3), np.uint8) for size in ((92, 46), (46, 46), (30, 97))]
    targets = rgb_targets(photographs)
    assert targets.shape == (3, 46 * 46 * 3)
    assert targets.dtype == np.float32
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
    photographs = [rng.integers(0, 256, (8, 8, 3), np.uint8) for _ in range(40)]
    targets = rgb_targets(photographs, side_px=2)
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


def test_bad_input_is_refused():
    with pytest.raises(InputError, match="no image"):
        rgb_targets([])
    with pytest.raises(InputError, match="side_px is 0"):
        rgb_targets([], side_px=0)
    with pytest.raises(InputError, match="rows of 15 numbers are not the colours of a square"):
        as_squares(np.zeros((2, 15)))
