import dataclasses

import numpy as np
import pytest

from convcorr_jax import metrics
from tests.reference.protocol_loops import pck_by_loops


@pytest.mark.parametrize(
    "protocol", [metrics.PF_WILLOW, metrics.LONG_2014, metrics.FLIC_PCK], ids=lambda one: one.average
)
def test_agrees_with_loops(rng, protocol):
    truth = rng.uniform(0, 100, (12, 5, 2))
    predicted = truth + rng.normal(0, 8, truth.shape)
    counted = rng.random((12, 5)) < 0.7
    counted[:, 0] = True
    truth[~counted] = np.nan
    sizes = rng.integers(110, 150, 12)
    groups = ["a"] * 3 + ["b"] * 4 + ["c"] * 5
    known = metrics.KeypointTruth(
        points=truth, image_sizes=np.stack([sizes, sizes], axis=1), groups=tuple(groups)
    )
    found = metrics.pck(
        predicted, truth, counted, sizes.astype(float), groups, alphas=(0.05, 0.1), protocol=protocol
    )
    choices = metrics.ProtocolChoices("image", average=protocol.average, strict=protocol.strict, grouped=True)
    for column, alpha in enumerate((0.05, 0.1)):
        expected = pck_by_loops(known, predicted, choices, alpha)
        assert found.mean[column] == pytest.approx(expected, abs=1e-12)
    assert found.groups == ("a", "b", "c")


def test_the_order_of_averaging_matters():
    """Two images, two types: image first gives (1 + 0.5) / 2, type first (1 + 0) / 2, a heap 2 / 3."""
    truth = np.zeros((2, 2, 2))
    predicted = np.array([[[0, 0], [0, 0]], [[0, 0], [99, 0]]], float)
    counted = np.array([[True, False], [True, True]])
    arguments = (predicted, truth, counted, np.full(2, 10.0), ["g", "g"])
    by_image = metrics.pck(*arguments, alphas=(0.1,), protocol=metrics.PF_WILLOW)
    by_type = metrics.pck(*arguments, alphas=(0.1,), protocol=metrics.LONG_2014)
    assert by_image.mean == pytest.approx([0.75])
    assert by_type.mean == pytest.approx([0.5])
    in_a_heap = metrics.pck(*arguments, alphas=(0.1,), protocol=metrics.FLIC_PCK)
    assert in_a_heap.mean == pytest.approx([2 / 3])


def test_a_point_on_the_threshold_is_what_the_protocol_says():
    on_it = (np.array([[3.0, 4.0]]), np.zeros((1, 2)), np.full(1, 50.0))
    assert metrics.correct(*on_it, alpha=0.1, strict=False).all()
    assert not metrics.correct(*on_it, alpha=0.1, strict=True).any()


def test_a_prediction_that_is_not_there_is_wrong():
    absent = np.full((1, 2), np.nan)
    assert not metrics.correct(absent, np.zeros((1, 2)), np.ones(1), alpha=1e9).any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_every_figure_of_two_digits_is_met_exactly(dtype):
    """.29 * 100 is less than 29; 29 / 100 is .29. All functions give the same answer."""
    hundredths = np.arange(1, 201)
    truth = np.zeros((200, 1, 2), dtype)
    predicted = np.stack([hundredths, 0 * hundredths], axis=-1).astype(dtype)[:, None]
    length, counted = np.full(200, 100, dtype), np.ones((200, 1), bool)
    alphas = [float(f"{number / 100:.2f}") for number in hundredths]
    errors = metrics.joint_errors(predicted, truth, length)
    for protocol, first in ((metrics.PF_WILLOW, 0), (metrics.LONG_2014, 1)):
        expected = [(number - first) / 200 for number in hundredths]
        scores = metrics.pck(predicted, truth, counted, length, ["a"] * 200, alphas=alphas, protocol=protocol)
        np.testing.assert_allclose(scores.mean, expected, rtol=1e-12)
        found = [
            metrics.correct(predicted[:, 0], truth[:, 0], length, alpha=alpha, strict=protocol.strict)
            for alpha in alphas
        ]
        np.testing.assert_allclose(np.mean(found, axis=1), expected, rtol=1e-12)
        table = metrics.joint_table(
            errors, ["nose"], alphas=alphas, protocol=dataclasses.replace(protocol, average="pooled")
        )
        np.testing.assert_allclose(table.shares[-1], expected, rtol=1e-12)
    curve = metrics.cumulative_error_curve(metrics.landmark_errors(predicted, truth, length), np.array(alphas))
    np.testing.assert_allclose(curve, hundredths / 200, rtol=1e-12)


def test_nothing_is_right_of_an_unknown_length():
    points = np.zeros((2, 2))
    assert metrics.correct(points, points, np.array([50.0, np.nan]), alpha=0.1).tolist() == [True, False]


def test_each_landmark_is_divided_by_its_images_length():
    truth = np.zeros((2, 2, 2))
    predicted = np.array([[[3.0, 4.0], [0.0, 10.0]], [[5.0, 0.0], [0.0, 0.0]]])
    found = metrics.landmark_errors(predicted, truth, np.array([10.0, 50.0]))
    np.testing.assert_allclose(found, [[0.5, 1.0], [0.1, 0.0]])


def test_absent_landmarks_do_not_count():
    truth = np.array([[[0.0, 0.0], [np.nan, np.nan]]])
    found = metrics.landmark_errors(np.ones((1, 2, 2)), truth, np.array([1.0]))
    np.testing.assert_allclose(metrics.mean_error_per_image(found), [2**0.5])


def test_the_summary_is_that_of_the_staircase(rng):
    errors = rng.uniform(0, 2 * metrics.LANDMARK_FAILURE, (40, 3))
    found = metrics.landmark_summary(errors)
    of_image = errors.mean(axis=1)
    assert found.mean == pytest.approx(of_image.mean())
    assert found.median == pytest.approx(np.median(of_image))
    assert found.failure_rate == pytest.approx((of_image > metrics.LANDMARK_FAILURE).mean())
    fine = np.linspace(0, metrics.LANDMARK_FAILURE, 200_001)
    assert found.auc == pytest.approx(metrics.cumulative_error_curve(errors, fine).mean(), abs=1e-4)
