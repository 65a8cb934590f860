import jax.numpy as jnp
import numpy as np
import pytest

from convcorr_jax.flow import pyramid
from convcorr_jax.flow.messages import sweeps, wire


def unchanged(outgoing, _):
    return outgoing


def start_of(data):
    return jnp.zeros((4, *data.shape))


@pytest.fixture
def data(rng):
    # One label: a message is then a number, and what travels is easy to follow.
    return jnp.asarray(rng.integers(1, 100, (1, 1, 3, 5)), jnp.float32)


def test_in_a_parallel_round_each_cell_receives_its_neighbours_messages(data):
    wiring = wire(data, unchanged, "parallel")
    right, left, down, up = wiring.finish(wiring.round(wiring.start(start_of(data))))[:, 0, 0]
    costs = data[0, 0]
    np.testing.assert_array_equal(right, np.pad(costs, ((0, 0), (1, 0)))[:, :-1])
    np.testing.assert_array_equal(left, np.pad(costs, ((0, 0), (0, 1)))[:, 1:])
    np.testing.assert_array_equal(down, np.pad(costs, ((1, 0), (0, 0)))[:-1])
    np.testing.assert_array_equal(up, np.pad(costs, ((0, 1), (0, 0)))[1:])


def test_in_a_checkerboard_round_the_second_colour_uses_messages_of_the_first(data):
    boarded, plain = wire(data, unchanged, "checkerboard"), wire(data, unchanged, "parallel")
    found = boarded.finish(boarded.round(boarded.start(start_of(data))))
    once = plain.round(start_of(data))
    twice = plain.round(once)
    rows, columns = np.mgrid[:3, :5]
    # In the first half of the round the first colour sends to the second; in the second half the second colour
    # replies with messages that contain those of the first.
    np.testing.assert_array_equal(found, np.where((rows + columns) % 2 == 1, once, twice))


def test_one_round_of_sweeps_carries_along_whole_lines(data):
    wiring = wire(data, unchanged, "sweeps")
    right, left, down, up = wiring.finish(wiring.round(wiring.start(start_of(data))))[:, 0, 0]
    costs = np.asarray(data[0, 0])
    before = np.pad(np.cumsum(costs, axis=1), ((0, 0), (1, 0)))
    np.testing.assert_array_equal(right, before[:, :-1])
    np.testing.assert_array_equal(left, before[:, -1:] - before[:, 1:])
    # The rows are summed up by then, and each passes its sum on to the next.
    sums = np.repeat(costs.sum(axis=1, keepdims=True), 5, axis=1)
    above = np.pad(np.cumsum(sums, axis=0), ((1, 0), (0, 0)))
    np.testing.assert_array_equal(down, above[:-1])
    np.testing.assert_array_equal(up, above[-1:] - above[1:])


@pytest.mark.parametrize("shape", [(4, 6), (5, 5)])
def test_sweeps_ignore_padding(rng, shape):
    # Square arrays share one program between rows and columns, others have two.
    size = (3, 5)
    data = jnp.asarray(rng.normal(size=(1, 1, *size)), jnp.float32)
    messages = jnp.asarray(rng.normal(size=(4, *data.shape)), jnp.float32)
    expected = sweeps(data, messages, unchanged)

    def padded(array):
        beyond = [(0, n - m) for n, m in zip(shape, size, strict=True)]
        return jnp.pad(array, [(0, 0)] * (array.ndim - 2) + beyond, constant_values=1e3)

    found = sweeps(padded(data), padded(messages), unchanged, size=size)
    np.testing.assert_allclose(found[..., : size[0], : size[1]], expected, atol=1e-5)


@pytest.mark.parametrize("schedule", ["parallel", "checkerboard", "sweeps"])
@pytest.mark.parametrize("size", [(3, 4), (2, 5), (1, 1)])
def test_a_schedule_may_lay_messages_out_as_it_likes(rng, schedule, size):
    data = jnp.asarray(rng.normal(size=(2, 3, *size)), jnp.float32)
    messages = jnp.asarray(rng.normal(size=(4, *data.shape)), jnp.float32)
    wiring = wire(data, unchanged, schedule)
    laid_out = wiring.start(messages)
    np.testing.assert_array_equal(wiring.finish(laid_out), messages)
    np.testing.assert_allclose(wiring.belief(laid_out), data + messages.sum(axis=0), atol=1e-5)


def test_a_block_costs_what_its_cells_cost_moving_alike(rng):
    data = rng.normal(size=(4, 6, 3, 4)).astype(np.float32)
    blocks = pyramid.coarsen(jnp.asarray(data))
    assert blocks.shape == (4, 6, 2, 2)
    np.testing.assert_allclose(
        blocks[1, 2, 0, 1], data[1, 2, 0, 2] + data[1, 3, 0, 3] + data[2, 2, 1, 2] + data[2, 3, 1, 3], rtol=1e-6
    )
    # At the border of the labels they are clamped; at that of the grid a block has fewer cells.
    np.testing.assert_allclose(blocks[3, 5, 1, 0], data[3, 5, 2, 0] + data[3, 5, 2, 1], rtol=1e-6)


def test_cells_hear_what_their_block_heard(rng):
    messages = rng.normal(size=(4, 4, 6, 2, 2)).astype(np.float32)
    fine = np.asarray(pyramid.refine(jnp.asarray(messages), (3, 4)))
    assert fine.shape == (4, 4, 6, 3, 4)
    for direction in range(4):
        # The lower right cell of the first block goes one cell further, both ways, than its block.
        np.testing.assert_array_equal(fine[direction, 1:, 1:, 1, 1], messages[direction, :-1, :-1, 0, 0])
        np.testing.assert_array_equal(fine[direction, 0, 0, 1, 1], messages[direction, 0, 0, 0, 0])
    # Nobody sends across the border.
    assert (fine[0, ..., 0] == 0).all()
    assert (fine[1, ..., -1] == 0).all()
    assert (fine[2, ..., 0, :] == 0).all()
    assert (fine[3, ..., -1, :] == 0).all()
