"""Checkpoints of training, and prepared data sets: folders with one file changed, cut or missing."""

import functools
import io
import random
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np

from convcorr_jax.datasets.prepared import prepare, read_prepared
from convcorr_jax.runtime.checkpoint import Checkpoints, read_best
from tests.builders import image_set
from tests.builders.checkpoint_states import ABOUT, state_of
from tests.fuzz.mutation import Target, mutated


def _seeds(write: Callable[[Path], object]) -> Callable[[], list[bytes]]:
    """Return a function that returns an archive of a folder."""

    @functools.cache
    def seeds() -> list[bytes]:
        content = io.BytesIO()
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder))
            with zipfile.ZipFile(content, "w") as archive:
                for path in sorted(Path(folder).rglob("*")):
                    archive.write(path, path.relative_to(folder))
        return [content.getvalue()]

    return seeds


def _reader(read: Callable[[Path], object]) -> Callable[[Path], object]:
    """Return a function that unpacks an archive beside itself and reads the folder."""

    def read_archive(path: Path) -> object:
        folder = path.parent / "folder"
        shutil.rmtree(folder, ignore_errors=True)
        with zipfile.ZipFile(path) as archive:
            archive.extractall(folder)
        return read(folder)

    return read_archive


def _mutate(rng: random.Random, content: bytes) -> bytes:
    """Change one file of the folder: at random, to other JSON, to another file, cut it, or remove it."""
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(changed, "w") as new:
        names = [name for name in old.namelist() if not name.endswith("/")]
        chosen, action = rng.choice(names), rng.randrange(8)
        for name in old.namelist():
            data = old.read(name)
            if name == chosen and action == 0:
                continue
            if name == chosen:
                data = _changed(rng, data, action, another=old.read(rng.choice(names)))
            new.writestr(name, data)
    return changed.getvalue()


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
        restored = [(np.shape(leaf), leaf.dtype) for leaf in jax.tree.leaves(latest[1:])]
        assert restored == expected
    return best


def _write_prepared(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as source:
        records = functools.partial(image_set.read_entries, image_set.write_images(Path(source)))
        prepare(records, folder / "images", name="images", description="Noise.")


TARGETS = [
    Target("checkpoints", _seeds(_write_checkpoints), _reader(_read_checkpoints), _mutate),
    Target(
        "prepared",
        _seeds(_write_prepared),
        _reader(lambda folder: list(read_prepared(folder / "images"))),
        _mutate,
    ),
]
