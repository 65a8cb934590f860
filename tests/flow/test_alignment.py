import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import log_softmax

from convcorr_jax.errors import InputError
from convcorr_jax.flow import (
    align,
    align_costs,
    data_cost,
    mean_offset,
    min_sum,
    parabola_vertex,
    subcell_offset,
)


def unit(rng, *shape):
    descriptors = rng.normal(size=shape).astype(np.float32)
    return descriptors / np.linalg.norm(descriptors, axis=-1, keepdims=True)


def test_distance_cost_is_the_euclidean_distance(rng):
    source, target = (rng.normal(size=(3, 4, 6)).astype(np.float32) for _ in range(2))
    expected = np.linalg.norm(source[:, :, None, None] - target[None, None], axis=-1)
    found = data_cost(jnp.asarray(source), jnp.asarray(target), cost="distance")
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_mutual_cost_is_two_log_softmaxes(rng):
    source, target = unit(rng, 3, 4, 6), unit(rng, 5, 2, 6)
    similarity = source.reshape(12, 6).astype(float) @ target.reshape(10, 6).T / 0.1
    expected = -0.1 * (log_softmax(similarity, axis=1) + log_softmax(similarity, axis=0))
    found = data_cost(jnp.asarray(source), jnp.asarray(target), temperature=0.1)
    np.testing.assert_allclose(found, expected.reshape(3, 4, 5, 2), atol=1e-5)


@pytest.mark.parametrize("cost", ["mutual", "distance"])
def test_a_shifted_grid_gives_the_shift(rng, cost):
    whole = unit(rng, 10, 11, 32)
    source, target = jnp.asarray(whole[2:9, 1:9]), jnp.asarray(whole[1:8, 3:11])
    found = align(source, target, cost=cost, smoothness=0.05)
    # Source cell (x, y) shows whole's (x + 1, y + 2), which the target shows at (x - 2, y + 1).
    matched = np.asarray(found.labels)[:6, 2:]
    rows, columns = np.mgrid[1:7, 0:6]
    np.testing.assert_array_equal(matched, np.stack([columns, rows], axis=-1))
    assert np.abs(np.asarray(found.flow)[:6, 2:] - [-2, 1]).max() <= 0.5


def test_confidence_is_the_belief_within_a_cell_of_the_label(rng):
    source, target = jnp.asarray(unit(rng, 5, 6, 8)), jnp.asarray(unit(rng, 4, 7, 8))
    found = align(source, target, smoothness=0.05)
    solved = min_sum(data_cost(source, target), smoothness=0.05, schedule="sweeps", max_rounds=10)
    np.testing.assert_array_equal(found.labels, solved.labels)
    belief = np.exp(-np.asarray(solved.min_marginals, np.float64))
    expected = np.zeros((5, 6))
    for y, x in np.ndindex(5, 6):
        column, row = np.asarray(found.labels)[y, x]
        near = belief[y, x, max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
        expected[y, x] = near.sum() / belief[y, x].sum()
    np.testing.assert_allclose(found.confidence, expected, rtol=1e-5)  # Float32 sums of 28.


def test_confidence_and_offsets_keep_their_bounds_with_ties(rng):
    costs = jnp.asarray(0.37 * rng.integers(0, 3, (300, 1, 2, 3, 3)), jnp.float32)
    found = jax.vmap(lambda costs: align_costs(costs, smoothness=0.1))(costs)
    assert 0 <= found.confidence.min() < found.confidence.max() <= 1
    assert jnp.abs(found.flow + jnp.array([[[[0, 0], [1, 0]]]]) - found.labels).max() <= 0.5


def test_subcell_offset_finds_the_vertex_of_a_parabola_and_is_zero_at_the_border_and_off_a_minimum():
    places = np.arange(7.0)
    vertex = np.array([3.3, 2.8])
    volume = (places[None, :] - vertex[0]) ** 2 + 2 * (places[:, None] - vertex[1]) ** 2
    offset = subcell_offset(jnp.asarray(volume[None, None]), jnp.array([[[3, 3]]]))
    np.testing.assert_allclose(offset[0, 0], vertex - 3, atol=1e-5)
    slope = jnp.broadcast_to(jnp.arange(5.0), (1, 1, 4, 5))
    for label in ([0, 1], [4, 1], [2, 1]):
        np.testing.assert_array_equal(subcell_offset(slope, jnp.array([[label]])), np.zeros((1, 1, 2)))


def test_the_mean_offset_weights_cells_within_two_of_the_label_that_the_target_has(rng):
    volume = rng.random((2, 3, 6, 7)).astype(np.float32)
    labels = np.stack([rng.integers(0, 7, (2, 3)), rng.integers(0, 6, (2, 3))], axis=-1)
    expected = np.zeros((2, 3, 2))
    for cell in np.ndindex(2, 3):
        x, y = labels[cell]
        near = [(c, r) for r, c in np.ndindex(6, 7) if max(abs(c - x), abs(r - y)) <= 2]
        weights = [np.exp(-volume[cell][r, c] / 0.6) for c, r in near]
        expected[cell] = np.average(near, axis=0, weights=weights) - labels[cell]
    np.testing.assert_allclose(mean_offset(jnp.asarray(volume), jnp.asarray(labels)), expected, atol=1e-5)


@pytest.mark.parametrize("subcell", ["parabola", "mean"])
def test_both_ways_minimise_the_sum_of_the_min_marginals_of_two_flows(rng, subcell):
    costs = jnp.asarray(rng.random((4, 5, 5, 3)), jnp.float32)
    there, back = (
        min_sum(one, smoothness=0.05, schedule="sweeps", max_rounds=10).min_marginals
        for one in (costs, jnp.transpose(costs, (2, 3, 0, 1)))
    )
    summed = np.asarray(there) + np.transpose(back, (2, 3, 0, 1))
    rows, columns = np.unravel_index(summed.reshape(4, 5, 15).argmin(axis=-1), (5, 3))
    found = align_costs(costs, smoothness=0.05, both_ways=True, subcell=subcell)
    np.testing.assert_array_equal(found.labels, np.stack([columns, rows], axis=-1))
    assert not np.array_equal(found.labels, align_costs(costs, smoothness=0.05).labels)
    offset = {"parabola": subcell_offset, "mean": mean_offset}[subcell]
    flow = np.asarray(found.labels) - np.stack(np.meshgrid(np.arange(5), np.arange(4)), axis=-1)
    refined = flow + np.asarray(offset(jnp.asarray(summed), found.labels))
    np.testing.assert_allclose(found.flow, refined, atol=1e-5)
    y, x = np.mgrid[:4, :5]
    rough = sum((np.diff(flow, axis=axis) ** 2).sum() for axis in (0, 1))
    np.testing.assert_allclose(found.energy.data, np.asarray(costs)[y, x, rows, columns].sum(), rtol=1e-5)
    np.testing.assert_allclose(found.energy.smoothness, 0.05 * rough, rtol=1e-5)


def test_both_ways_of_costs_that_are_not_finite_are_nan_and_windows_are_refused(rng):
    costs = jnp.asarray(rng.random((4, 4, 4, 4)), jnp.float32)
    found = align_costs(costs.at[0, 0, 1, 2].set(jnp.inf), both_ways=True, subcell="mean")
    assert all(np.isnan(one).all() for one in (found.flow, found.confidence, *found.energy))
    assert not found.converged
    with pytest.raises(InputError, match=r"\(4, 4, 4, 4\), more than are aligned both ways"):
        align_costs(costs, both_ways=True, window=3)


def test_data_cost_has_finite_gradients_even_between_equal_descriptors(rng):
    source = jnp.asarray(unit(rng, 3, 3, 4))
    for cost in ("mutual", "distance"):
        gradient = jax.grad(lambda s, cost=cost: data_cost(s, source, cost=cost).sum())(source)
        assert np.isfinite(gradient).all()


def test_of_a_batch_only_pairs_that_are_not_valid_are_nan(rng):
    costs = jnp.asarray(rng.random((2, 3, 4, 4, 3)), jnp.float32).at[1, 0, 0, 0, 0].set(jnp.nan)
    found = jax.vmap(lambda costs: min_sum(costs, smoothness=0.1))(costs)
    assert np.isfinite(found.flow[0]).all()
    assert np.isnan(found.flow[1]).all()
    assert not found.converged[1]


@pytest.mark.parametrize("asarray", [np.asarray, jnp.asarray])
def test_the_vertex_of_a_known_parabola_is_found(rng, asarray):
    vertex = rng.uniform(-0.5, 0.5, 50)
    samples = [asarray(3 * (x - vertex) ** 2 + 1, np.float32) for x in (-1, 0, 1)]
    found = parabola_vertex(*samples)
    assert isinstance(found, type(samples[0]))
    np.testing.assert_allclose(found, vertex, atol=1e-5)


@pytest.mark.parametrize("samples", [(1, 1, 1), (0, 1, 2), (1, 2, 1), (np.inf, 0, 1), (np.inf, 0, np.inf)])
def test_without_a_finite_minimum_in_the_middle_the_offset_is_zero(samples):
    assert parabola_vertex(*(np.array([x], float) for x in samples)).tolist() == [0]


def test_the_offset_is_at_most_half_a_sample(rng):
    before, center, after = rng.normal(size=(3, 1000)).astype(np.float32)
    lowest = np.minimum(np.minimum(before, after), center)
    plateau = np.where(rng.random(1000) < 0.5, lowest, before)
    offset = parabola_vertex(plateau, lowest, after)
    assert np.abs(offset).max() <= 0.5
    np.testing.assert_allclose(parabola_vertex(after, lowest, plateau), -offset, atol=1e-6)
    np.testing.assert_allclose(jax.jit(parabola_vertex)(plateau, lowest, after), offset, atol=1e-6)
