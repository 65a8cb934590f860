import numpy as np
import pytest
from sklearn.linear_model import Ridge as Reference

from convcorr_jax.linear import grouped_folds
from convcorr_jax.linear.ridge import penalty_grid
from convcorr_jax.probes import fit_keypoints, mean_keypoints
from convcorr_jax.probes.keypoints import FOLDS
from tests.builders.regression import held_out_errors

NAMES = ("nose", "l_ear", "r_ear")


@pytest.fixture
def rows(rng):
    """Two rows for each object, as with mirrored copies; each ear is missing in different rows."""
    features = rng.normal(size=(40, 50)).astype(np.float32)
    points = np.einsum("nd,dkc->nkc", features, rng.normal(size=(50, 3, 2)) / 20)
    points += rng.normal(0, 0.1, points.shape)
    objects = np.repeat(np.arange(20), 2)
    points[rng.random(40) < 0.3, 1] = np.nan
    points[:8, 2] = np.nan
    return features, points, objects


def test_every_keypoint_is_fitted_to_the_rows_that_have_it(rows):
    features, points, objects = rows
    fitted = fit_keypoints(features, points, objects, names=NAMES)
    predicted = fitted.predict(features)
    for keypoint in range(3):
        present = ~np.isnan(points[:, keypoint, 0])
        x, y = features[present], points[present, keypoint]
        folds = grouped_folds(objects[present], k=FOLDS)
        penalties = penalty_grid(x)[::2]
        errors = held_out_errors(x, y, folds, penalties).sum(axis=1)
        best = int(np.argmin(errors))
        assert float(fitted.probe.penalty[2 * keypoint]) == pytest.approx(penalties[best], rel=1e-5)
        assert fitted.held_out_errors[keypoint] == pytest.approx(errors[best], rel=1e-3)
        reference = Reference(alpha=penalties[best]).fit(x, y)
        np.testing.assert_allclose(predicted[:, keypoint], reference.predict(features), rtol=0, atol=1e-4)


def weights(fitted):
    return np.asarray(fitted.probe.weights).reshape(-1, len(NAMES), 2)


def test_a_missing_keypoint_does_not_change_the_others(rows):
    features, points, objects = rows
    whole = fit_keypoints(features, points, objects, names=NAMES)
    fewer = points.copy()
    fewer[10:20, 1] = np.nan
    fitted = fit_keypoints(features, fewer, objects, names=NAMES)
    for same in (0, 2):
        np.testing.assert_array_equal(weights(fitted)[:, same], weights(whole)[:, same])
    assert not np.allclose(weights(fitted)[:, 1], weights(whole)[:, 1])


def test_the_mean_is_that_of_those_that_have_it(rows):
    _, points, _ = rows
    np.testing.assert_allclose(mean_keypoints(points), np.nanmean(points, axis=0))
