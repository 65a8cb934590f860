"""Checkpoints of training: a folder of a run's checkpoints, with one file changed, cut or missing."""

import functools
import io
import random
import shutil
import tempfile
import zipfile
from pathlib import Path

import jax
import numpy as np

from convcorr_jax.runtime.checkpoint import Checkpoints, read_best
from tests.builders.checkpoint_states import ABOUT, state_of
from tests.fuzz.mutation import Target, mutated


def _saved() -> list[bytes]:
    """Return an archive of a folder with a latest and a best checkpoint."""
    with tempfile.TemporaryDirectory() as folder:
        with Checkpoints(Path(folder), ABOUT) as checkpoints:
            checkpoints.save(1, *state_of(0.25), metric=0.9)
            checkpoints.save(2, *state_of(0.5), metric=0.1)
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            for path in sorted(Path(folder).rglob("*")):
                archive.write(path, path.relative_to(folder))
        return [content.getvalue()]


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


def _read(path: Path) -> object:
    """Continue the run from the folder, and read its best model."""
    folder = path.parent / "checkpoints"
    shutil.rmtree(folder, ignore_errors=True)
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    best = read_best(folder)
    with Checkpoints(folder, ABOUT) as checkpoints:
        latest = checkpoints.latest(*state_of(0))
    if latest is not None:
        expected = [(np.shape(leaf), np.asarray(leaf).dtype) for leaf in jax.tree.leaves(state_of(0))]
        restored = [(np.shape(leaf), leaf.dtype) for leaf in jax.tree.leaves(latest[1:])]
        assert restored == expected
    return best


TARGETS = [Target("checkpoints", functools.cache(_saved), _read, _mutate)]
