"""One way to end: each program of the package exits with a status and, after an error, one sentence.

======  ==================================================================================================
status  meaning
======  ==================================================================================================
0       success; ``convcorr datasets check`` exits with 1 after findings that change scores
1       the input is right and the program failed: a full disk, a closed pipe, a lost device, a loss that
        is not finite, or a defect of the program
2       the input is wrong
130     interrupted (Ctrl-C, SIGINT)
143     terminated (SIGTERM)
======  ==================================================================================================

A traceback is printed only with ``--debug``, also of exceptions in callbacks, which Python reports. Signals
raise exceptions, so that context managers remove what is written in part; a second signal ends the process at
once, and so does a signal during an import, which may turn any exception into another one. Text of files and
options, which error messages contain, is printed without control characters and cut.
"""

import contextlib
import errno
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, NoReturn

from convcorr_jax.errors import InputError, NumericalError, WriteError

FAILED, WRONG_INPUT, INTERRUPTED, TERMINATED = 1, 2, 130, 143
"""The exit statuses of programs that do not succeed."""

DEBUG = "--debug"

_MOST_CHARACTERS = 1000
"""The greatest length of a sentence on the error stream; hostile files have names of any length."""

# Until a signal is received again that was lost in a callback.
_AGAIN_S = 0.05
# The system's errors of a stream without a name: a full disk or device, or a closed stream.
_OF_STREAMS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EBADF})

_STATUSES = {signal.SIGINT: INTERRUPTED, signal.SIGTERM: TERMINATED}


class Terminated(BaseException):
    """The process received SIGTERM. Like `KeyboardInterrupt`, it is no `Exception`."""


def run_guarded(program: Callable[[], int], *, name: str | None = None, debug: bool = False) -> int:
    """Run a program and return its exit status; after an error, write one sentence to the error stream.

    ``name`` stands before the sentence; ``debug`` also writes the traceback. Closed standard streams are
    replaced by the null device, and characters that they cannot encode are escaped. `SystemExit`, as after
    ``--help``, passes.
    """
    _repair_streams()
    report = sys.unraisablehook
    # What callbacks of libraries raise is lost to the program; its traceback explains nothing to a user.
    sys.unraisablehook = report if debug else _ignore
    try:
        with _signals_raise():
            status = _flushed(program)
    except SystemExit:
        raise
    except BaseException as error:
        status, sentence = _status_and_sentence(error)
        if debug:
            _complain(traceback.format_exc())
        if sentence:
            _complain(one_line(f"{name}: {sentence}" if name else sentence) + "\n")
        with contextlib.suppress(OSError):
            _flush()
    finally:
        sys.unraisablehook = report
    return status


def _ignore(_: Any) -> None:
    """Report nothing of an exception that cannot be raised."""


def one_line(text: str) -> str:
    r"""Return a message as one line of printable characters, cut to `_MOST_CHARACTERS`.

    >>> one_line("first\n  second\x1b[2J")
    'first second [2J'
    """
    words = "".join(one if one.isprintable() else " " for one in text[: 2 * _MOST_CHARACTERS]).split()
    line = " ".join(words)
    return line if len(line) <= _MOST_CHARACTERS else f"{line[: _MOST_CHARACTERS - 4]} ..."


def exit_process(status: int) -> NoReturn:
    """End the process after `run_guarded`.

    Threads of a program that a signal has stopped may still compute, and JAX would wait for other hosts: the
    process does not wait for them, and ends its child processes.
    """
    jax = sys.modules.get("jax")
    has_hosts = jax is not None and jax.distributed.is_initialized()
    if status in _STATUSES.values() or (status and has_hosts):
        if "multiprocessing" in sys.modules:
            for child in sys.modules["multiprocessing"].active_children():
                child.terminate()
        os._exit(status)
    exit_on_signals()
    sys.unraisablehook = _ignore
    sys.exit(status)


@contextlib.contextmanager
def postponed_termination() -> Iterator[Callable[[], bool]]:
    """Yield a function that returns whether SIGTERM has come; a second one ends the process.

    A loop that finds so ends where nothing is lost, and raises `Terminated`.
    """
    received: list[int] = []

    def receive(number: int, _: FrameType | None) -> None:
        if received:
            os._exit(TERMINATED)
        received.append(number)

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = signal.signal(signal.SIGTERM, receive)
    try:
        yield lambda: bool(received)
    finally:
        signal.signal(signal.SIGTERM, before)


def exit_status(error: BaseException) -> int:
    """Return the exit status of a program that an error ended, see the table of this module."""
    return _status_and_sentence(error)[0]


def exit_on_signals() -> None:
    """Let SIGINT and SIGTERM end the process without a traceback, while a program begins or ends."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number in _handled_signals():
        signal.signal(number, lambda received, _: os._exit(_STATUSES[signal.Signals(received)]))


def _flushed(program: Callable[[], int]) -> int:
    """Run a program and write what the standard output still buffers."""
    try:
        status = program()
    except SystemExit:
        _flush()
        raise
    _flush()
    return status


def _status_and_sentence(error: BaseException) -> tuple[int, str]:
    """Return the exit status after an error, and its sentence."""
    if isinstance(error, InputError):
        return WRONG_INPUT, str(error)
    if isinstance(error, NumericalError | WriteError):
        return FAILED, str(error)
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED, ""
    if isinstance(error, Terminated):
        return TERMINATED, ""
    if isinstance(error, BrokenPipeError):
        return FAILED, "the reader of the output has ended"
    if isinstance(error, ConnectionError):
        return FAILED, str(error)
    if isinstance(error, MemoryError):
        return FAILED, "memory ran out"
    text = (str(error).strip() or "no message").splitlines()[0]
    if isinstance(error, OSError):
        if error.filename is None and error.errno in _OF_STREAMS:
            return FAILED, f"the output cannot be written: {error.strerror}"
        where = error.filename or "a file or a stream"
        return FAILED, f"{where} cannot be read or written: {error.strerror or text}"
    if type(error).__name__ in ("JaxRuntimeError", "XlaRuntimeError"):
        return FAILED, f"a device failed: {text}"
    return FAILED, (f"internal error, which {DEBUG} shows in full: {type(error).__name__}: {text}")


@contextlib.contextmanager
def _signals_raise() -> Iterator[None]:
    """Raise `KeyboardInterrupt` or `Terminated` at the first signal; end the process at the second."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []

    def receive(number: int, frame: FrameType | None) -> None:
        if received or _imports(frame):
            os._exit(_STATUSES[signal.Signals(number)])
        received.append(number)
        raise Terminated if number == signal.SIGTERM else KeyboardInterrupt

    report = sys.unraisablehook

    def again(unraisable: Any) -> None:
        """Receive a signal again whose exception was raised in a callback, from which none can be raised."""
        if not received or not isinstance(unraisable.exc_value, Terminated | KeyboardInterrupt):
            report(unraisable)
            return
        timer = threading.Timer(_AGAIN_S, os.kill, (os.getpid(), received.pop()))
        timer.daemon = True
        timer.start()

    before = {number: signal.signal(number, receive) for number in _handled_signals()}
    sys.unraisablehook = again
    try:
        yield
    finally:
        sys.unraisablehook = report
        for number, handler in before.items():
            signal.signal(number, handler)


def _imports(frame: FrameType | None) -> bool:
    """Return whether a frame was called by an import."""
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False


def _handled_signals() -> list[signal.Signals]:
    """Return the signals that this process was not started to ignore, as shells start background jobs."""
    return [number for number in _STATUSES if signal.getsignal(number) != signal.SIG_IGN]


def _repair_streams() -> None:
    """Open the null device for closed standard streams, and let text streams escape what they cannot encode."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            # The system assigns the lowest free number; else the next file that is opened would be a stream.
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "r" if name == "stdin" else "w", encoding="utf-8"))
    for stream in (sys.stdout, sys.stderr):
        # Tests replace the streams by others.
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _flush() -> None:
    """Write what the standard output buffers."""
    try:
        sys.stdout.flush()
    except OSError as error:
        # Python flushes the stream again when it exits, and would fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise
        raise WriteError(f"the output cannot be written: {error.strerror or error}") from error


def _complain(text: str) -> None:
    # Where nothing can be written, the exit status alone says that the program failed.
    with contextlib.suppress(OSError):
        sys.stderr.write(text)
        sys.stderr.flush()
