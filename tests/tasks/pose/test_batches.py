"""Which people are in each batch, and batches prepared in another thread."""

import threading

import numpy as np
import pytest

from convcorr_jax.errors import InputError
from convcorr_jax.tasks.pose import Sampling, batches, prefetch

WHOLE = slice(0, 5)
FEW = Sampling(people=7, batch=5, seed=3)
# 64 people for each place, and three more.
MANY = Sampling(people=323, batch=5, seed=3)


def drawn(sampling, steps, *, places=WHOLE, numbers=None):
    numbers = np.arange(sampling.people) if numbers is None else numbers
    draws = [sampling.draw(step, numbers=numbers, places=places) for step in range(steps)]
    rows, epochs = (np.array(values) for values in zip(*draws, strict=True))
    return numbers[rows], epochs


def test_everybody_comes_once_before_anybody_comes_again():
    people, epochs = drawn(FEW, 14)
    stream = people.reshape(10, 7)
    np.testing.assert_array_equal(np.sort(stream, axis=1), np.tile(np.arange(7), (10, 1)))
    np.testing.assert_array_equal(epochs.reshape(10, 7), np.repeat(np.arange(10), 7).reshape(10, 7))
    assert len({tuple(order) for order in stream.tolist()}) == 10
    other, _ = drawn(Sampling(people=7, batch=5, seed=4), 14)
    assert (other != people).any()


def test_places_with_many_people_share_none():
    people, epochs = drawn(MANY, 130)
    np.testing.assert_array_equal(people % 5, np.tile(np.arange(5), (130, 1)))
    for place, column in enumerate(people.T):
        own = np.arange(place, 323, 5)
        assert len(own) == (65 if place < 3 else 64)
        once, again = column[: len(own)], column[len(own) : 2 * len(own)]
        np.testing.assert_array_equal(np.sort(once), own)
        assert (once != own).any()
        assert (again != once[: len(again)]).any()
        np.testing.assert_array_equal(epochs[:, place], np.arange(130) // len(own))
    # The places have orders of their own.
    assert (people[:64, 3] // 5 != people[:64, 4] // 5).any()


@pytest.mark.parametrize("sampling", [FEW, MANY], ids=["few", "many"])
def test_hosts_draw_what_one_host_draws(sampling):
    whole = drawn(sampling, 9)
    for places in (slice(0, 2), slice(2, 5)):
        needed = sampling.needed(places)
        assert len(needed) == (7 if sampling is FEW else {0: 130, 2: 193}[places.start])
        for one, every in zip(drawn(sampling, 9, places=places, numbers=needed), whole, strict=True):
            np.testing.assert_array_equal(one, every[:, places])


def test_people_who_cannot_be_read_are_never_drawn():
    numbers = np.setdiff1d(np.arange(323), [0, 5, 322])
    people, _ = drawn(MANY, 65, numbers=numbers)
    assert set(people.ravel().tolist()) == set(numbers.tolist())
    of_others = numbers[numbers % 5 != 1]
    with pytest.raises(
        InputError, match=r"none of the people 1, 6, \.\.\. of a training set of 323 can be read"
    ):
        drawn(MANY, 1, numbers=of_others)


def test_so_many_people_for_each_place_are_divided():
    least = 5 * batches.LEAST_FOR_EACH_PLACE
    assert [Sampling(people, 5, 0).classes for people in (least - 1, least)] == [1, 5]


def test_batches_are_loaded_in_advance_in_their_order():
    loaded = []

    def load(step):
        loaded.append((step, threading.current_thread()))
        return step

    yielded = [(step, value) for step, value in prefetch(load, range(3, 9), count=2)]
    assert yielded == [(step, step) for step in range(3, 9)]
    assert [step for step, _ in loaded] == list(range(3, 9))
    assert threading.current_thread() not in {thread for _, thread in loaded}


def test_an_error_in_advance_is_raised_at_its_step():
    def load(step):
        if step == 2:
            raise InputError("no such batch")
        return step

    yielded = []
    with pytest.raises(InputError, match="no such batch"):
        yielded.extend(step for step, _ in prefetch(load, range(5)))
    assert yielded == [0, 1]
