"""Sums over rows in one piece, in blocks, over devices, against NumPy in double precision."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from convcorr_jax.errors import InputError
from convcorr_jax.linear import ridge
from convcorr_jax.linear.ridge import (
    Statistics,
    accumulate,
    add,
    all_reduce,
    empty_statistics,
    gram,
    statistics,
    subtract,
)
from convcorr_jax.linear.ridge.row_statistics import leave_out_each
from tests.builders.processes import printed
from tests.builders.regression import draw


def oracle(features, targets):
    x, y = features.astype(np.float64), targets.astype(np.float64)
    x_mean, y_mean = x.mean(0), y.mean(0)
    x, y = x - x_mean, y - y_mean
    return Statistics(np.array(len(x)), x_mean, y_mean, x.T @ x, x.T @ y, (y**2).sum(0))


def assert_close(found, expected, rtol=1e-4):
    assert int(found.count) == int(expected.count)
    for name in Statistics._fields[1:]:
        one, other = np.asarray(getattr(found, name)), np.asarray(getattr(expected, name))
        np.testing.assert_allclose(one, other, rtol=rtol, atol=rtol * np.abs(other).max())


@pytest.fixture
def rows(rng):
    return draw(rng, 90, 6)


def test_only_what_counts_is_summed(rows):
    features, targets = rows
    counted = np.arange(90) % 3 > 0
    found = statistics(jnp.asarray(features), jnp.asarray(targets), mask=jnp.asarray(counted))
    assert_close(found, oracle(features[counted], targets[counted]))
    nothing = statistics(jnp.asarray(features), jnp.asarray(targets), mask=jnp.zeros(90, bool))
    assert_close(nothing, empty_statistics(6, 3))


def test_blocks_add_up_to_the_whole_and_can_be_taken_out(rows):
    features, targets = map(jnp.asarray, rows)
    whole, part = statistics(features, targets), statistics(features[:30], targets[:30])
    assert_close(whole, oracle(*rows), rtol=1e-5)
    total = empty_statistics(6, 3)
    for start, end in ((0, 1), (1, 40), (40, 90)):
        total = add(total, statistics(features[start:end], targets[start:end]))
    assert_close(total, oracle(*rows), rtol=1e-5)
    assert_close(subtract(whole, part), oracle(rows[0][30:], rows[1][30:]))
    assert_close(subtract(whole, empty_statistics(6, 3)), oracle(*rows), rtol=1e-5)


def test_a_large_mean_costs_no_digits(rng):
    features, targets = draw(rng, 400, 4)
    features = np.round(features * 64) / 64 + np.float32(8192)
    total = empty_statistics(4, 3)
    for start in range(0, 400, 50):
        block = slice(start, start + 50)
        total = add(total, statistics(jnp.asarray(features[block]), jnp.asarray(targets[block])))
    expected = oracle(features, targets)
    # About zero the sums are of 400 * 8192^2; their differences would keep one digit.
    np.testing.assert_allclose(total.scatter, expected.scatter, atol=5e-3 * expected.scatter.max())


def test_the_sum_over_an_axis_is_that_of_all_rows(rows):
    features, targets = (jnp.asarray(array).reshape(3, 30, -1) for array in rows)
    summed = jax.vmap(lambda x, y: all_reduce(statistics(x, y), axis_name="rows"), axis_name="rows")(
        features, targets
    )
    for of_device in zip(*summed, strict=True):
        assert_close(Statistics(*of_device), oracle(*rows), rtol=1e-5)


ON_DEVICES = """
import numpy as np, jax, jax.numpy as jnp
from convcorr_jax.errors import InputError
from convcorr_jax.linear import ridge
from convcorr_jax.linear.ridge import all_reduce, statistics
rng = np.random.default_rng(3)
features, targets = rng.standard_normal((82, 5), np.float32), rng.standard_normal((82, 2), np.float32)
assert jax.device_count() == 4
filled = lambda array: jnp.asarray(np.pad(array, [(0, 2), (0, 0)]).reshape(4, 21, -1))
summed = jax.pmap(
    lambda x, y, c: all_reduce(statistics(x, y, mask=c), axis_name="devices"),
    axis_name="devices",
    out_axes=None,
)(filled(features), filled(targets), (jnp.arange(84) < 82).reshape(4, 21))
alone = ridge.fit(features, targets, penalty=0.5)
np.testing.assert_allclose(ridge.solve(summed, penalty=0.5).weights, alone.weights, rtol=1e-4, atol=1e-6)
"""


def test_four_devices_are_one(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=4", prepend=" ")
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    printed("-c", ON_DEVICES)


@pytest.mark.parametrize("width", [5, 300, 2100])
def test_gram_is_the_product_of_all_columns(rng, width):
    rows = rng.standard_normal((7, width), np.float32)
    np.testing.assert_allclose(gram(jnp.asarray(rows)), rows.T @ rows, rtol=1e-4, atol=1e-4)


def test_streamed_rows_solve_as_those_in_memory(rows):
    features, targets = map(jnp.asarray, rows)
    total = empty_statistics(6, 3)
    for start in range(0, 90, 32):
        size = min(32, 90 - start)
        block = [jnp.pad(a[start : start + 32], [(0, 32 - size), (0, 0)]) for a in (features, targets)]
        total = accumulate(total, *block, mask=jnp.arange(32) < size)
    streamed, whole = ridge.solve(total, penalty=1.0), ridge.fit(features, targets, penalty=1.0)
    np.testing.assert_allclose(streamed.weights, whole.weights, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(streamed.bias, whole.bias, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("masked", [False, True])
def test_the_sums_of_many_rows_keep_their_digits(rng, masked):
    features = (rng.normal(size=(200_000, 2)) + 30).astype(np.float32)
    targets = (features @ [[3.0], [-5.0]] + rng.normal(size=(200_000, 1))).astype(np.float32)
    mask = rng.random(200_000) < 0.5 if masked else np.ones(200_000, bool)
    found = ridge.statistics(features, targets, mask=jnp.asarray(mask) if masked else None)
    x, y = features[mask].astype(np.float64), targets[mask].astype(np.float64)
    assert found.count == mask.sum()
    np.testing.assert_allclose(found.feature_mean, x.mean(0), rtol=1e-6)
    x, y = x - x.mean(0), y - y.mean(0)
    for sums, exact in ((found.scatter, x.T @ x), (found.cross, x.T @ y)):
        np.testing.assert_allclose(sums, exact, atol=3e-6 * np.abs(exact).max())
    np.testing.assert_allclose(found.spread, (y**2).sum(0), rtol=3e-6)


@pytest.mark.parametrize("value", [0.1, 1000.1, 3.3e-5])
@pytest.mark.parametrize("n", [7, 1000])
def test_equal_rows_are_refused_whatever_rounding_leaves_of_their_scatter(value, n):
    features = jnp.full((n, 2), value, jnp.float32)
    targets, mask = jnp.arange(n, dtype=jnp.float32)[:, None], jnp.arange(n) < n - 2
    parts = [ridge.statistics(features, targets), ridge.statistics(features, targets, mask=mask)]
    for summed in (*parts, ridge.add(*parts)):
        with pytest.raises(InputError, match="all rows of the features are equal"):
            ridge.solve(summed, penalty=1e-20)


def test_what_is_outside_each_set_is_what_all_others_add_up_to(rng):
    """Nothing cancels: the one large set changes no digit of the others' sums."""
    x = rng.integers(0, 9, (25, 3)).astype(np.float32)
    x[:5] *= 1e6
    parts = [ridge.statistics(x[j : j + 5], x[j : j + 5, :1]) for j in range(0, 25, 5)]
    for j, found in enumerate(leave_out_each(parts)):
        rest = np.delete(x, np.arange(5 * j, 5 * j + 5), axis=0).astype(float)
        rest = rest - rest.mean(0)
        exact = rest.T @ rest
        np.testing.assert_allclose(found.scatter, exact, atol=1e-6 * np.abs(exact).max())
