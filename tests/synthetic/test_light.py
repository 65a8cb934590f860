import numpy as np

from convcorr_jax.synthetic import Light, relight

EVEN = Light(exposure=0, tint=0, gamma=0, gradient=0, blur_px=0, noise=0)


def test_no_change_of_light_changes_nothing(rng: np.random.Generator):
    image = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
    np.testing.assert_array_equal(relight(image, rng, EVEN), image)


def test_noise_has_no_bias_and_at_most_the_given_spread():
    image = np.full((100, 100, 3), 128, np.uint8)
    spreads = []
    for seed in range(20):
        noisy = relight(image, np.random.default_rng(seed), EVEN._replace(noise=6.0)).astype(float)
        # 30,000 values of spread 6: their mean is within 0.15 of the truth at four standard errors.
        assert abs(noisy.mean() - 128) < 0.15
        spreads.append(noisy.std())
    assert 4.5 < max(spreads) < 6.1
    assert min(spreads) < 1.5


def test_exposure_scales_and_gradient_tilts():
    image = np.full((40, 40, 3), 100, np.uint8)
    exposed = relight(image, np.random.default_rng(3), EVEN._replace(exposure=0.2))
    assert np.unique(exposed).size == 1
    assert exposed[0, 0, 0] != 100
    tilted = relight(image, np.random.default_rng(3), EVEN._replace(gradient=0.5)).astype(float)
    np.testing.assert_allclose(tilted.mean(), 100, atol=0.5)  # rounding to grey levels
    assert np.ptp(tilted) > 10


def test_blur_does_not_move_a_spot():
    image = np.zeros((31, 31, 3), np.uint8)
    image[12, 17] = 255
    blurred = relight(image, np.random.default_rng(0), EVEN._replace(blur_px=2.0))[..., 0]
    rows, columns = np.nonzero(blurred)
    assert len(rows) > 1
    weight = blurred[rows, columns] / blurred.sum()
    np.testing.assert_allclose([rows @ weight, columns @ weight], [12, 17], atol=1e-6)
