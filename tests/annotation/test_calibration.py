"""Radii hold the truth as often as they state, and probabilities follow what was right."""

import json

import numpy as np
import pytest

from convcorr_jax.annotation import COVERAGE, RIGHT, Calibration, calibrate
from convcorr_jax.annotation.calibration import HeldOut, least_score

CONFIDENCE = np.linspace(0.01, 0.99, 50)[:, None]


def drawn(rng, count, *, points=3):
    """Errors that fall with confidence and are larger for the last point, confidence, and no absent point."""
    confidence = rng.uniform(0.05, 0.99, (count, points))
    scale = 0.02 + 0.15 * (1 - confidence)
    return scale * np.arange(1, points + 1) * rng.lognormal(0, 0.7, (count, points)), confidence, 0 * confidence


@pytest.mark.parametrize("count", [12, 60])
def test_radii_hold_nine_of_ten(rng, count):
    held = []
    for _ in range(60):
        calibration = calibrate(*drawn(rng, count))
        errors, confidence, _ = drawn(rng, 400)
        held.append(errors <= calibration.radius(confidence))
    # Within about three standard deviations over calibrations; each point has its own radius from 19 on.
    assert np.mean(held) == pytest.approx(COVERAGE, abs=0.025)
    of_points = np.mean(held, axis=(0, 1))
    assert np.ptp(of_points) < (0.03 if count > 19 else 0.2)


def test_radii_fall_and_probabilities_rise_with_confidence(rng):
    calibration = calibrate(*drawn(rng, 60))
    radius = calibration.radius(np.tile(CONFIDENCE, 3))
    assert (np.diff(radius, axis=0) < 0).all()
    assert (np.diff(calibration.right(CONFIDENCE), axis=0) > 0).all()
    # The last point's errors are the largest.
    assert radius[10, 2] > 1.5 * radius[10, 0]


def test_few_objects_have_no_radius(rng):
    errors, confidence, absent = drawn(rng, 8)
    calibration = calibrate(errors, confidence, absent)
    assert np.isnan(calibration.radius(confidence)).all()
    assert np.isfinite(calibration.right(confidence)).all()
    assert calibrate(errors * np.nan, confidence, absent) == Calibration()
    np.testing.assert_allclose(Calibration().right(confidence), confidence)


def test_probabilities_are_near_the_shares_that_are_right(rng):
    calibration = calibrate(*drawn(rng, 1000))
    errors, confidence, _ = drawn(rng, 4000)
    sure = confidence > 0.9
    assert calibration.right(confidence)[sure].mean() == pytest.approx((errors[sure] <= RIGHT).mean(), abs=0.05)


def test_json_keeps_all_numbers(rng):
    errors, confidence, absent = drawn(rng, 20)
    errors[4:, 1], absent[4:, 1] = np.nan, 0.3
    some, few = calibrate(errors, confidence, absent), calibrate(errors[:3], confidence[:3], absent[:3])
    for calibration in (some, few, Calibration()):
        stored = Calibration.from_json(json.loads(json.dumps(calibration.to_json(), allow_nan=False)))
        np.testing.assert_equal(stored.to_json(), calibration.to_json())
        np.testing.assert_equal(
            stored.radius(CONFIDENCE * np.ones(3)), calibration.radius(CONFIDENCE * np.ones(3))
        )


def test_points_are_called_absent_where_held_out_ones_were(rng):
    errors, confidence, absent = drawn(rng, 40)
    errors[:10, 2] = np.nan
    absent[:] = rng.uniform(0, 0.15, absent.shape)
    absent[:10, 2] = rng.uniform(0.2, 0.4, 10)
    above = calibrate(errors, confidence, absent).absent
    assert 0.15 < above < 0.25
    # Nine absent points are too few to choose by, and probabilities that do not tell absent points choose none.
    assert calibrate(errors[1:], confidence[1:], absent[1:]).absent == 0.5
    assert calibrate(errors, confidence, rng.uniform(0, 0.15, absent.shape)).absent == 0.5


def test_where_most_points_are_absent_not_all_are_called_so(rng):
    errors, confidence, absent = drawn(rng, 40)
    errors[:, 1:], gone = np.nan, np.arange(3) > 0
    assert calibrate(errors, confidence, absent * 0).absent == 0.5
    assert calibrate(errors, confidence, rng.uniform(0, 0.2, absent.shape)).absent == 0.5
    told = calibrate(errors, confidence, rng.uniform(0, 0.2, absent.shape) + 0.2 * gone).absent
    assert 0.1 < told < 0.3


@pytest.mark.parametrize(
    ("scores", "true", "least"),
    [
        ([], [], np.log(0.3)),
        ([-0.05, -0.1, -0.13], [1, 1, 1], np.log(0.3)),
        ([-0.05, -2.0, -1.5], [1, 1, 1], -2.0),
        ([-0.05, -0.4, -0.2], [1, 0, 1], -0.3),
    ],
)
def test_true_objects_alone_set_no_limit(scores, true, least):
    errors = np.zeros((max(1, sum(true)), 2))
    held = HeldOut(
        ("a",) * len(errors),
        errors + 0j,
        errors,
        errors,
        errors,
        np.array(scores, float),
        np.array(true, float),
    )
    assert least_score(held) == pytest.approx(least)
