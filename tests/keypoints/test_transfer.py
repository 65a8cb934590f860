import numpy as np

from convcorr_jax import coords
from convcorr_jax.keypoints import carry_points, vote


def test_a_constant_flow_moves_points_by_strides(rng):
    source_to_px, target_to_px = coords.grid(16, 15), coords.grid((8, 4), (3, 5))
    flow = np.broadcast_to(np.array([2.0, -1.0], np.float32), (6, 7, 2))
    points = np.concatenate([rng.uniform(15, 90, (5, 2)), [[np.nan, np.nan]]])
    carried = carry_points(points, flow, source_to_px=source_to_px, target_to_px=target_to_px)
    # The flow is read in single precision.
    np.testing.assert_allclose(carried[:5], ((points[:5] - 15) / 16 + [2, -1]) * [8, 4] + [3, 5], atol=1e-4)
    assert np.isnan(carried[5]).all()


def test_a_point_halfway_between_cells_moves_by_their_mean():
    flow = np.zeros((2, 2, 2), np.float32)
    flow[0, 1] = [4, 2]
    identity = coords.grid(1, 0)
    carried = carry_points(np.array([[0.5, 0.0]]), flow, source_to_px=identity, target_to_px=identity)
    np.testing.assert_allclose(carried, [[2.5, 1.0]], atol=1e-6)


def test_votes_are_medians_of_the_first_that_are_present(rng):
    candidates = rng.normal(size=(9, 4, 2))
    candidates[rng.random((9, 4)) < 0.3] = np.nan
    # No candidate has the last keypoint.
    candidates[:, 3] = np.nan
    order = rng.permutation(9)
    for voters in (1, 3):
        found = vote(candidates, order, voters=voters)
        for keypoint in range(3):
            present = [candidates[i, keypoint] for i in order if not np.isnan(candidates[i, keypoint, 0])]
            np.testing.assert_allclose(found[keypoint], np.median(present[:voters], axis=0))
        assert np.isnan(found[3]).all()
