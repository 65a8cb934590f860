import math
import statistics

import numpy as np
import pytest
import scipy.stats

from convcorr_jax.metrics import OUTLIER_PX, error_spreads, label_spreads, match_sides, x_error_histogram

JOINTS = ("l_wrist", "r_wrist", "nose", "pelvis")


@pytest.fixture
def errors(rng):
    found = rng.normal(0, 12, (50, len(JOINTS), 2))
    found[rng.random((50, len(JOINTS))) < 0.2] = np.nan
    return found


def test_spreads_of_errors_agree_with_loops(errors):
    found = error_spreads(errors, JOINTS)
    assert list(found) == ["head", "wrist"]
    for column, members in {"head": [2], "wrist": [0, 1]}.items():
        known = [e for person in errors[:, members] for e in person if not np.isnan(e).any()]
        near = [e for e in known if abs(e[0]) <= 20 and abs(e[1]) <= 20]
        assert found[column].x_px == pytest.approx(statistics.pstdev(e[0] for e in near))
        assert found[column].y_px == pytest.approx(statistics.pstdev(e[1] for e in near))
        assert found[column].counted == len(near)
        assert found[column].outliers == len(known) - len(near) > 0


def test_where_nothing_is_known_there_is_no_spread():
    found = error_spreads(np.full((3, 1, 2), np.nan), ("nose",))["head"]
    assert (math.isnan(found.x_px), found.counted, found.outliers) == (True, 0, 0)


def test_the_histogram_agrees_with_loops(errors):
    pixels, shares = x_error_histogram(errors)
    near = [e for e in errors.reshape(-1, 2) if abs(e[0]) <= OUTLIER_PX and abs(e[1]) <= OUTLIER_PX]
    for pixel, share in zip(pixels, shares, strict=True):
        expected = sum(round(e[0]) == pixel for e in near) / len(near)
        assert share == pytest.approx(expected)
    assert shares.sum() == pytest.approx(1)


def test_errors_at_the_limit_count():
    errors = np.array([[-20.0, 20.0], [20.0, 0.0], [20.1, 0.0], [0.0, -20.1]])
    pixels, shares = x_error_histogram(errors)
    assert pixels[shares > 0].tolist() == [-20, 20]


def test_no_error_makes_no_histogram():
    assert not x_error_histogram(np.full((2, 2), np.nan))[1].any()


def test_an_error_between_two_bins_counts_in_the_even_one():
    errors = np.array([[half, 0.0] for half in (-1.5, -0.5, 0.5, 1.5, 2.5)])
    pixels, shares = x_error_histogram(errors)
    assert dict(zip(pixels[shares > 0], shares[shares > 0], strict=True)) == {-2: 0.2, 0: 0.4, 2: 0.4}


def by_hand(annotations, members):
    """The mean over images and joints of the standard deviation, over its expectation for unit noise."""
    spreads = []
    for image in range(annotations.shape[1]):
        for joint in members:
            known = [each[image, joint] for each in annotations if not np.isnan(each[image, joint, 0])]
            if len(known) >= 2:
                # The sample standard deviation of n normal numbers is a chi variable of n - 1 degrees.
                n = len(known)
                expected = scipy.stats.chi(n - 1).mean() / np.sqrt(n - 1)
                spreads.append(np.std(known, axis=0, ddof=1) / expected)
    return np.mean(spreads, axis=0), len(spreads)


@pytest.mark.parametrize("annotators", [2, 3, 13])
def test_spreads_of_labels_agree_with_loops(rng, annotators):
    annotations = rng.normal(50, 5, (annotators, 6, 4, 2))
    annotations[0, 1, 0] = np.nan
    annotations[:, 2, 1] = np.nan
    annotations[1:, 3, 2] = np.nan
    found = label_spreads(annotations, JOINTS)
    assert list(found) == ["head", "wrist"]
    for column, members in (("wrist", (0, 1)), ("head", (2,))):
        spread, counted = by_hand(annotations, members)
        np.testing.assert_allclose((found[column].x, found[column].y), spread)
        assert found[column].counted == counted


@pytest.mark.parametrize("annotators", [2, 13])
def test_the_noise_that_was_added_is_found(rng, annotators):
    """Whatever the number of annotators, which a plain standard deviation depends on."""
    truth = rng.uniform(0, 200, (4000, 1, 2))
    noise = rng.normal(0, (2.0, 3.0), (annotators, 4000, 1, 2))
    found = label_spreads(truth + noise, ("nose",))["head"]
    assert (found.x, found.y) == pytest.approx((2, 3), rel=0.03)


def test_joints_with_one_annotation_do_not_count():
    annotations = np.full((2, 1, 1, 2), np.nan)
    annotations[0] = 3.0
    found = label_spreads(annotations, ("nose",))["head"]
    assert found.counted == 0
    assert np.isnan((found.x, found.y)).all()


def test_exchanged_sides_are_matched(rng):
    reference = rng.uniform(0, 200, (5, 4, 2))
    reference[:, 1] = reference[:, 0] + (40, 0)
    points = reference + rng.normal(0, 1, reference.shape)
    swapped = points.copy()
    swapped[1, [0, 1]] = points[1, [1, 0]]
    swapped[3, [0, 1]] = points[3, [1, 0]]
    swapped[4, 0] = np.nan
    matched = match_sides(swapped, reference, [(0, 1)])
    assert matched.exchanged[:, 0].tolist() == [False, True, False, True, False]
    assert matched.compared[:, 0].tolist() == [True, True, True, True, False]
    expected = points.copy()
    expected[4, 0] = np.nan
    np.testing.assert_array_equal(matched.points, expected)


def test_joints_beside_each_other_are_not_matched_by_chance(rng):
    """Of hips 2 pixels apart, annotated with a noise of 4 pixels, an exchange would often help a little."""
    reference = np.zeros((2000, 2, 2))
    reference[:, 1, 0] = 2.0
    points = reference + rng.normal(0, 4, reference.shape)
    matched = match_sides(points, reference, [(0, 1)])
    own = np.linalg.norm(points - reference, axis=-1).sum(axis=1)
    other = np.linalg.norm(points[:, ::-1] - reference, axis=-1).sum(axis=1)
    np.testing.assert_array_equal(matched.exchanged[:, 0], other < own / 2)
    assert matched.exchanged.mean() < 0.05 < (other < own).mean()
