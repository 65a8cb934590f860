"""The batches of a training run: which people are in each, prepared in another thread while a step runs."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
from jaxtyping import Int

from convcorr_jax.errors import InputError

Batch = TypeVar("Batch")

LEAST_FOR_EACH_PLACE = 64
"""The least number of people for each place of a batch at which each place draws from people of its own."""


class Draw(NamedTuple):
    """The people at some places of a batch."""

    rows: Int[np.ndarray, " p"]
    """Row numbers of the people."""
    epochs: Int[np.ndarray, " p"]
    """The number of the pass over all people, from 0, that each of them belongs to."""


@dataclass(frozen=True)
class Sampling:
    """The order in which people come to the places of batches.

    All people come once in random order, then again in another order. With at least `LEAST_FOR_EACH_PLACE`
    people for each place of a batch, each place has its own people, those whose number modulo the batch size is
    the place's, and its own orders: a host then needs the people of its own places only. The people of a batch
    depend on nothing but the attributes and the step, so that one host and several draw the same.

    Attributes:
        people: the number of people, including those whose image cannot be read.
        batch: the number of people in a batch.
        seed: seed of the orders.
    """

    people: int
    batch: int
    seed: int

    @property
    def classes(self) -> int:
        """The number of classes of people that do not mix: the batch size, or 1."""
        return self.batch if self.people >= LEAST_FOR_EACH_PLACE * self.batch else 1

    def needed(self, places: slice) -> Int[np.ndarray, " p"]:
        """Return the numbers of the people who come to places of batches.

        >>> Sampling(people=640, batch=4, seed=0).needed(slice(2, 3))[:3].tolist()
        [2, 6, 10]

        Args:
            places: a range of places.
        """
        return np.flatnonzero(
            np.isin(np.arange(self.people) % self.classes, self._classes_at(places))
        )

    def draw(self, step: int, *, numbers: Int[np.ndarray, " n"], places: slice) -> Draw:
        """Return the people at places of a step's batch.

        Args:
            step: the number of the step, from 0.
            numbers: the numbers of the people to draw from, at least those of `needed` that can be read.
            places: a range of places.

        Raises:
            InputError: a place has no people.
        """
        each = self.batch // self.classes
        turns = step * each + np.arange(each)
        drawn = [self._turns(turns, of_class, numbers) for of_class in self._classes_at(places)]
        rows, epochs = (np.concatenate(values) for values in zip(*drawn, strict=True))
        return Draw(rows, epochs) if self.classes > 1 else Draw(rows[places], epochs[places])

    def _classes_at(self, places: slice) -> list[int]:
        """Return the classes of the people at places."""
        return list(range(self.batch)[places]) if self.classes > 1 else [0]

    def _turns(
        self, turns: Int[np.ndarray, " t"], of_class: int, numbers: Int[np.ndarray, " n"]
    ) -> Draw:
        """Return the people of a class who have these turns, which are counted from the first step on."""
        rows = np.flatnonzero(numbers % self.classes == of_class)
        if not len(rows):
            raise InputError(
                f"none of the people {of_class}, {of_class + self.classes}, ... of a training set of "
                f"{self.people} can be read"
            )
        epochs, places = np.divmod(turns, len(rows))
        orders = {
            epoch: np.random.default_rng([self.seed, epoch, of_class]).permutation(rows)
            for epoch in np.unique(epochs).tolist()
        }
        pairs = zip(epochs.tolist(), places.tolist(), strict=True)
        return Draw(np.array([orders[epoch][place] for epoch, place in pairs]), epochs)


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
