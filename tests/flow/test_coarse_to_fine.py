import jax
import jax.numpy as jnp
import numpy as np
import pytest

from convcorr_jax.flow import align, align_costs, coarse_to_fine, data_cost, min_sum
from convcorr_jax.flow.coarse_to_fine import min_sum_in_windows, window_shape
from tests.reference import grid_matching as reference

TOLERANCE = 1e-4


def random_costs(rng, *shape: int) -> np.ndarray:
    return rng.uniform(0, 1, shape).astype(np.float32)


def shifted_costs(rng, side, *, shift, noise) -> np.ndarray:
    """Mutual costs of unit descriptors and the same ones displaced by ``shift`` (x, y), with noise."""
    source = rng.normal(size=(side, side, 16))
    target = np.roll(source, shift[::-1], axis=(0, 1)) + noise * rng.normal(size=source.shape)
    unit = [np.asarray(f / np.linalg.norm(f, axis=-1, keepdims=True), np.float32) for f in (source, target)]
    return np.asarray(data_cost(*unit))


def windows_of(rng, costs, side) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return random origins, the windows' costs, and all costs with those outside of windows far too high."""
    height, width, *target = costs.shape
    last = [target[1] - side[1] + 1, target[0] - side[0] + 1]
    origins = rng.integers(0, last, (height, width, 2)).astype(np.int32)
    windows = np.empty((height, width, *side), np.float32)
    everywhere = np.full_like(costs, 1e4)
    for y, x in np.ndindex(height, width):
        column, row = origins[y, x]
        cut = (y, x, slice(row, row + side[0]), slice(column, column + side[1]))
        windows[y, x] = everywhere[cut] = costs[cut]
    return origins, windows, everywhere


@pytest.mark.parametrize("size", [(1, 4), (4, 1)])
def test_messages_between_windows_are_minima_over_all_labellings(rng, size):
    for smoothness in (0.02, 0.5):
        costs = random_costs(rng, *size, 3, 5)
        origins, windows, everywhere = windows_of(rng, costs, (2, 3))
        found = min_sum(windows, smoothness=smoothness, coarse_levels=0, tolerance=1e-6, origins=origins)
        least, marginals = reference.min_marginals(everywhere.astype(float), smoothness=smoothness)
        np.testing.assert_allclose(found.energy.total, least, atol=TOLERANCE)
        for y, x in np.ndindex(*size):
            column, row = origins[y, x]
            expected = marginals[y, x, row : row + 2, column : column + 3] - least
            np.testing.assert_allclose(found.min_marginals[y, x], expected, atol=TOLERANCE)


def test_energies_of_windows_are_those_of_their_labels_in_the_whole_grid(rng):
    costs = random_costs(rng, 6, 7, 9, 8)
    origins, windows, everywhere = windows_of(rng, costs, (4, 3))
    found = min_sum(windows, smoothness=0.03, schedule="sweeps", max_rounds=10, origins=origins)
    labels = np.asarray(found.labels)
    assert ((labels >= origins) & (labels < origins + np.array([3, 4]))).all()
    data, rough = reference.energy(costs, labels, smoothness=0.03)
    np.testing.assert_allclose(found.energy.data, data, rtol=1e-5)
    np.testing.assert_allclose(found.energy.smoothness, rough, rtol=1e-5)
    modes = reference.iterated_conditional_modes(everywhere, smoothness=0.03)
    assert data + rough <= sum(reference.energy(costs, modes, smoothness=0.03)) + TOLERANCE
    np.testing.assert_array_equal(found.flow, labels - np.moveaxis(np.mgrid[:7, :6], 0, -1).swapaxes(0, 1))


@pytest.mark.parametrize("window", [8, 100])
def test_a_window_of_all_target_cells_changes_no_bit(rng, window):
    costs = random_costs(rng, 7, 8, 8, 6)
    alone, windowed = align_costs(costs), align_costs(costs, window=window)
    for one, other in zip(jax.tree.leaves(alone), jax.tree.leaves(windowed), strict=True):
        np.testing.assert_array_equal(one, other)


def test_windows_that_begin_at_the_first_cell_are_the_whole_grid(rng):
    costs = random_costs(rng, 7, 8, 8, 6)
    alone = min_sum(costs, smoothness=0.05)
    found = min_sum(costs, smoothness=0.05, origins=np.zeros((7, 8, 2), np.int32))
    np.testing.assert_array_equal(found.labels, alone.labels)
    np.testing.assert_allclose(found.min_marginals, alone.min_marginals, atol=1e-6)


def test_energies_on_25_x_25_cells_are_within_a_hundredth_of_those_with_all_labels(rng):
    def energies(costs, smoothness):
        found, full = (align_costs(costs, smoothness=smoothness, window=window) for window in (11, 25))
        expected = reference.energy(costs, np.asarray(found.labels), smoothness=smoothness)
        np.testing.assert_allclose(found.energy, expected, rtol=1e-5)
        return float(found.energy.total), float(full.energy.total)

    for shift, noise, smoothness in (((4, -3), 0.7, 0.05), ((-9, 6), 0.5, 0.14)):
        found, full = energies(shifted_costs(rng, 25, shift=shift, noise=noise), smoothness)
        assert found <= 1.01 * full
    found, full = energies(random_costs(rng, 25, 25, 25, 25), 0.05)
    assert found <= 1.01 * full


def test_a_far_shift_is_found_and_refined_below_a_cell(rng, monkeypatch):
    monkeypatch.setattr(coarse_to_fine, "MOST_MATCHES", 6**4)
    costs = shifted_costs(rng, 20, shift=(7, 5), noise=0.2)
    found = min_sum_in_windows(
        jnp.asarray(costs), window=None, smoothness=0.05, schedule="sweeps", max_rounds=5
    ).solved
    assert found.min_marginals.shape == (20, 20, 11, 11)
    np.testing.assert_array_equal(found.flow[:12, :10], np.broadcast_to([7, 5], (12, 10, 2)))
    narrow = align_costs(costs, window=7)
    np.testing.assert_array_equal(narrow.labels[:12, :10], found.labels[:12, :10])
    assert (jnp.abs(narrow.flow[:12, :10] - found.flow[:12, :10]) <= 0.5).all()
    assert (narrow.flow != jnp.round(narrow.flow)).any()
    assert ((narrow.confidence > 0) & (narrow.confidence <= 1)).all()


def test_labels_are_limited_to_windows_from_40_x_40_cells():
    assert window_shape((40, 40, 40, 40), None) == (40, 40)
    assert window_shape((41, 40, 40, 40), None) == (11, 11)
    assert window_shape((100, 100, 60, 9), None) == (11, 9)
    assert window_shape((100, 100, 30, 12), None) == (11, 11)
    assert window_shape((5, 5, 4, 6), 5) == (4, 5)


def test_a_batch_is_as_one_by_one_and_other_numbers_compile_nothing(rng):
    batch = random_costs(rng, 2, 8, 9, 9, 8)
    together = jax.vmap(lambda costs: align_costs(costs, smoothness=0.05, window=5))(batch)
    for i, costs in enumerate(batch):
        alone = align_costs(costs, smoothness=0.05, window=5)
        for one, other in zip(jax.tree.leaves(alone), jax.tree.leaves(together), strict=True):
            np.testing.assert_allclose(one, other[i], atol=TOLERANCE, rtol=TOLERANCE)
    before = align_costs._cache_size()
    align_costs(batch[1], smoothness=0.3, window=5)
    assert align_costs._cache_size() == before


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_cost_outside_all_windows_that_is_not_finite_makes_the_result_nan(rng, bad):
    costs = np.array(shifted_costs(rng, 9, shift=(0, 0), noise=0.1))
    costs[0, 0, 8, 8] = bad
    found = align_costs(costs, window=3)
    for part in (found.flow, found.confidence, *found.energy):
        assert np.isnan(part).all()
    assert not found.converged
    assert np.isfinite(align_costs(np.nan_to_num(costs, posinf=1), window=3).flow).all()


def test_descriptors_are_aligned_in_windows_too(rng):
    source, target = (rng.normal(size=(8, 9, 16)).astype(np.float32) for _ in range(2))
    source, target = (one / np.linalg.norm(one, axis=-1, keepdims=True) for one in (source, target))
    found = align(source, target, window=5)
    expected = align_costs(data_cost(source, target), window=5)
    np.testing.assert_allclose(found.energy.total, expected.energy.total, rtol=1e-4)
