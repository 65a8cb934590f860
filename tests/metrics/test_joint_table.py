import dataclasses
import math

import numpy as np
import pytest

from convcorr_jax.errors import InputError
from convcorr_jax.metrics import (
    FLIC_PCK,
    LSP_PCK,
    PF_WILLOW,
    area_under_curve,
    error_spreads,
    joint_errors,
    joint_table,
    label_spreads,
    mean_ratios,
    total_sums,
)

JOINTS = ("l_wrist", "r_wrist", "pelvis", "l_elbow", "nose", "r_eye", "r_hip")


def by_hand(errors, columns: dict[str, list[list[int]]], alpha: float) -> dict[str, float]:
    """Each column's share: people of every list of joints in a heap, then the mean over the lists."""
    table = {}
    for column, heaps in columns.items():
        shares = []
        for heap in heaps:
            known = [error for person in errors for error in person[heap] if not math.isnan(error)]
            shares.append(sum(error <= alpha for error in known) / len(known))
        table[column] = sum(shares) / len(shares)
    return table


@pytest.fixture
def errors(rng):
    found = rng.exponential(0.2, (40, len(JOINTS)))
    found[rng.random(found.shape) < 0.2] = np.nan
    found[3, 0] = np.inf
    return found


HEAPS = {"ubody": [[0, 1, 3]], "total": [[0, 1, 3, 4, 5, 6]]}


@pytest.mark.parametrize(
    ("protocol", "columns"),
    [
        (LSP_PCK, {"head": [[4], [5]], "elbow": [[3]], "wrist": [[0], [1]], "hip": [[6]]}),
        (FLIC_PCK, {"head": [[4, 5]], "elbow": [[3]], "wrist": [[0, 1]], "hip": [[6]]}),
    ],
    ids=["sides apart", "in a heap"],
)
def test_agrees_with_loops(errors, protocol, columns):
    alphas = (0.05, 0.2, 0.4)
    table = joint_table(errors, JOINTS, alphas=alphas, protocol=protocol)
    assert table.columns == ("head", "elbow", "wrist", "hip", "ubody", "total")
    for alpha in alphas:
        assert table.at(alpha) == pytest.approx(by_hand(errors, columns | HEAPS, alpha))
    assert table.counted[-1] == (~np.isnan(errors[:, [0, 1, 3, 4, 5, 6]])).sum()


def test_a_side_that_nobody_annotated_is_left_out(errors):
    errors[:, 0] = np.nan
    table = joint_table(errors, JOINTS, alphas=(0.2,), protocol=LSP_PCK)
    expected = by_hand(errors, {"wrist": [[1]]}, 0.2)["wrist"]
    assert table.at(0.2)["wrist"] == pytest.approx(expected)
    errors[:, 6] = np.nan
    table = joint_table(errors, JOINTS, alphas=(0.2,), protocol=LSP_PCK)
    assert math.isnan(table.at(0.2)["hip"])
    assert not math.isnan(table.at(0.2)["total"])


def test_a_strict_protocol_takes_the_threshold_for_wrong():
    on_it = np.full((1, 1), 0.25)
    strict = dataclasses.replace(LSP_PCK, strict=True)
    shares = [
        joint_table(on_it, ("nose",), alphas=(0.25,), protocol=protocol).at(0.25)["total"]
        for protocol in (LSP_PCK, strict)
    ]
    assert shares == [1.0, 0.0]


def test_errors_are_of_what_is_known():
    truth = np.array([[[0.0, 0.0], [np.nan, np.nan]]] * 3)
    predicted = np.array([[[3.0, 4.0], [0.0, 0.0]], [[np.nan, 1.0], [0, 0]], [[3.0, 4.0], [0, 0]]])
    errors = joint_errors(predicted, truth, np.array([10.0, 10.0, np.nan]))
    np.testing.assert_array_equal(errors, [[0.5, np.nan], [np.inf, np.nan], [np.nan, np.nan]])


def test_a_person_without_extent_is_refused():
    points = np.zeros((1, 1, 2))
    for length in (0.0, -1.0, np.inf):
        with pytest.raises(InputError, match="positive length"):
            joint_errors(points, points, np.array([length]))


def test_what_makes_no_table_is_refused():
    with pytest.raises(InputError, match="none of the joints pelvis"):
        joint_table(np.zeros((1, 1)), ("pelvis",), alphas=(0.1,), protocol=LSP_PCK)
    with pytest.raises(InputError, match="averages the keypoints of an image first"):
        joint_table(np.zeros((1, 1)), ("nose",), alphas=(0.1,), protocol=PF_WILLOW)


@pytest.mark.parametrize("joints", [("nose", "nose"), ("nose",)])
def test_joints_that_are_named_twice_or_not_at_all_are_refused(joints):
    errors = np.zeros((1, 2))
    for scored in (joint_table, total_sums):
        with pytest.raises(InputError, match="joints"):
            scored(errors, joints, alphas=(0.1,), protocol=LSP_PCK)
    with pytest.raises(InputError, match="joints"):
        error_spreads(np.zeros((1, 2, 2)), joints)
    with pytest.raises(InputError, match="joints"):
        label_spreads(np.zeros((2, 1, 2, 2)), joints)


def test_the_area_is_the_mean_height():
    alphas = (0.0, 0.1, 0.4)
    shares = np.array([[0.0, 1.0, 1.0], [0.5, 0.5, 0.5]])
    assert area_under_curve(shares, alphas) == pytest.approx([(0.05 + 0.3) / 0.4, 0.5])


@pytest.mark.parametrize("alphas", [(), (0.2, 0.1), (0.1, 0.1), (np.nan, 1), (-1, 1), (0, np.inf)])
def test_thresholds_rise(alphas):
    with pytest.raises(InputError, match="the thresholds are"):
        joint_table(np.zeros((1, 1)), ("nose",), alphas=alphas, protocol=LSP_PCK)
    with pytest.raises(InputError, match="the thresholds are"):
        area_under_curve(np.ones(1), alphas[:1])


def test_people_add_up_to_the_total(rng):
    joints = ("head_top", "l_wrist", "r_wrist", "pelvis")
    errors = rng.exponential(0.2, (30, 4))
    errors[rng.random((30, 4)) < 0.3] = np.nan
    alphas = (0.05, 0.1, 0.2)
    for protocol in (FLIC_PCK, LSP_PCK):
        table = joint_table(errors, joints, alphas=alphas, protocol=protocol)
        sums = total_sums(errors, joints, alphas=alphas, protocol=protocol)
        np.testing.assert_allclose(mean_ratios(sums), table.shares[-1], rtol=1e-12)
