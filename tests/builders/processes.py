"""Programs in processes of their own, that end or are killed, and a disk that is full."""

import contextlib
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
# Processes that train together compile slowly on a busy machine.
_MOST_SECONDS = 900


class Ended(NamedTuple):
    """A process, or a command in this process, that has ended."""

    status: int
    out: str
    err: str


def start(*words: object, setting: str = "", cwd: Path = ROOT, **environment: str) -> subprocess.Popen[str]:
    """Start Python, which finds this package, with the words of a command line, after a shell's setting."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        ["sh", "-c", f'{setting}exec "$@"', "sh", sys.executable, *map(str, words)],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": path} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(process: subprocess.Popen[str], number: signal.Signals | None = None) -> Ended:
    """Send a signal, if there is one, and wait until the process ends."""
    if number is not None:
        process.send_signal(number)
    out, err = process.communicate(timeout=_MOST_SECONDS)
    return Ended(process.returncode, out, err)


def printed(*words: object, **environment: str) -> str:
    """Run Python, which must succeed, and return what it prints."""
    ended = end(start(*words, **environment))
    assert ended.status == 0, ended.err
    return ended.out


def is_alive(pid: object) -> bool:
    """Tell whether a process of Linux runs, which a dead one that nobody waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def free_address() -> str:
    """Return an address of this machine whose port is free."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


@contextlib.contextmanager
def full_disk(most_bytes: int = 64) -> Iterator[None]:
    """Let no file grow beyond some bytes during a ``with`` block, which fails as a full disk does."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
