"""Checkpoints of training, and prepared data sets: folders with one file changed, cut or missing."""

import functools
import random
import tempfile
from pathlib import Path

import jax
import numpy as np

from convcorr_jax.datasets.prepared import prepare, read_prepared
from convcorr_jax.runtime import Checkpoints, read_best
from tests.builders import image_set
from tests.builders.checkpoint_states import ABOUT, state_of
from tests.fuzz.mutation import folder_target, mutated, unzipped, zipped


def _mutate(rng: random.Random, content: bytes) -> bytes:
    """Change one file of the folder: at random, to other JSON, to another file, cut it, or remove it."""
    files = unzipped(content)
    chosen, another, action = rng.choice(list(files)), rng.choice(list(files)), rng.randrange(8)
    if action == 0:
        del files[chosen]
        return zipped(files)
    return zipped(files | {chosen: _changed(rng, files[chosen], action, another=files[another])})


def _changed(rng: random.Random, data: bytes, action: int, *, another: bytes) -> bytes:
    match action:
        case 1:
            return b""
        case 2:
            return data[: len(data) // 2]
        case 3:
            return another
        case 4:
            return rng.choice(_OTHER_JSON)
    return mutated(rng, data)


# Most files are JSON; these are read, and are not what is expected.
_OTHER_JSON = (b"{}", b"[]", b"null", b"1", b'"text"', b'{"metric": null}', b'{"metric": "high"}')


def _write_checkpoints(folder: Path) -> None:
    """Write a latest and a best checkpoint."""
    with Checkpoints(folder, ABOUT) as checkpoints:
        checkpoints.save(1, *state_of(0.25), metric=0.9)
        checkpoints.save(2, *state_of(0.5), metric=0.1)


def _read_checkpoints(folder: Path) -> object:
    """Continue the run from the folder, and read its best model."""
    best = read_best(folder)
    with Checkpoints(folder, ABOUT) as checkpoints:
        latest = checkpoints.latest(*state_of(0))
    if latest is not None:
        expected = [(np.shape(leaf), np.asarray(leaf).dtype) for leaf in jax.tree.leaves(state_of(0))]
        assert [(np.shape(leaf), leaf.dtype) for leaf in jax.tree.leaves(latest[1:])] == expected
    return best


def _write_prepared(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as source:
        records = functools.partial(image_set.read_entries, image_set.write_images(Path(source)))
        prepare(records, folder / "images", name="images", description="Noise.")


TARGETS = [
    folder_target("checkpoints", _write_checkpoints, _read_checkpoints, _mutate),
    folder_target("prepared", _write_prepared, lambda folder: list(read_prepared(folder / "images")), _mutate),
]
