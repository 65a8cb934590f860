"""The batches of a training run, prepared in another thread, and the cached features of a pretrained front.

In the coarse phase the front does not change. Every person is augmented a few times, and each copy's features
are cached in half precision, in parts of some hundred people; a killed run loses one part at most. An epoch of
the coarse phase reads one of the copies.
"""

import functools
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from convcorr_jax.arrays import padded_batches
from convcorr_jax.backbone import weights
from convcorr_jax.datasets import Record, fingerprint
from convcorr_jax.errors import InputError
from convcorr_jax.pose import Architecture, Augmentation, FeatureBatch, augment, cascade, front
from convcorr_jax.runtime import CachedParts, devices, progress, stage
from convcorr_jax.tasks.pose.people import People, frames_of, prepare
from convcorr_jax.tasks.pose.setup import Plan
from convcorr_jax.tasks.reading import evenly_spread

# People in a part of the cache, some 100 MB.
_PART = 256
# People whose features are computed in one call.
_BATCH = 16
# People whose features determine the projections.
_PROJECTED = 400
# Copies that are in memory at once.
_COPIES_IN_MEMORY = 2


def with_pretrained_front(
    params: cascade.Params, records: Sequence[Record], *, architecture: Architecture, scale: bool, folder: Path
) -> cascade.Params:
    """Return parameters whose front has trained convolutions and the principal components of people's features.

    They are the components of some hundred of the training people of all hosts.
    """
    trained = weights.load(architecture.front)
    params = cascade.with_front(params, trained.params)
    rows = evenly_spread(len(records), _PROJECTED)
    frames = frames_of(records, architecture, scale=scale, torso="annotated")
    settings = {
        "people": fingerprint([records[row] for row in rows]),
        "frames": checksum([frames[row] for row in rows]),
        "size": list(architecture.input_size),
        "weights": trained.fingerprint,
        "front": architecture.front,
        "features": architecture.front_features,
    }
    arrays = stage(
        folder / "projections.npz",
        settings,
        lambda: _projections(
            params["front"], prepare(records, architecture, scale=scale, rows=rows), architecture
        ),
    )
    projections = {
        front.projection(layer): {
            "kernel": jnp.asarray(arrays[f"{layer}_kernel"]),
            "bias": jnp.asarray(arrays[f"{layer}_bias"]),
        }
        for layer in front.FRONTS[architecture.front].coarse
    }
    return params | {"front": params["front"] | projections}


@dataclass(frozen=True, eq=False)
class FeatureCache:
    """The cached features of augmented people: those of this host, with their surroundings.

    ``numbers`` are those of the people in the whole training set, which decide their augmentation.
    """

    filters: front.Filters
    people: People
    numbers: Int[np.ndarray, " n"]
    architecture: Architecture
    plan: Plan
    seed: int
    folder: Path

    def batch(self, rows: Int[np.ndarray, " b"], epochs: Int[np.ndarray, " b"]) -> FeatureBatch:
        """Return the features of people, each from the copy of its epoch, the pass over all people from 0."""
        copies = epochs % self.plan.copies
        parts = [(copies == copy, self.copy(copy)) for copy in np.unique(copies).tolist()]
        fields = {}
        for name in parts[0][1]:
            values = np.empty((len(rows), *parts[0][1][name].shape[1:]), np.float32)
            for chosen, arrays in parts:
                values[chosen] = arrays[name][rows[chosen]]
            fields[name] = values
        return FeatureBatch((fields["near"], fields["wide"]), fields["points"], fields["torso"])

    @functools.cached_property
    def _loaded(self) -> dict[int, dict[str, np.ndarray]]:
        """The copies in memory, by their numbers."""
        return {}

    def copy(self, number: int) -> dict[str, np.ndarray]:
        """Return the arrays of all people of a copy: ``near``, ``wide``, ``points`` and ``torso``.

        Memory holds the last two copies: those that a batch at the end of an epoch has people of.
        """
        if number not in self._loaded:
            while len(self._loaded) >= _COPIES_IN_MEMORY:
                del self._loaded[next(iter(self._loaded))]
            parts = list(self._parts(number))
            self._loaded[number] = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        return self._loaded[number]

    @functools.cached_property
    def _settings(self) -> dict[str, Any]:
        """What decides the arrays of all copies."""
        architecture, people = self.architecture, self.people
        return {
            "filters": checksum(self.filters),
            "people": fingerprint(people.records),
            "frames": checksum([people.to_frame, people.points, people.torso, self.numbers]),
            "image": list(people.images.shape[1:3]),
            "size": list(architecture.input_size),
            "pairs": [list(pair) for pair in architecture.left_right_pairs],
            "augmentation": self.plan.augmentation._asdict(),
            "seed": self.seed,
        }

    def complete(self, *, epochs: int) -> None:
        """Compute the features that some epochs need and that are not cached yet; a copy takes some minutes."""
        for number in range(min(epochs, self.plan.copies)):
            for _ in progress(self._parts(number), description=f"features of copy {number + 1}"):
                pass

    def _parts(self, number: int) -> CachedParts:
        return CachedParts(
            self.folder,
            f"copy_{number}",
            self._settings,
            partial(self._compute, number),
            len(self.people.records),
            _PART,
            compressed=False,
        )

    def _compute(self, copy: int, people: range) -> dict[str, np.ndarray]:
        fields: dict[str, list[np.ndarray]] = {"near": [], "wide": [], "points": [], "torso": []}
        key = jax.random.fold_in(jax.random.key(self.seed), copy)
        features = _augmented_features(self.architecture, self.plan.augmentation)
        for places, own in padded_batches(len(people), size=devices.round_up(_BATCH)):
            rows = np.array(people)[places]
            found = features((self.filters, key), (self.numbers[rows], self.people.batch(rows)))
            for values, array in zip(fields.values(), found, strict=True):
                values.append(np.asarray(array)[:own])
        return {name: np.concatenate(values) for name, values in fields.items()}


@functools.cache
def _augmented_features(
    architecture: Architecture, augmentation: Augmentation
) -> Callable[[Any, Any], tuple[Array, ...]]:
    """Return the function from filters and a key, and from people, to features; it uses all devices."""

    def features(state: Any, rows: Any) -> tuple[Array, ...]:
        (filters, key), (numbers, batch) = state, rows
        augmented = augment(
            jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, numbers),
            batch,
            left_right_pairs=architecture.left_right_pairs,
            size=architecture.input_size,
            augmentation=augmentation,
        )
        near, wide = front.front_maps(filters, augmented.images, front=architecture.front).coarse
        return (
            near.astype(jnp.float16),
            wide.astype(jnp.float16),
            jnp.float32(augmented.points),
            jnp.float32(augmented.torso),
        )

    return devices.on_local_devices(features)


def _projections(filters: front.Filters, people: People, architecture: Architecture) -> dict[str, np.ndarray]:
    """Compute the principal components of each coarse layer's activations."""
    sums: dict[str, front.ColumnSums] = {}
    batches = list(padded_batches(len(people.records), size=_BATCH))
    for rows, own in progress(batches, description="principal components"):
        images = people.inputs(rows, architecture.input_size)
        columns = front.coarse_activations(filters, images, front=architecture.front)
        for layer, values in columns.items():
            added = front.column_sums(np.asarray(values)[:own])
            sums[layer] = sums[layer].plus(added) if layer in sums else added
    found = {
        layer: front.principal_projection(of_layer, features=architecture.front_features)
        for layer, of_layer in sums.items()
    }
    return {
        f"{layer}_{name}": value for layer, projection in found.items() for name, value in projection.items()
    }


def checksum(arrays: Any) -> int:
    """Return a checksum of the arrays of a tree."""
    leaves: list[Any] = jax.tree.leaves(arrays)
    checksum = 0
    for leaf in leaves:
        checksum = zlib.crc32(np.ascontiguousarray(leaf).tobytes(), checksum)
    return checksum


Batch = TypeVar("Batch")

LEAST_FOR_EACH_PLACE = 64
"""The least number of people for each place of a batch at which each place draws from people of its own."""


class Draw(NamedTuple):
    """The people at some places of a batch."""

    rows: Int[np.ndarray, " p"]
    epochs: Int[np.ndarray, " p"]
    """The number of the pass over all people, from 0, that each of them belongs to."""


@dataclass(frozen=True)
class Sampling:
    """The order in which people come to the places of batches.

    All people come once in random order, then again in another order. With at least `LEAST_FOR_EACH_PLACE`
    people for each place of a batch, each place has its own people in its own orders: in batches of 4, person 6
    always comes to place 6 % 4 = 2. A host then needs the people of its own places only. The people of a batch
    depend on nothing but the attributes and the step, so that one host and several draw the same. ``people``
    counts those whose image cannot be read, too.
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
        """
        return np.flatnonzero(np.isin(np.arange(self.people) % self.classes, self._classes_at(places)))

    def draw(self, step: int, *, numbers: Int[np.ndarray, " n"], places: slice) -> Draw:
        """Return the people at places of a step's batch, drawn from those with some numbers.

        The numbers are at least those of `needed` that can be read; a place without people is refused.
        """
        each = self.batch // self.classes
        turns = step * each + np.arange(each)
        drawn = [self._turns(turns, of_class, numbers) for of_class in self._classes_at(places)]
        rows, epochs = (np.concatenate(values) for values in zip(*drawn, strict=True))
        return Draw(rows, epochs) if self.classes > 1 else Draw(rows[places], epochs[places])

    def _classes_at(self, places: slice) -> list[int]:
        """Return the classes of the people at places."""
        return list(range(self.batch)[places]) if self.classes > 1 else [0]

    def _turns(self, turns: Int[np.ndarray, " t"], of_class: int, numbers: Int[np.ndarray, " n"]) -> Draw:
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


def prefetch(load: Callable[[int], Batch], steps: range, *, count: int = 2) -> Iterator[tuple[int, Batch]]:
    """Yield every step's number and batch, while another thread loads the batches of the next steps.

    An error of ``load`` is raised when the step's turn comes.
    """
    with ThreadPoolExecutor(1) as pool:
        pending = {step: pool.submit(load, step) for step in steps[:count]}
        for step in steps:
            batch = pending.pop(step).result()
            if step + count in steps:
                pending[step + count] = pool.submit(load, step + count)
            yield step, batch
