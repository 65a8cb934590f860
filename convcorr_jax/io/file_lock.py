"""One process at a time in a folder: the others wait for their turn.

Where the system has no locks (see `convcorr_jax.io.atomic`), processes do not wait for each other.
"""

import contextlib
import errno
import os
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from convcorr_jax.io.atomic import check_regular, is_same_file, make_folder, try_lock, writing_to

_NO_LOCKS = (errno.ENOTSUP, errno.ENOLCK, errno.ENOSYS)
# Bytes of a lock file that are shown.
_MOST_SHOWN = 200


@contextlib.contextmanager
def file_lock(path: Path, *, report: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold a lock during a ``with`` block, after waiting for the process that holds it.

    The lock is a file that names its holder and is removed at the end; its folder is created if necessary. That
    of a process that was killed is taken over. Before waiting, ``report`` is called with one sentence, which
    names the holder; by default it is written to the error stream.
    """
    make_folder(path.parent)
    with writing_to(path.parent):
        check_regular(path)
        descriptor = _locked(path, report or _write_line)
        try:
            os.truncate(descriptor, 0)
            command = " ".join(os.path.basename(word) for word in sys.argv[:2])
            holder = f"process {os.getpid()} of {socket.gethostname()} ({command})"
            os.pwrite(descriptor, holder.encode(errors="replace"), 0)
        except OSError:
            _release(path, descriptor)
            raise
    try:
        yield
    finally:
        _release(path, descriptor)


def _locked(path: Path, report: Callable[[str], None]) -> int:
    """Open and lock a file that its holder may remove meanwhile; return its descriptor."""
    reported = False
    while True:
        # A link in place of the file would let the name of this process overwrite what it names.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        try:
            if not try_lock(descriptor):
                if not reported:
                    report(f"waiting for {_holder(descriptor)}, which uses {path.parent}")
                    reported = True
                try_lock(descriptor, wait=True)
            if is_same_file(path, descriptor):
                return descriptor
        except OSError as error:
            if error.errno in _NO_LOCKS:
                return descriptor
            os.close(descriptor)
            raise
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _write_line(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")


def _release(path: Path, descriptor: int) -> None:
    # Removed before it is unlocked, so that a process that waits does not take over a file without a name.
    path.unlink(missing_ok=True)
    os.close(descriptor)


def _holder(descriptor: int) -> str:
    text = os.pread(descriptor, _MOST_SHOWN, 0).decode(errors="replace")
    return "".join(one for one in text if one.isprintable()) or "another process"
