"""Landmark errors against sums by hand."""

import numpy as np
import pytest

from convcorr_jax.errors import InputError
from convcorr_jax.metrics import (
    LANDMARK_FAILURE,
    cumulative_error_curve,
    landmark_errors,
    landmark_summary,
    mean_error_per_image,
)


def test_each_landmark_is_divided_by_its_images_length():
    truth = np.zeros((2, 2, 2))
    predicted = np.array([[[3.0, 4.0], [0.0, 10.0]], [[5.0, 0.0], [0.0, 0.0]]])
    found = landmark_errors(predicted, truth, np.array([10.0, 50.0]))
    np.testing.assert_allclose(found, [[0.5, 1.0], [0.1, 0.0]])


def test_absent_landmarks_do_not_count():
    truth = np.array([[[0.0, 0.0], [np.nan, np.nan]]])
    found = landmark_errors(np.ones((1, 2, 2)), truth, np.array([1.0]))
    np.testing.assert_allclose(mean_error_per_image(found), [2**0.5])


def test_the_summary_is_that_of_the_staircase(rng):
    errors = rng.uniform(0, 2 * LANDMARK_FAILURE, (40, 3))
    found = landmark_summary(errors)
    of_image = errors.mean(axis=1)
    assert found.mean == pytest.approx(of_image.mean())
    assert found.median == pytest.approx(np.median(of_image))
    assert found.failure_rate == pytest.approx((of_image > LANDMARK_FAILURE).mean())
    fine = np.linspace(0, LANDMARK_FAILURE, 200_001)
    assert found.auc == pytest.approx(cumulative_error_curve(errors, fine).mean(), abs=1e-4)


def test_bad_input_is_refused():
    points = np.zeros((1, 1, 2))
    with pytest.raises(InputError, match="positive length"):
        landmark_errors(points, points, np.zeros(1))
    with pytest.raises(InputError, match="no predicted one"):
        landmark_errors(np.full((1, 1, 2), np.nan), points, np.ones(1))
    with pytest.raises(InputError, match="at least one landmark"):
        landmark_summary(np.full((1, 2), np.nan))
