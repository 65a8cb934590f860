"""Cached stages: computed once, computed again for other settings, and never read from a damaged file."""

import signal
from typing import NamedTuple

import numpy as np
import pytest

from convcorr_jax.errors import InputError, WriteError
from convcorr_jax.io import load_arrays, write_arrays
from convcorr_jax.runtime import CachedParts, accumulate, cached_in_parts, stage
from tests.builders.processes import end, full_disk, start

COUNT = 11
PARTS = [f"rows_{start:05d}.npz" for start in (0, 2, 4, 6, 8, 10)]


def rows(items):
    """Return two arrays with a row for each item."""
    draws = [np.random.default_rng(item).standard_normal((2, 3)) for item in items]
    return {"features": np.array(draws, np.float32).reshape(-1, 2, 3), "item": np.array(items)}


def cached_rows(folder, compute=rows, *, settings=None, count=COUNT):
    return cached_in_parts(folder, "rows", settings or {}, compute, count=count, part=2)


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name])
        assert found[name].dtype == expected[name].dtype


def fail(*_):
    raise AssertionError("computed although it is cached")


def test_what_comes_from_the_cache_is_what_was_computed(tmp_path):
    computed = {"matrix": np.linspace(0, 1, 6, dtype=np.float16).reshape(2, 3), "number": np.float64(1 / 3)}
    computed |= {"names": np.array(["left", "Mündung"]), "empty": np.zeros((0, 4), bool)}
    path = tmp_path / "new" / "stage.npz"
    first = stage(path, {"layers": ["conv3", None]}, lambda: computed)
    assert_equal(first, {name: np.asarray(value) for name, value in computed.items()})
    assert_equal(stage(path, {"layers": ["conv3", None]}, fail), first)


def test_the_order_of_settings_does_not_matter_and_their_values_do(tmp_path):
    path = tmp_path / "stage.npz"
    stage(path, {"a": 1, "b": {"c": 2, "d": 3}}, lambda: {"value": np.zeros(1)})
    assert stage(path, {"b": {"d": 3, "c": 2}, "a": 1}, fail)["value"] == 0
    changed = stage(path, {"a": 1, "b": {"c": 2, "d": 4}}, lambda: {"value": np.ones(1)})
    assert changed["value"] == 1
    assert stage(path, {"a": 1, "b": {"c": 2, "d": 4}}, fail)["value"] == 1


def test_a_file_without_settings_is_computed_again_and_one_with_them_is_plain(tmp_path):
    write_arrays(tmp_path / "stage.npz", value=np.zeros(1))
    assert stage(tmp_path / "stage.npz", {"a": 1}, lambda: {"value": np.ones(1)})["value"] == 1
    assert load_arrays(tmp_path / "stage.npz") == {"settings": '{"a": 1}', "value": 1}


def test_a_failing_computation_and_a_full_disk_cache_nothing(tmp_path):
    with pytest.raises(AssertionError):
        stage(tmp_path / "stage.npz", {}, fail)
    with full_disk(), pytest.raises(WriteError, match=r"stage\.npz cannot be written: File too large"):
        stage(tmp_path / "stage.npz", {}, lambda: {"value": np.zeros(1)})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "damage", [lambda c: c[:80] + bytes([c[80] ^ 1]) + c[81:], lambda c: c[:-30], lambda c: b""]
)
def test_a_damaged_file_is_named_with_the_remedy(tmp_path, damage):
    """`tests/io/test_arrays.py` has all kinds of damage."""
    stage(tmp_path / "stage.npz", {}, lambda: {"value": np.arange(40.0)})
    cached_rows(tmp_path)
    for name in ("stage.npz", PARTS[3]):
        (tmp_path / name).write_bytes(damage((tmp_path / name).read_bytes()))
    with pytest.raises(InputError, match=r"stage\.npz is (damaged|empty).*; remove it to compute it again$"):
        stage(tmp_path / "stage.npz", {}, fail)
    with pytest.raises(InputError, match=r"rows_00006\.npz is (damaged|empty).*; remove it"):
        cached_rows(tmp_path, fail)


def test_parts_are_joined_in_order(tmp_path):
    found = cached_rows(tmp_path)
    assert_equal(found, rows(range(COUNT)))
    assert sorted(path.name for path in tmp_path.iterdir()) == PARTS
    assert_equal(cached_rows(tmp_path, fail), found)


@pytest.mark.parametrize(
    ("count", "part", "expected"),
    [
        (6, 3, [range(3), range(3, 6)]),
        (7, 3, [range(3), range(3, 6), range(6, 7)]),
        (2, 5, [range(2)]),
        (0, 5, [range(0)]),
    ],
)
def test_every_item_is_in_one_part(tmp_path, count, part, expected):
    asked = []

    def compute(items):
        asked.append(items)
        return {"item": np.array(items, int)}

    found = cached_in_parts(tmp_path, "items", {}, compute, count=count, part=part)
    assert asked == expected
    assert found["item"].tolist() == list(range(count))


def asking(asked):
    """Return a function that computes rows and notes the first item of each part."""

    def compute(items):
        asked.append(items.start)
        return rows(items)

    return compute


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.runtime.test_stages import cached_rows, rows
def compute(items):
    if items.start == 6:
        os.kill(os.getpid(), signal.SIGKILL)
    return rows(items)
cached_rows(Path(sys.argv[1]), compute)
"""


def test_a_killed_process_loses_no_part_that_was_cached(tmp_path):
    assert end(start("-c", KILLED, tmp_path / "parts")) == (-signal.SIGKILL, "", "")
    asked = []
    assert_equal(cached_rows(tmp_path / "parts", asking(asked)), rows(range(COUNT)))
    assert asked == [6, 8, 10]
    assert sorted(path.name for path in (tmp_path / "parts").iterdir()) == PARTS


@pytest.mark.parametrize("changed", [{"settings": {"layer": "conv3"}}, {"count": COUNT - 1}])
def test_other_settings_or_another_count_compute_every_part_again(tmp_path, changed):
    cached_rows(tmp_path)
    asked = []
    found = cached_rows(tmp_path, asking(asked), **changed)
    assert asked == list(range(0, changed.get("count", COUNT), 2))
    assert_equal(found, rows(range(changed.get("count", COUNT))))


def test_parts_are_computed_one_by_one_when_they_are_indexed(tmp_path):
    asked = []
    parts = CachedParts(tmp_path, "rows", {}, asking(asked), COUNT, 2)
    assert asked == []
    assert_equal(parts[3], rows(range(6, 8)))
    assert asked == [6]
    assert [part.keys() for part in parts] == [rows(range(1)).keys()] * len(parts)
    assert asked == [6, 0, 2, 4, 8, 10]
    with pytest.raises(IndexError):
        parts[6]


class Total(NamedTuple):
    """A sum of squares of numbers that are not exact in binary, as the state of an accumulation."""

    value: np.ndarray

    def arrays(self):
        return {"value": self.value}

    def restored(self, arrays):
        return Total(arrays["value"])


def totals(path, stops, *, stop_at=None, settings=None, every_s=0.0):
    """Sum up the squares of tenths; raise before block ``stop_at``; return totals and blocks added."""
    added = []

    def step(total, number):
        if number == stop_at:
            raise KeyboardInterrupt
        added.append(number)
        return Total(total.value + np.float32((number / 10) ** 2))

    start = Total(np.zeros(2, np.float32))
    found = {}
    try:
        for stop, total in accumulate(path, settings or {}, step, start=start, stops=stops, every_s=every_s):
            found[stop] = total.value.tobytes()
    except KeyboardInterrupt:
        pass
    return found, added


@pytest.mark.parametrize(("every_s", "continued_at"), [(0.0, 7), (1000.0, 4)])
def test_a_killed_accumulation_continues_from_the_last_saved_sums(tmp_path, every_s, continued_at):
    path = tmp_path / "sums.npz"
    expected, added = totals(path, [4, 9, 12])
    assert added == list(range(12))
    assert not path.exists()
    found, _ = totals(path, [4, 9, 12], stop_at=7, every_s=every_s)
    assert found == {4: expected[4]}
    found, added = totals(path, [9, 12])
    assert added == list(range(continued_at, 12))
    assert found == {9: expected[9], 12: expected[12]}


def test_sums_of_more_blocks_or_other_settings_are_not_used(tmp_path):
    path = tmp_path / "sums.npz"
    expected, _ = totals(tmp_path / "other.npz", [4, 9])
    totals(path, [4, 9], stop_at=7)
    found, added = totals(path, [4, 9])
    assert found == expected
    assert added == list(range(9))
    totals(path, [4, 9], stop_at=7)
    assert totals(path, [9], settings={"layer": "conv3"})[1] == list(range(9))


def test_stops_that_do_not_rise_are_refused(tmp_path):
    for stops in ([0, 3], [3, 3], [5, 2]):
        with pytest.raises(InputError, match="rising numbers of at least 1"):
            totals(tmp_path / "sums.npz", stops)
    assert totals(tmp_path / "sums.npz", []) == ({}, [])
