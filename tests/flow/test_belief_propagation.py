import itertools
from functools import partial
from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from convcorr_jax.flow import Schedule, min_sum, soft_min_sum
from convcorr_jax.flow.labelling import Labelling, decode, evaluate
from tests.reference import grid_matching as reference

SCHEDULES = get_args(Schedule)
# Energies here are sums of a few hundred single-precision terms of about 1.
TOLERANCE = 1e-4


@pytest.fixture(params=SCHEDULES)
def schedule(request):
    return request.param


def random_costs(rng, *shape: int) -> np.ndarray:
    return rng.uniform(0, 1, shape).astype(np.float32)


def descriptor_costs(rng, size, *, shift, noise, length=24) -> np.ndarray:
    """Distances between random unit descriptors and the same ones displaced by ``shift`` (x, y) with noise."""
    source = rng.normal(size=(*size, length))
    target = np.roll(source, shift[::-1], axis=(0, 1)) + noise * rng.normal(size=source.shape)
    source, target = (f / np.linalg.norm(f, axis=-1, keepdims=True) for f in (source, target))
    return np.sqrt(np.maximum(2 - 2 * np.einsum("ijd,kld->ijkl", source, target), 0)).astype(np.float32)


def energy_of(costs, labels, smoothness) -> float:
    return sum(reference.energy(costs, np.asarray(labels), smoothness=smoothness))


@pytest.mark.parametrize("size", [(1, 5), (4, 1)])
def test_is_exact_on_a_chain(rng, schedule, size):
    solve = partial(min_sum, schedule=schedule, coarse_levels=0, tolerance=1e-6)
    for smoothness in (0.0, 0.05, 1.0):
        costs = random_costs(rng, *size, 2, 3)
        least, marginals = reference.min_marginals(costs, smoothness=smoothness)
        found = solve(costs, smoothness=smoothness)
        assert found.converged
        np.testing.assert_allclose(found.energy.total, least, atol=TOLERANCE)
        np.testing.assert_allclose(found.min_marginals, marginals - least, atol=TOLERANCE)


def test_ties_on_a_chain(rng, schedule):
    batch = rng.integers(0, 3, (40, 1, 4, 2, 2)).astype(np.float32)
    found = jax.vmap(partial(min_sum, smoothness=0.5, schedule=schedule, tolerance=0.0))(batch)
    assert found.converged.all()
    for costs, labels, energy, marginals in zip(
        batch, found.labels, found.energy.total, found.min_marginals, strict=True
    ):
        least, expected = reference.min_marginals(costs, smoothness=0.5)
        np.testing.assert_allclose(marginals, expected - least, atol=TOLERANCE)
        assert energy == pytest.approx(energy_of(costs, labels, 0.5))
        # A single labelling is best if every cell has one best label.
        if (expected == least).sum() == 4:
            assert energy == pytest.approx(least)


def test_labels_are_decoded_and_energies_summed_as_by_numpy(rng):
    belief = rng.integers(0, 3, (2, 3, 4, 5)).astype(np.float32)
    labels = decode(jnp.asarray(belief))
    np.testing.assert_array_equal(3 * labels.y + labels.x, belief.reshape(6, 4, 5).argmin(axis=0))
    # Squares whose sum exceeds 32 bits.
    far = Labelling(jnp.array([[0, 40_000, 0]]), jnp.zeros((1, 3), jnp.int32))
    found = evaluate(jnp.zeros((1, 40_001, 1, 3)), far, jnp.float32(1))
    assert found.smoothness == pytest.approx(39_999**2 + 40_001**2)


def test_one_cell_takes_its_cheapest_label():
    found = min_sum(jnp.array([3.0, 2.0, 1.0, 4.0]).reshape(1, 1, 1, 4), smoothness=1.0)
    assert found.labels.tolist() == [[[2, 0]]]
    assert found.converged


def test_finds_the_least_of_all_labellings_of_a_small_grid(rng, schedule):
    solve = partial(min_sum, schedule=schedule, coarse_levels=0)
    for smoothness in (0.02, 0.1, 0.5):
        # 3 x 3 cells with 4 labels: all 262,144 labellings. There are loops, so that exactness is no
        # theorem here, but on problems this small it holds for these seeds.
        costs = random_costs(rng, 3, 3, 2, 2)
        least, _ = reference.min_marginals(costs, smoothness=smoothness)
        np.testing.assert_allclose(solve(costs, smoothness=smoothness).energy.total, least, atol=TOLERANCE)


# Tests on this grid name the schedule and nothing else, and so share one program a schedule.
GRID = (6, 7)


def test_a_shifted_image_gives_the_shift(rng, schedule):
    shift = (2, -1)
    found = min_sum(descriptor_costs(rng, GRID, shift=shift, noise=0.3), smoothness=0.1, schedule=schedule)
    rows, columns = np.mgrid[: GRID[0], : GRID[1]]
    # What is shifted out of the target wraps around; the cells at that border follow neither.
    stays = (columns + shift[0] < GRID[1]) & (rows + shift[1] >= 0)
    assert found.converged
    np.testing.assert_array_equal(np.asarray(found.flow)[stays], [shift] * stays.sum())
    np.testing.assert_array_equal(found.flow, found.labels - np.stack([columns, rows], axis=-1))


def test_energies_are_those_of_the_labels_and_no_worse_than_those_of_iterated_modes(rng, schedule):
    for smoothness in (0.003, 0.03, 0.3):
        costs = random_costs(rng, *GRID, *GRID)
        labels = reference.iterated_conditional_modes(costs, smoothness=smoothness)
        of_modes = energy_of(costs, labels, smoothness)
        ours = min_sum(costs, smoothness=smoothness, schedule=schedule)
        assert ours.energy.total <= of_modes + TOLERANCE
        data, rough = reference.energy(costs, np.asarray(ours.labels), smoothness=smoothness)
        np.testing.assert_allclose(ours.energy.data, data, rtol=1e-5)
        np.testing.assert_allclose(ours.energy.smoothness, rough, rtol=1e-5)


def test_no_cell_alone_can_do_better_and_indifferent_costs_give_a_constant_flow(rng):
    found = min_sum(jnp.full((*GRID, *GRID), 0.5), smoothness=0.1, schedule="checkerboard")
    assert found.energy.smoothness == 0.0
    np.testing.assert_allclose(found.energy.data, 21.0)
    costs = random_costs(rng, *GRID, *GRID)
    labels = np.asarray(min_sum(costs, smoothness=0.1, schedule="checkerboard").labels)
    least = energy_of(costs, labels, 0.1)
    for y, x in ((0, 0), (2, 6), (3, 3), (5, 1)):
        for label in itertools.product(range(GRID[1]), range(GRID[0])):
            other = labels.copy()
            other[y, x] = label
            assert energy_of(costs, other, 0.1) >= least - TOLERANCE


def test_schedules_agree_where_the_answer_is_clear(rng):
    costs = descriptor_costs(rng, GRID, shift=(1, 1), noise=0.5)
    first, *others = (min_sum(costs, smoothness=0.05, schedule=schedule) for schedule in SCHEDULES)
    others.append(min_sum(costs, smoothness=0.05, schedule="parallel", coarse_levels=0, damping=0.2))
    for other in others:
        assert other.converged
        np.testing.assert_array_equal(other.labels, first.labels)


def test_coarser_grids_spare_rounds(rng):
    costs = descriptor_costs(rng, (10, 10), shift=(2, 3), noise=1.0)
    solve = partial(min_sum, costs, smoothness=0.3, schedule="parallel")
    alone, helped = solve(coarse_levels=0), solve(coarse_levels=2)
    assert helped.energy.total <= alone.energy.total + TOLERANCE
    # After one round of messages the labels are already good; without coarser grids they are not.
    assert helped.trace.total[0] < 1.05 * helped.energy.total
    assert alone.trace.total[0] > 1.5 * helped.energy.total


def test_a_mirrored_problem_has_the_mirrored_answer(rng, schedule):
    costs = descriptor_costs(rng, GRID, shift=(1, 0), noise=0.5)
    found = min_sum(costs, smoothness=0.1, schedule=schedule)
    for axis, signs in ((0, (1, -1)), (1, (-1, 1))):
        mirrored = min_sum(np.flip(costs, (axis, axis + 2)), smoothness=0.1, schedule=schedule)
        np.testing.assert_array_equal(np.flip(mirrored.flow, axis), found.flow * jnp.array([[signs]]))


def test_the_trace_ends_with_the_rounds_and_never_beats_the_answer(rng, schedule):
    costs = descriptor_costs(rng, GRID, shift=(1, 1), noise=1.0)
    found = min_sum(costs, smoothness=0.02, schedule=schedule)
    rounds = int(found.rounds)
    assert found.converged
    assert 0 < rounds < 30
    for term in found.trace:
        assert np.isfinite(term[:rounds]).all()
        assert np.isnan(term[rounds:]).all()
    assert found.energy.total <= np.nanmin(found.trace.total) + TOLERANCE
    # The last decoding is each cell's own choice from the min-marginals.
    choice = np.asarray(found.min_marginals).reshape(*GRID, -1).argmin(axis=2)
    last = energy_of(costs, np.stack([choice % GRID[1], choice // GRID[1]], axis=-1), 0.02)
    np.testing.assert_allclose(found.trace.total[rounds - 1], last, rtol=1e-5)


def test_soft_marginals_of_a_chain_are_exact(rng, schedule):
    costs = random_costs(rng, 1, 4, 2, 2)
    rounds = 1 if schedule == "sweeps" else 3
    soft = soft_min_sum(costs, smoothness=0.1, temperature=0.3, rounds=rounds, schedule=schedule)
    expected = reference.log_partition_marginals(costs, smoothness=0.1, temperature=0.3)
    np.testing.assert_allclose(soft.marginals, expected, atol=1e-5)
    rows, columns = np.mgrid[:2, :2]
    cells = np.stack([np.arange(4), np.zeros(4)], axis=-1)[None]
    x, y = (np.einsum("hwij,ij->hw", expected, axis) for axis in (columns, rows))
    np.testing.assert_allclose(soft.flow, np.stack([x, y], axis=-1) - cells, atol=1e-5)


def test_the_cold_limit_is_the_hard_form(rng):
    costs = descriptor_costs(rng, GRID, shift=(1, 0), noise=0.5)
    hard = min_sum(costs, smoothness=0.1, schedule="checkerboard")
    soft = soft_min_sum(costs, smoothness=0.1, temperature=1e-3, rounds=10)
    np.testing.assert_allclose(soft.flow, hard.flow, atol=1e-3)


def test_says_when_it_was_cut_short(rng):
    solve = partial(min_sum, schedule="parallel", coarse_levels=0, max_rounds=2)
    costs = random_costs(rng, 3, 4, 4, 3)
    hurried = solve(costs, smoothness=0.3, tolerance=1e-4, damping=0.1)
    assert not hurried.converged
    assert hurried.rounds == 2
    assert np.isfinite(hurried.trace.total).all()
    content = solve(costs[::-1], smoothness=0.2, tolerance=10.0, damping=0.5)
    assert content.converged
    assert content.rounds == 1
