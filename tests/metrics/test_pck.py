import dataclasses

import numpy as np
import pytest

from convcorr_jax.errors import InputError
from convcorr_jax.metrics import (
    FLIC_PCK,
    LONG_2014,
    PF_WILLOW,
    Protocol,
    correct,
    cumulative_error_curve,
    joint_errors,
    joint_table,
    landmark_errors,
    pck,
)


def by_hand(predicted, truth, counted, normalizer, groups, *, alpha, protocol: Protocol) -> float:
    """PCK by loops, in the words of the protocol."""
    group_means = []
    for group in dict.fromkeys(groups):
        members = [i for i, name in enumerate(groups) if name == group]
        cells = {
            (i, k): _right((predicted[i, k] - truth[i, k]) / normalizer[i], alpha, protocol.strict)
            for i in members
            for k in range(truth.shape[1])
            if counted[i, k]
        }
        line_of = {"image": lambda i, k: i, "keypoint": lambda i, k: k, "pooled": lambda i, k: 0}
        lines = {}
        for place, right in cells.items():
            lines.setdefault(line_of[protocol.average](*place), []).append(right)
        group_means.append(np.mean([np.mean(line) for line in lines.values()]))
    return float(np.mean(group_means))


def _right(difference, limit, strict) -> float:
    distance = float(np.hypot(*difference))
    return float(distance < limit if strict else distance <= limit)


@pytest.mark.parametrize("protocol", [PF_WILLOW, LONG_2014, FLIC_PCK], ids=lambda one: one.average)
def test_agrees_with_loops(rng, protocol):
    truth = rng.uniform(0, 100, (12, 5, 2))
    predicted = truth + rng.normal(0, 8, truth.shape)
    counted = rng.random((12, 5)) < 0.7
    counted[:, 0] = True
    truth[~counted] = np.nan
    normalizer = rng.uniform(50, 150, 12)
    groups = ["a"] * 3 + ["b"] * 4 + ["c"] * 5
    found = pck(predicted, truth, counted, normalizer, groups, alphas=(0.05, 0.1), protocol=protocol)
    for column, alpha in enumerate((0.05, 0.1)):
        expected = by_hand(predicted, truth, counted, normalizer, groups, alpha=alpha, protocol=protocol)
        assert found.mean[column] == pytest.approx(expected, abs=1e-12)
    assert found.groups == ("a", "b", "c")


def test_the_order_of_averaging_matters():
    """Two images, two types: image first gives (1 + 0.5) / 2, type first (1 + 0) / 2, a heap 2 / 3."""
    truth = np.zeros((2, 2, 2))
    predicted = np.array([[[0, 0], [0, 0]], [[0, 0], [99, 0]]], float)
    counted = np.array([[True, False], [True, True]])
    arguments = (predicted, truth, counted, np.full(2, 10.0), ["g", "g"])
    by_image = pck(*arguments, alphas=(0.1,), protocol=PF_WILLOW)
    by_type = pck(*arguments, alphas=(0.1,), protocol=LONG_2014)
    assert by_image.mean == pytest.approx([0.75])
    assert by_type.mean == pytest.approx([0.5])
    in_a_heap = pck(*arguments, alphas=(0.1,), protocol=FLIC_PCK)
    assert in_a_heap.mean == pytest.approx([2 / 3])


def test_a_point_on_the_threshold_is_what_the_protocol_says():
    on_it = (np.array([[3.0, 4.0]]), np.zeros((1, 2)), np.full(1, 50.0))
    assert correct(*on_it, alpha=0.1, strict=False).all()
    assert not correct(*on_it, alpha=0.1, strict=True).any()


def test_a_prediction_that_is_not_there_is_wrong():
    absent = np.full((1, 2), np.nan)
    assert not correct(absent, np.zeros((1, 2)), np.ones(1), alpha=1e9).any()


def test_refuses_what_cannot_be_scored():
    points, counted = np.zeros((1, 1, 2)), np.ones((1, 1), bool)
    options = {"alphas": (0.1,), "protocol": PF_WILLOW}
    with pytest.raises(InputError, match="positive, finite length"):
        pck(points, points, counted, np.zeros(1), ["g"], **options)
    with pytest.raises(InputError, match="true position is missing"):
        pck(points, points * np.nan, counted, np.ones(1), ["g"], **options)
    with pytest.raises(InputError, match="no keypoint that counts"):
        pck(points, points, ~counted, np.ones(1), ["g"], **options)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_every_figure_of_two_digits_is_met_exactly(dtype):
    """.29 * 100 is less than 29; 29 / 100 is .29. All functions give the same answer."""
    hundredths = np.arange(1, 201)
    truth = np.zeros((200, 1, 2), dtype)
    predicted = np.stack([hundredths, 0 * hundredths], axis=-1).astype(dtype)[:, None]
    length, counted = np.full(200, 100, dtype), np.ones((200, 1), bool)
    alphas = [float(f"{number / 100:.2f}") for number in hundredths]
    errors = joint_errors(predicted, truth, length)
    for protocol, first in ((PF_WILLOW, 0), (LONG_2014, 1)):
        expected = [(number - first) / 200 for number in hundredths]
        scores = pck(predicted, truth, counted, length, ["a"] * 200, alphas=alphas, protocol=protocol)
        np.testing.assert_allclose(scores.mean, expected, rtol=1e-12)
        found = [
            correct(predicted[:, 0], truth[:, 0], length, alpha=alpha, strict=protocol.strict)
            for alpha in alphas
        ]
        np.testing.assert_allclose(np.mean(found, axis=1), expected, rtol=1e-12)
        table = joint_table(
            errors, ["nose"], alphas=alphas, protocol=dataclasses.replace(protocol, average="pooled")
        )
        np.testing.assert_allclose(table.shares[-1], expected, rtol=1e-12)
    curve = cumulative_error_curve(landmark_errors(predicted, truth, length), np.array(alphas))
    np.testing.assert_allclose(curve, hundredths / 200, rtol=1e-12)


@pytest.mark.parametrize("length", [np.inf, 0.0, -1.0])
def test_a_normalizer_is_a_positive_length(length):
    points = np.zeros((2, 2))
    with pytest.raises(InputError, match="must be a positive length, or NaN where unknown"):
        correct(points + 5, points, np.array([50.0, length]), alpha=0.1)
    assert correct(points, points, np.array([50.0, np.nan]), alpha=0.1).tolist() == [True, False]


@pytest.mark.parametrize("alphas", [(), (np.nan,), (np.inf,), (-0.1,), (0.1, np.nan)])
def test_thresholds_are_finite_and_not_negative(alphas):
    ones = np.ones((1, 1, 2))
    with pytest.raises(InputError, match="threshold"):
        pck(ones, ones, np.ones((1, 1), bool), np.ones(1), ["a"], alphas=alphas, protocol=PF_WILLOW)


def test_no_images_have_no_pck():
    none = np.ones((0, 1, 2))
    with pytest.raises(InputError, match="at least one image"):
        pck(none, none, np.ones((0, 1), bool), np.ones(0), [], alphas=(0.1,), protocol=PF_WILLOW)
