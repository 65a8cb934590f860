"""The prior of the nearest neighbour, and scores that become positive."""

import numpy as np
import pytest
from scipy.special import expit

from convcorr_jax.errors import InputError
from convcorr_jax.keypoints import POSITIVES, Calibration, prior


def grid(h, w):
    return np.stack(np.meshgrid(10.0 * np.arange(w), 10.0 * np.arange(h)), axis=-1)


def test_each_keypoint_comes_from_the_nearest_object_that_has_it(rng):
    database = rng.normal(size=(30, 8))
    points = rng.uniform(0, 100, (30, 3, 2))
    points[rng.random((30, 3)) < 0.5] = np.nan
    points[:, 2] = np.nan
    queries = rng.normal(size=(6, 8))
    found = prior.neighbor_points(queries, database, points)
    cosine = queries @ database.T / np.linalg.norm(database, axis=1)
    for query in range(6):
        for keypoint in range(2):
            nearest = [i for i in np.argsort(-cosine[query]) if np.isfinite(points[i, keypoint, 0])]
            assert found[query, keypoint].tolist() == points[nearest[0], keypoint].tolist()
    assert np.isnan(found[:, 2]).all()


def test_the_gaussian_has_the_papers_width():
    found = prior.log_gaussian(grid(3, 4), np.array([[10.0, 20.0], [np.nan, np.nan]]))
    assert found[2, 1, 0] == 0
    np.testing.assert_allclose(found[0, 3, 0], -(20**2 + 20**2) / (2 * 22**2))
    assert not found[..., 1].any()


def test_calibration_finds_the_probability(rng):
    scores = rng.normal(size=(40, 20, 20, 2))
    truth = Calibration(np.array([2.0, 0.7]), np.array([-1.0, 0.5]))
    is_example = rng.random(scores.shape) < expit(truth.slope * scores + truth.offset)
    labels = np.where(is_example, 1, -1).astype(np.int8)
    labels[:, :3] = 0
    found = prior.calibrate(scores, labels)
    np.testing.assert_allclose(found.slope, truth.slope, atol=0.1)
    np.testing.assert_allclose(found.offset, truth.offset, atol=0.1)


def test_calibration_of_one_kind_or_of_a_useless_detector_keeps_the_order(rng):
    scores = rng.normal(size=(4, 5, 5, 2))
    labels = np.where(scores > 0, -1, 1).astype(np.int8)
    labels[..., 0] = 1
    found = prior.calibrate(scores, labels)
    assert (found.slope[0], found.offset[0]) == (1, 0)
    assert 0 < found.slope[1] < 1e-3


@pytest.mark.parametrize("positive", POSITIVES)
def test_positive_scores_are_those_of_their_formulas(positive, rng):
    scores = rng.normal(size=(3, 4, 5, 2))
    found = prior.log_scores(scores, Calibration(np.array([3.0, 0.2]), np.ones(2)), positive=positive)
    shifted = np.log((scores - scores.min(axis=(1, 2), keepdims=True)).clip(1e-300))
    expected = {
        "calibrated": np.log(expit([3.0, 0.2] * scores + 1)),
        "exponential": scores,
        "shifted": np.where(shifted < -600, -np.inf, shifted),
    }
    np.testing.assert_allclose(found, expected[positive])


@pytest.mark.parametrize("positive", POSITIVES)
def test_the_prior_has_the_weight_eta(positive, rng):
    centers = grid(6, 7)
    scores = rng.normal(size=(2, 6, 7, 3))
    means = rng.uniform(0, 50, (2, 3, 2))
    calibration = Calibration(np.ones(3), np.zeros(3))

    def combined(eta):
        return prior.combine_with_prior(scores, means, calibration, centers=centers, eta=eta, positive=positive)

    alone = prior.log_scores(scores, calibration, positive=positive)
    np.testing.assert_array_equal(combined(0.0), alone)
    np.testing.assert_allclose(combined(0.25), 0.75 * alone + 0.25 * prior.log_gaussian(centers, means))
    nearest = np.linalg.norm(centers.reshape(1, -1, 1, 2) - means[:, None], axis=-1).argmin(axis=1)
    assert (combined(0.9999).reshape(2, -1, 3).argmax(axis=1) == nearest).all()
    np.testing.assert_allclose(combined(1.0), prior.log_gaussian(centers, means))


def test_principal_directions_keep_inner_products_best(rng):
    features = rng.normal(size=(12, 5)) @ rng.normal(size=(5, 40))
    _, _, expected = np.linalg.svd(features, full_matrices=False)
    found = prior.principal_directions(features, count=3)
    np.testing.assert_allclose(found.T @ found, np.eye(3), atol=1e-4)
    np.testing.assert_allclose(np.abs(found.T @ expected[:3].T), np.eye(3), atol=1e-3)
    inside = features @ prior.principal_directions(features, count=5)
    np.testing.assert_allclose(inside @ inside.T, features @ features.T, atol=1e-2)
    # Beyond the rank, directions stay orthonormal.
    for few in (features, np.repeat(features[:3], 4, axis=0), np.zeros((4, 6))):
        every = prior.principal_directions(few, count=4)
        np.testing.assert_allclose(every.T @ every, np.eye(4), atol=1e-5)
    beyond = features @ prior.principal_directions(features, count=12)
    np.testing.assert_allclose(beyond @ beyond.T, features @ features.T, atol=1e-2)
    for count in (0, 13):
        with pytest.raises(InputError, match=f"count is {count}; 1 to 12 directions"):
            prior.principal_directions(features, count=count)
