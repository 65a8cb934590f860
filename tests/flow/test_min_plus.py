from functools import partial

import jax
import numpy as np
import pytest

from convcorr_jax.flow.min_plus import min_plus, soft_min_plus


def jitted(product, **options):
    return jax.jit(partial(product, **options))


def brute_force(costs, matrix, axis):
    lines = np.moveaxis(costs, axis, -1)
    return np.moveaxis((lines[..., :, None] + matrix).min(axis=-2), -1, axis)


@pytest.mark.parametrize("length", [1, 2, 15, 16, 17, 31, 32, 50])
def test_equals_brute_force(rng, length) -> None:
    costs = rng.normal(size=(3, length, 4)).astype(np.float32)
    matrix = rng.normal(size=(length, length)).astype(np.float32)
    # One addition each, in both, and then comparisons: equal to the bit.
    expected = brute_force(costs, matrix, 1)
    np.testing.assert_array_equal(jitted(min_plus, axes=(1,))(costs, (matrix,)), expected)


def test_axes_take_turns_and_leading_axes_have_their_own_matrices(rng) -> None:
    costs = rng.normal(size=(2, 5, 20, 3)).astype(np.float32)
    rows = rng.normal(size=(2, 5, 5)).astype(np.float32)
    columns = rng.normal(size=(2, 20, 20)).astype(np.float32)
    ours = jitted(min_plus, axes=(1, 2))(costs, (rows, columns))
    for i in range(2):
        expected = brute_force(brute_force(costs[i], rows[i], 0), columns[i], 1)
        np.testing.assert_array_equal(ours[i], expected)


def test_absent_samples_count_as_infinite(rng) -> None:
    costs = rng.normal(size=6).astype(np.float32)
    matrix = rng.normal(size=(6, 6)).astype(np.float32)
    absent, infinite = costs.copy(), costs.copy()
    absent[[0, 3]] = np.nan
    infinite[[0, 3]] = np.inf
    expected = brute_force(infinite, matrix, 0)
    np.testing.assert_array_equal(jitted(min_plus, axes=(0,))(absent, (matrix,)), expected)


def test_absent_samples_weigh_nothing_in_the_soft_product(rng) -> None:
    costs = rng.normal(size=6).astype(np.float32)
    matrix = rng.normal(size=(6, 6)).astype(np.float32)
    present = [1, 2, 4, 5]
    expected = -0.5 * np.log(np.exp(-(costs[:, None] + matrix)[present] / 0.5).sum(axis=0))
    costs[[0, 3]] = np.nan, np.inf
    soft = jitted(soft_min_plus, axes=(0,), temperature=0.5)
    # The logarithm of a sum of exponentials, in single precision.
    np.testing.assert_allclose(soft(costs, (matrix,)), expected, atol=1e-5)
    assert np.isposinf(soft(np.full(6, np.inf, np.float32), (matrix,))).all()


def test_the_soft_product_holds_where_exponentials_alone_would_vanish(rng) -> None:
    costs = np.array([0.0, 500.0, 900.0], np.float32)
    matrix = np.full((3, 3), 1000.0, np.float32)
    np.fill_diagonal(matrix, 0.0)
    # exp(-500) is 0 in single precision, and yet each place has its own sample as the nearest.
    soft = jitted(soft_min_plus, axes=(0,), temperature=1.0)
    np.testing.assert_allclose(soft(costs, (matrix,)), costs, atol=1e-6)
    gradient = jax.jacobian(soft)(costs, (matrix,))
    np.testing.assert_allclose(gradient, np.eye(3), atol=1e-6)
