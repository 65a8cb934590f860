import numpy as np
import pytest
from skimage import data

from convcorr_jax import coords
from convcorr_jax.descriptors import view
from convcorr_jax.errors import InputError


def test_a_bright_spot_is_found_where_the_transform_says():
    photograph = np.zeros((80, 120, 3), np.uint8)
    photograph[40:43, 70:73] = 255  # centre (71, 41)
    for box in (None, coords.Box(50, 20, 100, 60)):
        resampled = view(photograph, box, sizes_px=(64, 96), margin=0.1)
        largest = resampled.pyramid[1][..., 0].astype(float)
        rows, columns = np.mgrid[:96, :96]
        spot = np.array([[(columns * largest).sum(), (rows * largest).sum()]]) / largest.sum()
        # Resampling spreads the spot evenly, up to the rounding of grey levels.
        np.testing.assert_allclose(resampled.to_photograph_px(spot), [[71, 41]], atol=0.1)


def test_all_sizes_show_the_same():
    resampled = view(data.coffee(), coords.Box(100, 50, 300, 200), sizes_px=(50, 100))
    assert [level.shape for level in resampled.pyramid] == [(50, 50, 3), (100, 100, 3)]
    halved = resampled.pyramid[1].reshape(50, 2, 50, 2, 3).mean(axis=(1, 3))
    # Two resamplings of one photograph: equal but for the filter's support.
    assert np.abs(halved - resampled.pyramid[0]).mean() < 4


def test_a_margin_shows_more():
    box = coords.Box(100, 50, 300, 200)
    plain, wide = (view(data.coffee(), box, sizes_px=(60,), margin=m) for m in (0.0, 0.25))
    np.testing.assert_allclose(wide.to_photograph_px.scale, 1.5 * plain.to_photograph_px.scale)


def test_refuses_a_negative_margin():
    with pytest.raises(InputError, match="must not be negative"):
        view(data.coffee(), coords.Box(0, 0, 9, 9), sizes_px=(8,), margin=-0.1)
