import math
import statistics

import numpy as np
import pytest

from convcorr_jax.metrics import OUTLIER_PX, error_spreads, x_error_histogram

JOINTS = ("l_wrist", "nose", "pelvis", "r_wrist")


@pytest.fixture
def errors(rng):
    found = rng.normal(0, 12, (50, len(JOINTS), 2))
    found[rng.random((50, len(JOINTS))) < 0.2] = np.nan
    return found


def test_spreads_agree_with_loops(errors):
    found = error_spreads(errors, JOINTS)
    assert list(found) == ["head", "wrist"]
    for column, members in {"head": [1], "wrist": [0, 3]}.items():
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
