"""Stages that are kept, and sums that go on after a kill."""

import signal
import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest

from convcorr_jax.errors import InputError
from convcorr_jax.linear.ridge.statistics import Statistics, add, empty, statistics
from convcorr_jax.runtime.stages import accumulate, stage

COUNT = 6


def block(number):
    rng = np.random.default_rng(number)
    return jnp.asarray(rng.standard_normal((20, 3), np.float32))


def step(state, rows):
    return add(state, statistics(rows, rows[:, :1]))


def summed(path, blocks=block, settings=None, **options):
    return accumulate(
        path, settings or {}, blocks, count=COUNT, start=empty(3, 1), step=step, **options
    )


@pytest.fixture
def expected(tmp_path):
    return summed(tmp_path / "whole.npz")


def assert_equal(found: Statistics, expected: Statistics):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_stage_is_computed_once(tmp_path):
    calls = []

    def compute():
        calls.append(1)
        return {"value": np.arange(3)}

    for settings in ({"a": 1}, {"a": 1}, {"a": 2}):
        found = stage(tmp_path / "stage.npz", settings, compute)
        np.testing.assert_array_equal(found["value"], np.arange(3))
    assert len(calls) == 2


def test_a_sum_goes_on_where_it_was_kept(tmp_path, expected):
    seen = []

    def failing(number):
        seen.append(number)
        if number == 4 and seen.count(4) == 1:
            raise KeyboardInterrupt
        return block(number)

    path = tmp_path / "sum.npz"
    with pytest.raises(KeyboardInterrupt):
        summed(path, failing, every_s=0)
    assert_equal(summed(path, failing, every_s=0), expected)
    assert_equal(summed(path, failing), expected)
    assert seen == [0, 1, 2, 3, 4, 4, 5]


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.runtime.test_stages import block, summed
def blocks(number):
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return block(number)
summed(Path(sys.argv[1]), blocks, every_s=0)
"""


def test_a_killed_process_loses_no_block_that_was_kept(tmp_path, expected):
    path = tmp_path / "sum.npz"
    ended = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert ended.returncode == -signal.SIGKILL
    seen = []

    def blocks(number):
        seen.append(number)
        return block(number)

    assert_equal(summed(path, blocks), expected)
    assert seen == [3, 4, 5]


def test_other_settings_begin_anew(tmp_path):
    path = tmp_path / "sum.npz"
    summed(path)
    seen = []
    summed(path, lambda number: seen.append(number) or block(number), {"layer": "conv3"})
    assert seen == list(range(COUNT))


def test_a_damaged_file_is_refused(tmp_path):
    path = tmp_path / "sum.npz"
    summed(path)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(InputError, match=r"is damaged .*; remove it"):
        summed(path)
