"""Keypoints as arrays, and the neighbours that vote."""

import dataclasses

import numpy as np
import pytest

from convcorr_jax import coords, synthetic
from convcorr_jax.descriptors import Recipe
from convcorr_jax.errors import InputError
from convcorr_jax.tasks.landmarks import frame_of
from convcorr_jax.tasks.transfer import Flows, Neighborhoods, keypoints_of, record_view, voted


def test_padding_keeps_categories_apart():
    records = [synthetic.render(name, seed=0, index=0, size=(64, 64)) for name in ("car", "face")]
    found = keypoints_of(records)
    assert found.points.shape == (2, 33, 2)
    assert np.isnan(found.points[0, 14:]).all()
    assert not found.visible[0, 14:].any()


def test_pairs_of_neighbours_come_target_by_target():
    nearest = Neighborhoods(np.array([7, 9]), np.array([[1, 2], [3, 4]]), "pool5")
    assert nearest.pairs.tolist() == [[1, 7], [2, 7], [3, 9], [4, 9]]


@pytest.mark.parametrize("with_flows", [True, False])
def test_the_neighbours_with_the_least_deformation_vote(rng, with_flows):
    neighbors = np.arange(16).reshape(2, 8)
    nearest = Neighborhoods(np.array([16, 17]), neighbors, "pool5")
    points = rng.normal(size=(16, 3, 2))
    deformation = rng.permutation(16).astype(np.float32)
    flows = Flows(np.zeros((16, 2, 2, 2), np.float32), deformation, np.float64(1))
    votes = voted(nearest, points, flows if with_flows else None)
    for target in range(2):
        own = deformation[8 * target :][:8] if with_flows else np.arange(8)
        order = np.argsort(own)
        assert votes.order[target].tolist() == order.tolist()
        expected = np.median(points[8 * target :][:8][order[:5]], axis=0)
        np.testing.assert_allclose(votes.predicted[target], expected)


def test_the_whole_photograph_does_not_stand_for_a_box():
    """A margin asks for the box; without one the whole photograph is described."""
    record = synthetic.render("face", seed=0, index=0, size=(64, 64))
    boxless = dataclasses.replace(record, box=None)
    recipe = Recipe(layers=("conv1",), sizes_px=(32,))
    whole = record_view(boxless, recipe, margin=None)
    np.testing.assert_allclose(whole.to_photograph_px.scale, 2)
    boxed = record_view(record, recipe, margin=0.0)
    np.testing.assert_allclose(boxed.to_photograph_px.scale, [record.box.width / 32, record.box.height / 32])
    for use in (lambda: record_view(boxless, recipe, margin=0.0), lambda: frame_of(boxless)):
        with pytest.raises(InputError, match="has no box around its object"):
            use()
    assert frame_of(record, margin=0.0) == coords.square(record.box)
