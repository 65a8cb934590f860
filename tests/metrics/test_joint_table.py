import dataclasses
import math

import numpy as np
import pytest

from convcorr_jax import metrics

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
        (metrics.LSP_PCK, {"head": [[4], [5]], "elbow": [[3]], "wrist": [[0], [1]], "hip": [[6]]}),
        (metrics.FLIC_PCK, {"head": [[4, 5]], "elbow": [[3]], "wrist": [[0, 1]], "hip": [[6]]}),
    ],
    ids=["sides apart", "in a heap"],
)
def test_agrees_with_loops(errors, protocol, columns):
    alphas = (0.05, 0.2, 0.4)
    table = metrics.joint_table(errors, JOINTS, alphas=alphas, protocol=protocol)
    assert table.columns == ("head", "elbow", "wrist", "hip", "ubody", "total")
    for alpha in alphas:
        assert table.at(alpha) == pytest.approx(by_hand(errors, columns | HEAPS, alpha))
    assert table.counted[-1] == (~np.isnan(errors[:, [0, 1, 3, 4, 5, 6]])).sum()


def test_a_side_that_nobody_annotated_is_left_out(errors):
    errors[:, 0] = np.nan
    table = metrics.joint_table(errors, JOINTS, alphas=(0.2,), protocol=metrics.LSP_PCK)
    expected = by_hand(errors, {"wrist": [[1]]}, 0.2)["wrist"]
    assert table.at(0.2)["wrist"] == pytest.approx(expected)
    errors[:, 6] = np.nan
    table = metrics.joint_table(errors, JOINTS, alphas=(0.2,), protocol=metrics.LSP_PCK)
    assert math.isnan(table.at(0.2)["hip"])
    assert not math.isnan(table.at(0.2)["total"])


def test_a_strict_protocol_takes_the_threshold_for_wrong():
    on_it = np.full((1, 1), 0.25)
    strict = dataclasses.replace(metrics.LSP_PCK, strict=True)
    shares = [
        metrics.joint_table(on_it, ("nose",), alphas=(0.25,), protocol=protocol).at(0.25)["total"]
        for protocol in (metrics.LSP_PCK, strict)
    ]
    assert shares == [1.0, 0.0]


def test_errors_are_of_what_is_known():
    truth = np.array([[[0.0, 0.0], [np.nan, np.nan]]] * 3)
    predicted = np.array([[[3.0, 4.0], [0.0, 0.0]], [[np.nan, 1.0], [0, 0]], [[3.0, 4.0], [0, 0]]])
    errors = metrics.joint_errors(predicted, truth, np.array([10.0, 10.0, np.nan]))
    np.testing.assert_array_equal(errors, [[0.5, np.nan], [np.inf, np.nan], [np.nan, np.nan]])


def test_the_area_is_the_mean_height():
    alphas = (0.0, 0.1, 0.4)
    shares = np.array([[0.0, 1.0, 1.0], [0.5, 0.5, 0.5]])
    assert metrics.area_under_curve(shares, alphas) == pytest.approx([(0.05 + 0.3) / 0.4, 0.5])


def test_people_add_up_to_the_total(rng):
    joints = ("head_top", "l_wrist", "r_wrist", "pelvis")
    errors = rng.exponential(0.2, (30, 4))
    errors[rng.random((30, 4)) < 0.3] = np.nan
    alphas = (0.05, 0.1, 0.2)
    for protocol in (metrics.FLIC_PCK, metrics.LSP_PCK):
        table = metrics.joint_table(errors, joints, alphas=alphas, protocol=protocol)
        sums = metrics.total_sums(errors, joints, alphas=alphas, protocol=protocol)
        np.testing.assert_allclose(metrics.mean_ratios(sums), table.shares[-1], rtol=1e-12)


# MPII's sixteen, in the order of their ids.
MPII = (
    *("r_ankle", "r_knee", "r_hip", "l_hip", "l_knee", "l_ankle"),
    *("pelvis", "thorax", "upper_neck", "head_top"),
    *("r_wrist", "r_elbow", "r_shoulder", "l_shoulder", "l_elbow", "l_wrist"),
)
PAIRS = {
    **{"head": (8, 9), "shoulder": (12, 13), "elbow": (11, 14), "wrist": (10, 15)},
    **{"hip": (2, 3), "knee": (1, 4), "ankle": (0, 5)},
}


def test_pckh_agrees_with_loops(rng):
    truth = rng.uniform(0, 300, (30, 16, 2))
    predicted = truth + rng.normal(0, 15, truth.shape)
    truth[rng.random((30, 16)) < 0.2] = np.nan
    predicted[rng.random((30, 16)) < 0.1] = np.nan
    sizes = rng.uniform(20, 60, 30)
    sizes[7] = np.nan
    table = metrics.pckh(predicted, truth, sizes, MPII)
    errors = np.linalg.norm(predicted - truth, axis=-1) / sizes[:, None]
    known = ~np.isnan(truth[..., 0]) & ~np.isnan(sizes)[:, None]
    errors[known & np.isnan(errors)] = np.inf
    columns = {column: [[left], [right]] for column, (left, right) in PAIRS.items()}
    columns |= {
        "ubody": [[10, 11, 12, 13, 14, 15]],
        "total": [[0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15]],
    }
    for alpha in (0.0, 0.1, 0.37, 0.5):
        assert table.at(alpha) == pytest.approx(by_hand(errors, columns, alpha))
    assert (np.diff(table.shares) >= 0).all()


def test_pelvis_and_thorax_do_not_count(rng):
    truth = rng.uniform(0, 300, (4, 16, 2))
    predicted = truth.copy()
    predicted[:, 6:8] = -1000
    assert (metrics.pckh(predicted, truth, np.full(4, 30.0), MPII).shares == 1).all()


def test_half_a_head_is_right_and_more_is_wrong():
    truth = np.zeros((1, 1, 2))
    on_it, beyond = np.array([[[15.0, 0.0]]]), np.array([[[np.nextafter(15, 16), 0.0]]])
    sizes = metrics.head_sizes(np.array([[0.0, 0.0, 30.0, 40.0]]))
    assert metrics.pckh(on_it, truth, sizes, ("r_hip",)).at(0.5)["total"] == 1
    assert metrics.pckh(beyond, truth, sizes, ("r_hip",)).at(0.5)["total"] == 0


def test_the_thresholds_are_the_decimals_that_one_writes():
    assert metrics.PCKH_ALPHAS[0] == 0
    assert {0.05, 0.1, 0.2, 0.3, 0.5} <= set(metrics.PCKH_ALPHAS)
    assert len(metrics.PCKH_ALPHAS) == 51
