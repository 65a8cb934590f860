"""Bootstrap intervals agree with SciPy's for one group, and with the normal approximation for several."""

import numpy as np
import pytest
from scipy import stats

from convcorr_jax.errors import InputError
from convcorr_jax.metrics import bootstrap_interval


def test_one_group_has_the_interval_of_scipy(rng):
    values = rng.normal(size=80)
    found = bootstrap_interval([values], draws=20_000)
    expected = stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=20_000, rng=rng
    ).confidence_interval
    # The ends of 20,000 draws vary by some hundredths of the interval's length.
    np.testing.assert_allclose(found, expected, atol=0.04 * (expected.high - expected.low))


def test_groups_count_alike_whatever_their_sizes(rng):
    groups = [rng.random(size) < share for size, share in ((400, 0.2), (50, 0.5), (200, 0.8))]
    found = bootstrap_interval(groups, level=0.9, draws=20_000)
    mean = np.mean([group.mean() for group in groups])
    error = np.sqrt(sum(group.var() / len(group) for group in groups)) / len(groups)
    np.testing.assert_allclose(found, mean + np.array([-1, 1]) * 1.645 * error, rtol=0.02)


def test_equal_seeds_give_equal_intervals(rng):
    values = [rng.random(30)]
    assert bootstrap_interval(values) == bootstrap_interval(values)
    assert bootstrap_interval(values) != bootstrap_interval(values, seed=1)


@pytest.mark.parametrize("groups", [[], [np.zeros(3), np.zeros(0)]])
def test_empty_groups_are_refused(groups):
    with pytest.raises(InputError, match="at least one value in each"):
        bootstrap_interval(groups)
