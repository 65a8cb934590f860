import numpy as np
import pytest

from convcorr_jax.metrics import PCKH_ALPHAS, head_sizes, pckh

# MPII's sixteen, in the order of their ids.
JOINTS = (
    *("r_ankle", "r_knee", "r_hip", "l_hip", "l_knee", "l_ankle"),
    *("pelvis", "thorax", "upper_neck", "head_top"),
    *("r_wrist", "r_elbow", "r_shoulder", "l_shoulder", "l_elbow", "l_wrist"),
)
PAIRS = {
    **{"head": (8, 9), "shoulder": (12, 13), "elbow": (11, 14), "wrist": (10, 15)},
    **{"hip": (2, 3), "knee": (1, 4), "ankle": (0, 5)},
}
UPPER_BODY = (10, 11, 12, 13, 14, 15)
TOTAL = (0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15)


def official(predicted, truth, sizes, alpha) -> dict[str, float]:
    """PCKh by loops, in the steps of MPII's toolkit."""
    right = {}
    for person in range(len(truth)):
        for joint in TOTAL:
            known = not np.isnan(truth[person, joint]).any() and not np.isnan(sizes[person])
            if known:
                off = np.hypot(*(predicted[person, joint] - truth[person, joint]))
                right[person, joint] = bool(off / sizes[person] <= alpha)

    def share(joints):
        return np.mean([value for (_, joint), value in right.items() if joint in joints])

    table = {column: (share(pair[:1]) + share(pair[1:])) / 2 for column, pair in PAIRS.items()}
    return table | {"ubody": share(UPPER_BODY), "total": share(TOTAL)}


def test_agrees_with_loops(rng):
    truth = rng.uniform(0, 300, (30, 16, 2))
    predicted = truth + rng.normal(0, 15, truth.shape)
    truth[rng.random((30, 16)) < 0.2] = np.nan
    predicted[rng.random((30, 16)) < 0.1] = np.nan
    sizes = rng.uniform(20, 60, 30)
    sizes[7] = np.nan
    table = pckh(predicted, truth, sizes, JOINTS)
    for alpha in (0.0, 0.1, 0.37, 0.5):
        assert table.at(alpha) == pytest.approx(official(predicted, truth, sizes, alpha))
    assert (np.diff(table.shares) >= 0).all()


def test_pelvis_and_thorax_do_not_count(rng):
    truth = rng.uniform(0, 300, (4, 16, 2))
    predicted = truth.copy()
    predicted[:, 6:8] = -1000
    assert (pckh(predicted, truth, np.full(4, 30.0), JOINTS).shares == 1).all()


def test_half_a_head_is_right_and_more_is_wrong():
    truth = np.zeros((1, 1, 2))
    on_it, beyond = np.array([[[15.0, 0.0]]]), np.array([[[np.nextafter(15, 16), 0.0]]])
    sizes = head_sizes(np.array([[0.0, 0.0, 30.0, 40.0]]))
    assert pckh(on_it, truth, sizes, ("r_hip",)).at(0.5)["total"] == 1
    assert pckh(beyond, truth, sizes, ("r_hip",)).at(0.5)["total"] == 0


def test_the_thresholds_are_the_decimals_that_one_writes():
    assert PCKH_ALPHAS[0] == 0
    assert {0.05, 0.1, 0.2, 0.3, 0.5} <= set(PCKH_ALPHAS)
    assert len(PCKH_ALPHAS) == 51
