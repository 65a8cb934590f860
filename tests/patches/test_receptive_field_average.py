import numpy as np
import pytest

from convcorr_jax.patches import expand_contrast, middle_share


def test_contrast_is_expanded_to_all_levels(rng):
    mean = rng.uniform(100, 120, (9, 9, 3))
    expanded = expand_contrast(mean)
    assert (expanded.min(), expanded.max()) == (0, 255)
    expected = (mean - mean.min()) / (mean.max() - mean.min()) * 255
    np.testing.assert_allclose(expanded, expected, atol=0.5 + 1e-6)
    for scale in (1e-39, 3e38):
        extreme = np.array([-scale, 0, scale], np.float32).reshape(1, 1, 3)
        assert expand_contrast(extreme).ravel().tolist() == [0, 128, 255]


def test_a_plain_mean_has_no_contrast_to_expand():
    assert not expand_contrast(np.full((5, 5, 3), 7.0)).any()
    assert np.isnan(middle_share(np.full((6, 6, 3), 7.0)))


@pytest.mark.parametrize("side", [99, 131, 163])
def test_detail_everywhere_is_a_ninth(side):
    ramp = np.arange(side, dtype=np.float64)[:, None, None] * np.ones((1, side, 3))
    assert middle_share(ramp) == pytest.approx(1 / 9)


def test_share_equals_a_plain_sum(rng):
    mean = rng.normal(size=(9, 9, 3))
    vertical, horizontal = np.gradient(mean, axis=(0, 1))
    energy = (vertical**2 + horizontal**2).sum(-1)
    assert middle_share(mean) == pytest.approx(energy[3:6, 3:6].sum() / energy.sum())
    # A linear change of contrast does not matter.
    assert middle_share(3 * mean - 5) == pytest.approx(middle_share(mean))
