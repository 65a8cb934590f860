"""One process at a time: waiting, taking over after a kill, and leaving nothing behind."""

import os
import signal
import stat
import subprocess

import pytest

from convcorr_jax.errors import InputError
from convcorr_jax.io import file_lock
from tests.builders.processes import end, start

# Adds a line to a file twice; two at once without a lock would mix their lines.
TURN = """
import sys, time
from pathlib import Path
from convcorr_jax.io import file_lock
out = Path(sys.argv[1])
with file_lock(out / ".lock"):
    for line in ("begun\\n", ""):
        with (out / "log").open("a") as log:
            log.write(sys.argv[2])
        print(line, end="", flush=True)
        time.sleep(float(sys.argv[3]))
"""


def test_the_second_process_waits_and_names_the_first(tmp_path):
    first = start("-c", TURN, tmp_path, "a", 3)
    assert first.stdout.readline() == "begun\n"
    assert end(start("-c", TURN, tmp_path, "b", 0)) == (
        0,
        "begun\n",
        f"waiting for process {first.pid} of {os.uname().nodename} (-c {tmp_path.name}), "
        f"which uses {tmp_path}\n",
    )
    assert end(first).status == 0
    assert (tmp_path / "log").read_text() == "aabb"
    assert os.listdir(tmp_path) == ["log"]


def test_the_lock_of_a_killed_process_is_taken_over(tmp_path):
    first = start("-c", TURN, tmp_path, "a", 60)
    assert first.stdout.readline() == "begun\n"
    end(first, signal.SIGKILL)
    assert (tmp_path / ".lock").exists()
    said = []
    with file_lock(tmp_path / ".lock", report=said.append):
        assert str(os.getpid()) in (tmp_path / ".lock").read_text()
    assert said == []
    assert os.listdir(tmp_path) == ["log"]


def test_many_at_once_take_turns(tmp_path):
    processes = [start("-c", TURN, tmp_path, letter, 0.05) for letter in "abcd"]
    assert [end(process).status for process in processes] == [0] * 4
    text = (tmp_path / "log").read_text()
    assert sorted(text[::2]) == sorted(text[1::2]) == list("abcd")
    assert text[::2] == text[1::2]
    assert os.listdir(tmp_path) == ["log"]


def test_an_error_releases_the_lock(tmp_path):
    for _ in range(2):
        with pytest.raises(ValueError, match="lost"), file_lock(tmp_path / ".lock"):
            raise ValueError("lost")
    assert os.listdir(tmp_path) == []


def test_what_stands_in_place_of_the_lock_is_refused_and_stays(tmp_path):
    """A link would let the holder's name overwrite what it names."""
    (tmp_path / "letter").write_text("dear")
    os.mkfifo(tmp_path / "pipe")
    for target in ("letter", "new"):
        (tmp_path / f"to-{target}").symlink_to(tmp_path / target)
    refused = {"pipe": "is a", ".": "is a", "to-letter": "cannot be", "to-new": "cannot be"}
    for name, sentence in refused.items():
        with pytest.raises(InputError, match=sentence), file_lock(tmp_path / name):
            pass
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    assert (tmp_path / "letter").read_text() == "dear"
    assert sorted(os.listdir(tmp_path)) == ["letter", "pipe", "to-letter", "to-new"]


def test_a_text_in_the_lock_file_of_others_is_shown_without_control_characters(tmp_path):
    lock = tmp_path / ".lock"
    holder = subprocess.Popen(
        ["flock", str(lock), "sh", "-c", "echo begun; sleep 1"], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "begun\n"
    lock.write_bytes(b"\x1b[31mred\n\xff" + b"x" * 1000)
    said = []
    with file_lock(lock, report=said.append):
        pass
    holder.communicate()
    assert said == [f"waiting for [31mred\ufffd{'x' * 190}, which uses {tmp_path}"]
