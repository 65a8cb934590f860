"""The batches of a training run: which people are in each, prepared in another thread while a step runs."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from jaxtyping import Int

Batch = TypeVar("Batch")


def sampled_rows(step: int, *, people: int, batch: int, seed: int) -> Int[np.ndarray, " batch"]:
    """Return the rows of a step's batch: all people in random order, again and again in another order.

    Args:
        step: the number of the step, from 0.
        people: the number of people.
        batch: the number of people in a batch.
        seed: seed of the orders. The rows depend on nothing but the arguments.
    """
    places = step * batch + np.arange(batch)
    epochs = np.unique(epochs_of(step, people=people, batch=batch))
    orders = {
        epoch: np.random.default_rng([seed, epoch]).permutation(people) for epoch in epochs.tolist()
    }
    return np.array([orders[place // people][place % people] for place in places.tolist()])


def epochs_of(step: int, *, people: int, batch: int) -> Int[np.ndarray, " batch"]:
    """Return the number of the pass over all people that each row of a step's batch belongs to.

    >>> epochs_of(1, people=5, batch=3).tolist()
    [0, 0, 1]

    Args:
        step: the number of the step, from 0.
        people: the number of people.
        batch: the number of people in a batch.
    """
    return (step * batch + np.arange(batch)) // people


def prefetch(
    load: Callable[[int], Batch], steps: range, *, count: int = 2
) -> Iterator[tuple[int, Batch]]:
    """Yield every step's number and batch, while another thread loads the batches of the next steps.

    Args:
        load: returns the batch of a step. An error that it raises is raised when the step's turn comes.
        steps: the numbers of the steps.
        count: the number of batches that are loaded in advance.
    """
    with ThreadPoolExecutor(1) as pool:
        pending = {step: pool.submit(load, step) for step in steps[:count]}
        for step in steps:
            batch = pending.pop(step).result()
            if step + count in steps:
                pending[step + count] = pool.submit(load, step + count)
            yield step, batch
