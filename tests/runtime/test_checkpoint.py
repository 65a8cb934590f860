"""Checkpoints: restored bit for bit, best and latest retained, intact after kills and full disks."""

import logging
import random
import shutil
import signal
import threading
import time

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from convcorr_jax.errors import InputError, WriteError
from convcorr_jax.runtime import Checkpoints, read_best
from tests.builders.checkpoint_states import ABOUT, state_of
from tests.builders.processes import end, full_disk, start


def save(checkpoints, step, metric, value=None):
    checkpoints.save(step, *state_of(step if value is None else value), metric=metric)


def steps_in(folder):
    return sorted(int(path.name) for path in folder.iterdir())


def continue_and_read(folder):
    with Checkpoints(folder, ABOUT) as checkpoints:
        checkpoints.latest(*state_of(0))
    read_best(folder)


@pytest.fixture
def folder(tmp_path):
    """A folder with one checkpoint."""
    with Checkpoints(tmp_path / "run", ABOUT) as checkpoints:
        save(checkpoints, 1, 0.5)
    return tmp_path / "run"


def test_what_was_saved_is_restored_and_no_thread_is_left(tmp_path):
    before = set(threading.enumerate())
    with Checkpoints(tmp_path, ABOUT) as checkpoints:
        assert checkpoints.latest(*state_of(0)) is None
        save(checkpoints, 7, 0.5, 1 / 3)
    for thread in set(threading.enumerate()) - before:
        thread.join(timeout=5)
        assert not thread.is_alive(), thread.name
    with Checkpoints(tmp_path, ABOUT) as checkpoints:
        step, params, training = checkpoints.latest(*state_of(0))
    assert step == 7
    chex.assert_trees_all_equal((params, training), state_of(1 / 3))
    chex.assert_trees_all_equal_dtypes((params, training), state_of(1 / 3))
    assert jax.tree.structure(training) == jax.tree.structure(state_of(0)[1])


@pytest.mark.parametrize(
    ("metrics", "retained", "best"),
    [
        ((0.3, 0.8, 0.8, 0.5, 0.1), [[0], [1], [2], [2, 3], [2, 4]], 2),
        # NaN is the least metric.
        ((np.nan, 0.5, np.nan, 0.4, np.nan), [[0], [1], [1, 2], [1, 3], [1, 4]], 1),
    ],
)
def test_best_and_latest_are_retained(tmp_path, metrics, retained, best):
    # The folder is opened again for every step, as after a kill.
    for step, metric in enumerate(metrics):
        with Checkpoints(tmp_path, ABOUT) as checkpoints:
            save(checkpoints, step, metric)
        assert steps_in(tmp_path) == retained[step]
    found = read_best(tmp_path)
    assert (found.step, found.metric, found.about) == (best, metrics[best], ABOUT)
    chex.assert_trees_all_equal(found.params, state_of(best)[0])


def test_what_may_change_is_continued_and_not_refused(folder):
    other = {**ABOUT, "seed": 4}
    with Checkpoints(folder, other, may_change=("seed",)) as checkpoints:
        assert checkpoints.continued == ABOUT
        save(checkpoints, 2, 0.6)
    assert read_best(folder).about == other


def test_another_preset_is_refused_and_both_are_named_and_so_are_other_shapes(folder):
    other = {"name": "flic-4x", "joints": ["nose", "chin"], "pooling": 4}
    with pytest.raises(
        InputError, match=r"of small-8x, not of flic-4x: .* pooling is 8 in the checkpoint and 4 in this run"
    ):
        Checkpoints(folder, {**ABOUT, "architecture": other})
    with pytest.raises(InputError, match="another training: seed is 3 in the checkpoint and 4 in this run"):
        Checkpoints(folder, {**ABOUT, "seed": 4})
    # Tuples become lists in JSON, and are the same.
    same = {**ABOUT, "architecture": {**ABOUT["architecture"], "joints": ("nose", "chin")}}
    Checkpoints(folder, same).close()
    with Checkpoints(folder, ABOUT) as checkpoints:
        params, training = state_of(0)
        params["coarse"]["kernel"] = jnp.zeros((9, 4))
        with pytest.raises(
            InputError, match=r"other arrays: .*kernel.* is .*3, 4\] in the checkpoint and .*9, 4\] in"
        ):
            checkpoints.latest(params, training)
        with pytest.raises(InputError, match=r"other arrays"):
            checkpoints.latest(state_of(0)[0], jax.tree.map(jnp.float32, training))


def flip(path, place, bit=1):
    content = bytearray(path.read_bytes())
    content[place] ^= bit
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("part", ["params", "training"])
def test_a_flipped_bit_of_an_array_is_damage(tmp_path, rng, part):
    # Arrays of this size are stored in files of their own, without a checksum.
    weights = {"weights": rng.standard_normal((64, 300)).astype(np.float32)}
    with Checkpoints(tmp_path, ABOUT) as checkpoints:
        checkpoints.save(1, weights, weights, metric=0.5)
    (data,) = (
        path for path in (tmp_path / "1" / part).rglob("*") if path.is_file() and path.stat().st_size > 5000
    )
    for place in rng.integers(data.stat().st_size, size=4):
        flip(data, place)
        with Checkpoints(tmp_path, ABOUT) as checkpoints, pytest.raises(InputError, match="1 is damaged"):
            checkpoints.latest(weights, weights)
        if part == "params":
            with pytest.raises(InputError, match="1 is damaged"):
                read_best(tmp_path)
        flip(data, place)
    assert read_best(tmp_path).step == 1


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("metrics/metrics", "0.5", "0.7"),
        ("about/metadata", "small", "smell"),
        ("layout/metadata", "kernel", "kernal"),
    ],
)
def test_a_changed_digit_or_letter_is_damage(folder, file, old, new):
    """Checkpoints of older versions have no digests, and are read unchecked."""
    path = folder / "1" / file
    content = path.read_text("utf-8")
    path.write_text(content.replace(old, new), encoding="utf-8")
    with pytest.raises(InputError, match=r"1 is damaged|has other arrays"):
        continue_and_read(folder)
    path.write_text(content, encoding="utf-8")
    shutil.rmtree(folder / "1" / "digests")
    continue_and_read(folder)


def test_folders_without_checkpoints_are_refused(tmp_path):
    with pytest.raises(InputError, match="has no checkpoint"):
        read_best(tmp_path)
    with pytest.raises(InputError, match="is not a folder"):
        read_best(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be created"):
        Checkpoints(tmp_path / "file" / "checkpoints", ABOUT)


def test_a_full_disk_is_reported_and_the_last_good_checkpoint_survives(folder):
    with Checkpoints(folder, ABOUT) as checkpoints:
        with full_disk(), pytest.raises(WriteError, match="the checkpoint of step 2 cannot be written"):
            save(checkpoints, 2, 0.9)
    with Checkpoints(folder, ABOUT) as checkpoints:
        assert steps_in(folder) == [1]
        assert checkpoints.latest(*state_of(0))[0] == 1
        save(checkpoints, 2, 0.9)
    assert read_best(folder).step == 2


# Adam on a loss whose gradient depends on the step, so that a step lost or done twice changes the result.
RUN = """
import os, sys
from pathlib import Path
import jax, jax.numpy as jnp, optax
from convcorr_jax.runtime import Checkpoints
from tests.builders.checkpoint_states import ABOUT, OPTIMIZER, state_of

params, (moments, _) = state_of(1.0)
target = jax.random.normal(jax.random.key(0), (3, 4))

@jax.jit
def train(params, moments, step):
    def loss(params):
        return ((params["coarse"]["kernel"] - jnp.sin(step) * target) ** 2).sum()
    updates, moments = OPTIMIZER.update(jax.grad(loss)(params), moments)
    return optax.apply_updates(params, updates), moments

with Checkpoints(Path(sys.argv[1]), ABOUT) as checkpoints:
    restored = checkpoints.latest(params, moments)
    start = 0
    if restored is not None:
        start, params, moments = restored
    print("from", start, flush=True)
    for step in range(start, int(sys.argv[2])):
        params, moments = train(params, moments, step)
        checkpoints.save(step + 1, params, moments, metric=float(jnp.cos(step)))
        print("saved", step + 1, flush=True)
"""


def test_a_run_killed_at_any_moment_ends_as_one_that_was_not(tmp_path):
    steps, moments = 24, random.Random(5)
    whole = start("-c", RUN, tmp_path / "whole", steps)
    killed_at = []
    for _ in range(3):
        process = start("-c", RUN, tmp_path / "killed", steps)
        saved = int(process.stdout.readline().split()[1])
        # The last line that was read may be older than the last checkpoint, but never newer.
        for _ in range(moments.randrange(2, 7)):
            saved = int(process.stdout.readline().split()[1])
        time.sleep(moments.uniform(0, 0.1))
        assert end(process, signal.SIGKILL).status == -signal.SIGKILL
        killed_at.append(saved)
        if len(killed_at) > 1:
            assert killed_at[-1] > killed_at[-2]
    last = end(start("-c", RUN, tmp_path / "killed", steps))
    assert int(last.out.split()[1]) >= killed_at[-1]
    assert (last.status, end(whole).status) == (0, 0)
    restored, expected = (read_best(tmp_path / name) for name in ("killed", "whole"))
    chex.assert_trees_all_equal(restored, expected)
    ends = []
    for name in ("killed", "whole"):
        with Checkpoints(tmp_path / name, ABOUT) as checkpoints:
            params, (adam, _) = state_of(0.0)
            ends.append(checkpoints.latest(params, adam))
        assert steps_in(tmp_path / name) == sorted({expected.step, steps})
    chex.assert_trees_all_equal(*ends)


@pytest.mark.parametrize("content", ["null", "[]", '"text"', '{"metric": null}', ""])
@pytest.mark.parametrize("file", ["metrics/metrics", "about/metadata", "layout/metadata", "params/_METADATA"])
def test_a_json_file_of_other_json_is_refused_in_one_sentence(folder, file, content):
    (folder / "1" / file).write_text(content, encoding="utf-8")
    with pytest.raises(InputError) as refusal:
        continue_and_read(folder)
    assert str(folder) in str(refusal.value)
    assert "\n" not in str(refusal.value)
    if file == "metrics/metrics" and content.startswith("{"):
        # Opening finds it, so that a save cannot take it for a failed disk.
        with pytest.raises(InputError, match="metric"):
            Checkpoints(folder, ABOUT)


def test_damaged_arrays_and_a_description_without_an_architecture_are_refused(folder):
    shutil.rmtree(folder / "1" / "digests")
    about = folder / "1" / "about" / "metadata"
    content = about.read_text("utf-8")
    about.write_text('{"architecture": 1}', encoding="utf-8")
    with pytest.raises(InputError, match="of no architecture"):
        Checkpoints(folder, ABOUT)
    about.write_text(content, encoding="utf-8")
    for path in (folder / "1" / "params").rglob("*"):
        if path.is_file():
            path.write_bytes(b"")
    with pytest.raises(InputError, match="1 is damaged"):
        read_best(folder)


def test_what_is_raised_is_not_logged_as_well(caplog):
    """Orbax's threads log the traceback of an error, as on a full disk, which `save` then raises."""
    log = logging.getLogger("absl")
    log.error("[process=0] _SignalingThread.run() raised an exception: no space")
    log.error("another message")
    assert [record.message for record in caplog.records] == ["another message"]
