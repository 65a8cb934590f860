"""Bootstrap intervals agree with SciPy's, with a loop over draws, and with the normal approximation."""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from convcorr_jax import metrics


def statistic(sums, units):
    """Compute the mean of ratios of some units, by loops."""
    of_groups = []
    for group in sorted(set(sums.groups)):
        members = [unit for unit in units if sums.groups[unit] == group]
        ratios = []
        for term in range(sums.denominators.shape[1]):
            bottom = sum(sums.denominators[unit, term] for unit in members)
            if bottom > 0:
                ratios.append(sum(sums.numerators[unit, term] for unit in members) / bottom)
        if ratios:
            of_groups.append(np.mean(ratios, axis=0))
    return np.mean(of_groups, axis=0)


def some_sums(rng, *, units=40, terms=3, statistics=2):
    """Return the sums of points of three categories, of which a third do not count."""
    counted = rng.random((units, terms)) < 0.7
    right = rng.random((units, terms, statistics)) < 0.6
    groups = np.array([0, 1, 2, 2])[np.arange(units) % 4]
    return metrics.UnitSums((right & counted[..., None]).astype(float), counted.astype(float), groups)


def test_one_group_has_the_interval_of_scipy(rng):
    values = rng.normal(size=80)
    found = metrics.interval(metrics.bootstrap(metrics.unit_means(values), draws=20_000)[:, 0])
    expected = stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=20_000, rng=rng
    ).confidence_interval
    # The ends of 20,000 draws vary by some hundredths of the interval's length.
    np.testing.assert_allclose(found, expected, atol=0.04 * (expected.high - expected.low))


def test_groups_count_alike_whatever_their_sizes(rng):
    groups = [rng.random(size) < share for size, share in ((400, 0.2), (50, 0.5), (200, 0.8))]
    names = np.repeat(["a", "b", "c"], [400, 50, 200]).tolist()
    samples = metrics.bootstrap(metrics.unit_means(np.concatenate(groups), groups=names), draws=20_000)
    found = metrics.interval(samples[:, 0], level=0.9)
    mean = np.mean([group.mean() for group in groups])
    error = np.sqrt(sum(group.var() / len(group) for group in groups)) / len(groups)
    np.testing.assert_allclose(found, mean + np.array([-1, 1]) * 1.645 * error, rtol=0.02)


def test_estimates_are_those_of_loops(rng):
    sums = some_sums(rng)
    np.testing.assert_allclose(metrics.mean_ratios(sums), statistic(sums, range(40)), rtol=1e-12)
    by_group = metrics.group_ratios(sums)
    assert by_group.shape == (3, 2)
    for group in range(3):
        alone = np.flatnonzero(sums.groups == group)
        np.testing.assert_allclose(by_group[group], statistic(sums, alone), rtol=1e-12)


def test_the_spread_of_ratios_is_that_of_a_loop_over_draws(rng):
    sums = some_sums(rng)
    groups = [np.flatnonzero(sums.groups == group) for group in range(3)]
    drawn = [
        statistic(sums, np.concatenate([rng.choice(members, size=len(members)) for members in groups]))
        for _ in range(2000)
    ]
    samples = metrics.bootstrap(sums, draws=20_000)
    assert samples.shape == (20_000, 2)
    np.testing.assert_allclose(samples.mean(axis=0), np.mean(drawn, axis=0), atol=0.005)
    np.testing.assert_allclose(samples.std(axis=0), np.std(drawn, axis=0), rtol=0.06)


def test_clusters_are_drawn_with_the_spread_of_a_loop_over_draws(rng):
    sums = some_sums(rng)
    # Groups 0 and 1 share photographs 0 to 4 and are drawn together; group 2 has its own.
    ends = rng.integers(0, 5, (40, 2)) + np.where(sums.groups == 2, 5, 0)[:, None]
    sums = sums._replace(clusters=ends * 3)
    drawn = []
    for _ in range(3000):
        counts = np.concatenate([np.bincount(rng.integers(0, 5, 5), minlength=5) for _ in range(2)])
        drawn.append(statistic(sums, np.repeat(np.arange(40), counts[ends].prod(axis=1))))
    samples = metrics.bootstrap(sums, draws=20_000)
    np.testing.assert_allclose(samples.mean(axis=0), np.mean(drawn, axis=0), atol=0.01)
    np.testing.assert_allclose(samples.std(axis=0), np.std(drawn, axis=0), rtol=0.06)


def test_units_that_are_their_own_clusters_are_drawn_as_units(rng):
    sums = some_sums(rng)
    alone = sums._replace(clusters=np.arange(40)[:, None])
    np.testing.assert_allclose(metrics.bootstrap(alone), metrics.bootstrap(sums), atol=1e-6)


def test_pairs_of_few_photographs_vary_as_their_photographs(rng):
    """Values of all pairs are sums of effects of photographs: the mean varies as twice the mean effect does."""
    pairs = np.array([(a, b) for a in range(40) for b in range(40) if a != b])
    effects = rng.normal(size=40)
    sums = metrics.unit_means(effects[pairs].sum(axis=1))
    alone = metrics.bootstrap(sums)[:, 0].std()
    together = metrics.bootstrap(sums._replace(clusters=pairs))[:, 0].std()
    np.testing.assert_allclose(together, 2 * effects.std() / np.sqrt(40), rtol=0.1)
    assert together > 4 * alone


def test_a_draw_in_which_nothing_counts_is_left_out():
    # Both photographs of the only pair are drawn in half of the draws.
    one = metrics.unit_means(np.ones(1))._replace(clusters=np.array([[0, 1]]))
    samples = metrics.bootstrap(one, draws=1000)
    assert 400 < len(samples) < 600
    np.testing.assert_array_equal(samples, 1)


def test_differences_are_paired(rng):
    values = rng.normal(size=60)
    samples = metrics.bootstrap(metrics.unit_means(values))[:, 0]
    shifted = metrics.bootstrap(metrics.unit_means(values + 1))[:, 0]
    # Unpaired, the difference would vary by the sum of both variances.
    np.testing.assert_allclose(shifted - samples, 1, atol=1e-5)


def test_the_order_of_groups_does_not_matter_to_the_units_of_a_group(rng):
    values = rng.normal(size=30)
    sums = metrics.unit_means(values, groups=["a", "b"] * 15)
    ordered = metrics.unit_means(np.concatenate([values[::2], values[1::2]]), groups=["a"] * 15 + ["b"] * 15)
    np.testing.assert_array_equal(metrics.bootstrap(sums), metrics.bootstrap(ordered))


def test_a_term_that_a_draw_lacks_is_left_out():
    # The second term counts in one of two units: half of the draws hold it, a quarter twice.
    sums = metrics.UnitSums(
        np.array([[1.0, 0.0], [1.0, 0.0]])[..., None], np.array([[1.0, 1.0], [1.0, 0.0]]), np.zeros(2, int)
    )
    samples = metrics.bootstrap(sums)[:, 0]
    assert set(np.unique(samples)) == {0.5, 1.0}
    assert (samples == 1).mean() == pytest.approx(0.25, abs=0.02)


def test_equal_seeds_give_equal_samples(rng):
    sums = metrics.unit_means(rng.random(30))
    np.testing.assert_array_equal(metrics.bootstrap(sums), metrics.bootstrap(sums))
    assert (metrics.bootstrap(sums) != metrics.bootstrap(sums, seed=1)).any()


@pytest.mark.parametrize("draws", [1, 249, 250, 251])
def test_the_number_of_draws_is_kept(rng, draws):
    assert len(metrics.bootstrap(metrics.unit_means(rng.random(5)), draws=draws)) == draws


def test_large_values_keep_their_digits(rng):
    values = 1e7 + rng.normal(size=200)
    found = metrics.mean_interval(values)
    half = 1.96 * values.std() / np.sqrt(200)
    np.testing.assert_allclose(found, values.mean() + half * np.array([-1, 1]), atol=0.2 * half)


def test_equal_values_have_an_interval_without_width():
    assert metrics.mean_interval(np.full(7, 0.1)) == (0.1, 0.1)


def test_the_ends_are_interpolated_and_as_many_draws_are_below_as_above(rng):
    assert metrics.interval(np.array([0.0, 1.0]), level=0.5) == pytest.approx((0.25, 0.75))
    for n, level in product((1, 2, 7, 40), (0.5, 0.8, 0.95)):
        low, high = metrics.interval(samples := rng.permutation(n).astype(float), level=level)
        assert (samples < low).sum() == (samples > high).sum()
        assert abs(((samples >= low) & (samples <= high)).mean() - level) <= (1 + level) / n + 1e-9
