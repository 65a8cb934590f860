"""Every program ends with a status and at most one sentence, whatever ends it."""

import errno
import os
import pwd
import signal
import sys
import time

import pytest

from convcorr_jax.backbone.weights import find, loading
from convcorr_jax.cli import main
from convcorr_jax.errors import InputError, NumericalError, WriteError
from convcorr_jax.runtime import Terminated, exit_status, run_guarded
from tests.builders.processes import end, start


class JaxRuntimeError(RuntimeError):
    """What JAX raises for a lost device has this name."""


ENDINGS = [
    (InputError("--count is 0; at least 1 is expected"), 2, "--count is 0; at least 1 is expected"),
    (NumericalError("the loss of step 3 is nan"), 1, "the loss of step 3 is nan"),
    (WriteError("a.json cannot be written: it\nbroke"), 1, "a.json cannot be written: it broke"),
    (OSError(errno.EIO, "Input/output error", "a.npz"), 1, "a.npz cannot be read or written: "),
    (OSError(errno.ENOSPC, "No space left on device"), 1, "the output cannot be written: No space"),
    (OSError(errno.ENOLCK, "No locks available"), 1, "a file or a stream cannot be read or"),
    (BrokenPipeError(errno.EPIPE, "Broken pipe"), 1, "the reader of the output has ended"),
    (MemoryError(), 1, "memory ran out"),
    (JaxRuntimeError("INTERNAL: lost\nat 0x5"), 1, "a device failed: INTERNAL: lost"),
    (ZeroDivisionError("by zero"), 1, "internal error, which --debug shows in full: ZeroDivision"),
    (KeyError(), 1, "internal error, which --debug shows in full: KeyError: no message"),
    (KeyboardInterrupt(), 130, ""),
    (Terminated(), 143, ""),
]


def raising(error):
    def program():
        raise error

    return program


@pytest.mark.parametrize(
    ("error", "status", "sentence"), ENDINGS, ids=[type(case[0]).__name__ for case in ENDINGS]
)
def test_every_error_is_a_status_and_at_most_one_line(capsys, error, status, sentence):
    assert run_guarded(raising(error), name="prog") == exit_status(error) == status
    out, err = capsys.readouterr()
    assert out == ""
    if sentence:
        assert err.startswith(f"prog: {sentence}")
        assert err.count("\n") == 1
        assert "Traceback" not in err
    else:
        assert err == ""


class RaisesAtItsEnd:
    def __del__(self):
        raise RuntimeError("event loop is closed")


@pytest.mark.parametrize("debug", [False, True])
def test_exceptions_of_callbacks_are_reported_for_debugging_alone(capsys, monkeypatch, debug):
    """Python reports them by a hook, as of objects that end, and of threads of TensorStore on a full disk."""
    monkeypatch.setattr(sys, "unraisablehook", sys.__unraisablehook__)

    def program():
        RaisesAtItsEnd()
        raise WriteError("a.npz cannot be written: the disk is full")

    assert run_guarded(program, debug=debug) == 1
    err = capsys.readouterr().err
    assert ("event loop is closed" in err) == debug
    assert ("Traceback (most recent call last)" in err) == debug
    assert err.endswith("a.npz cannot be written: the disk is full\n")
    assert debug or err.count("\n") == 1
    assert sys.unraisablehook is sys.__unraisablehook__


def test_a_status_is_returned_an_exit_passed_on_and_handlers_are_restored():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert run_guarded(lambda: 7) == 7
    with pytest.raises(SystemExit) as leaving:
        run_guarded(raising(SystemExit(0)))
    assert leaving.value.code == 0
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


PROGRAM = """
import sys, time
from convcorr_jax.io import written_whole
from convcorr_jax.runtime import exit_process, run_guarded

def program():
    with written_whole(sys.argv[1]) as temporary:
        temporary.write_text("half")
        try:
            print("begun", flush=True)
            time.sleep(60)
        finally:
            {cleaning}
    return 0

exit_process(run_guarded(program))
"""


def started(program, path, *, setting=""):
    """Start a program that prints that it has begun."""
    process = start("-c", program, path, setting=setting)
    assert process.stdout.readline() == "begun\n"
    return process


SIGNALS = pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])


@SIGNALS
def test_a_signal_ends_a_program_after_it_has_cleaned_up(tmp_path, number, status):
    assert end(started(PROGRAM.format(cleaning="pass"), tmp_path / "a.txt"), number) == (status, "", "")
    assert list(tmp_path.iterdir()) == []


def test_a_second_signal_does_not_wait_for_cleaning(tmp_path):
    cleaning = "print('cleaning', flush=True); time.sleep(60)"
    process = started(PROGRAM.format(cleaning=cleaning), tmp_path / "a.txt")
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "cleaning\n"
    assert end(process, signal.SIGTERM) == (143, "", "")


def test_a_signal_that_the_shell_ignores_stays_ignored(tmp_path):
    process = started(PROGRAM.format(cleaning="pass"), tmp_path / "a.txt", setting="trap '' INT; ")
    process.send_signal(signal.SIGINT)
    time.sleep(0.2)
    assert process.poll() is None
    assert end(process, signal.SIGTERM).status == 143


@pytest.mark.parametrize(
    ("script", "number", "status"),
    [("eval.pose", signal.SIGINT, 130), ("train.pose_cascade", signal.SIGTERM, 143)],
)
def test_a_script_that_is_still_importing_ends_without_a_traceback(script, number, status):
    # The script's modules are imported one after another, which takes seconds.
    process = start("-X", "importtime", "-m", script)
    # The package of the script, which sets the handlers, is imported before the script's modules.
    assert any(line.split()[-1] == script.partition(".")[0] for line in process.stderr)
    ended = end(process, number)
    assert ended.status == status
    assert "Traceback" not in ended.err


IN_CALLBACK = """
import gc, time
from convcorr_jax.runtime import exit_process, run_guarded

def program():
    def callback(phase, _):
        if phase == "start":
            print("begun", flush=True)
            time.sleep(1)
    gc.callbacks.append(callback)
    gc.collect()
    gc.callbacks.clear()
    time.sleep(60)

exit_process(run_guarded(program))
"""

IN_IMPORT = """
import sys
from convcorr_jax.runtime import exit_process, run_guarded

def program():
    sys.path.insert(0, sys.argv[1])
    import slow_to_import

exit_process(run_guarded(program))
"""

IN_COMMAND = """
import sys, time

class SlowToFind:
    def find_spec(self, name, *_):
        if name == "convcorr_jax.cli":
            print("begun", flush=True)
            time.sleep(60)

sys.meta_path.insert(0, SlowToFind())
from convcorr_jax.__main__ import main
main()
"""

# As NumPy does when its compiled part cannot be imported.
SLOW = """
import time
try:
    print("begun", flush=True)
    time.sleep(60)
except BaseException as error:
    raise ImportError("it is broken") from error
"""


@SIGNALS
@pytest.mark.parametrize(
    "program", [IN_CALLBACK, IN_IMPORT, IN_COMMAND], ids=["callback", "import", "import of the command"]
)
def test_a_signal_is_not_lost_where_exceptions_are(tmp_path, program, number, status):
    """Python drops what callbacks of its garbage collector raise; imports may change it."""
    (tmp_path / "slow_to_import.py").write_text(SLOW)
    assert end(started(program, tmp_path), number) == (status, "", "")


def test_hostile_text_reaches_the_terminal_in_part_and_without_controls(capsys):
    run_guarded(raising(InputError(f"\x1b[2J\x1b]0;title\x07 {'long ' * 10**6}")))
    err = capsys.readouterr().err
    assert err.startswith("[2J ]0;title long long")
    assert err.endswith(" ...\n")
    assert len(err) <= 1001
    assert err[:-1].isprintable()


def convcorr(*words, **options):
    return end(start("-m", "convcorr_jax", *words, **options))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
def test_a_full_disk_behind_the_output_is_one_sentence():
    for words in (["weights", "list"], ["--help"]):
        ended = convcorr(*words, setting="exec >/dev/full; ")
        assert (ended.status, ended.err.count("\n")) == (1, 1)
        assert "cannot be " in ended.err
    assert "No space left" in ended.err
    # Where the sentence cannot be written either, the status remains.
    assert convcorr("weights", "lost", setting="exec 2>/dev/full; ").status == 2


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_closed_stream_is_the_null_device(number):
    ended = convcorr("weights", "list", setting=f"exec {number}>&-; ")
    assert (ended.status, ended.err, bool(ended.out)) == (0, "", number != 1)


def test_characters_that_the_terminal_lacks_are_escaped(tmp_path):
    words = ("pck", "--predictions", "a.json", "--ground-truth", tmp_path / "ü.json")
    ended = convcorr(*words, PYTHONIOENCODING="ascii:strict")
    assert ended.status == 2
    assert "\\xfc.json does not exist" in ended.err
    assert "Traceback" not in ended.err


def test_a_user_without_a_home_folder_gets_one_sentence(monkeypatch, capsys):
    def unknown(_):
        raise KeyError("uid not found")

    monkeypatch.delenv("HOME")
    monkeypatch.delenv("CONVCORR_WEIGHTS", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    assert main(argv=["weights", "list"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "set CONVCORR_WEIGHTS" in err
    assert err.count("\n") == 1
    # Weights that a package has installed are found all the same.
    assert find("alexnet") == loading.find_packaged("alexnet")
