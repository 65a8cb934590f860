"""Locks of open files among processes.

A lock belongs to an open file or folder, and the operating system releases it when its process ends, however
that ends. Windows and some network file systems have no such locks.
"""

import errno
import os
import sys
from pathlib import Path

if sys.platform == "win32":
    fcntl = None
else:
    import fcntl


def try_lock(descriptor: int) -> bool:
    """Lock an open file or folder unless another process has locked it.

    Args:
        descriptor: of the open file.

    Returns:
        Whether the file is locked now, until the descriptor is closed.

    Raises:
        OSError: the system or the file system has no locks.
    """
    try:
        _lock(descriptor, wait=False)
    except BlockingIOError:
        return False
    return True


def wait_for_lock(descriptor: int) -> None:
    """Wait until no other process has locked an open file, and lock it.

    Args:
        descriptor: of the open file.

    Raises:
        OSError: the system or the file system has no locks.
    """
    _lock(descriptor, wait=True)


def is_same_file(path: Path, descriptor: int) -> bool:
    """Return whether a path still names an open file."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _lock(descriptor: int, *, wait: bool) -> None:
    if fcntl is None:
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))
    fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
