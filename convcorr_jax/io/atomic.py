"""Writing files completely or not at all, and locks of open files among processes.

A file is written under a temporary name beside its final one and renamed at the end, so that a crash or a full
disk leaves no incomplete file. A temporary file is locked while it is written: one without a lock was left by a
process that was killed, and the next process that writes into its folder removes it.

A lock belongs to an open file or folder, and the operating system releases it when its process ends, however
that ends. Windows and some network file systems have no such locks: processes do not wait for each other there.

A path is wrong, which is an `InputError`, if it is a folder, a device or a pipe, or if its folder cannot be
created or may not be written. All else that fails is a `WriteError`, for example because the disk is full.
"""

import contextlib
import contextvars
import errno
import functools
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from convcorr_jax.errors import InputError, WriteError

if sys.platform == "win32":
    fcntl = None
else:
    import fcntl


def try_lock(descriptor: int, *, wait: bool = False) -> bool:
    """Lock an open file until it is closed; without ``wait``, return False if another process has locked it."""
    if fcntl is None:
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def is_same_file(path: Path, descriptor: int) -> bool:
    """Return whether a path still names an open file."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


# The beginning of the names of temporary files and folders.
_TEMPORARY = ".convcorr-"
_replaced: contextvars.ContextVar[list[Path] | None] = contextvars.ContextVar("replaced", default=None)
# The system's errors that mean a wrong path; all others mean that writing to a right one failed.
_WRONG_PATH = frozenset(
    {
        *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY),
        *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL),
    }
)


@contextlib.contextmanager
def writing_to(path: str | Path) -> Iterator[None]:
    """Name the path in every system error that a ``with`` block meets while it writes there."""
    try:
        yield
    except WriteError:
        raise
    except OSError as error:
        kind = InputError if error.errno in _WRONG_PATH else WriteError
        raise kind(f"{path} cannot be written: {error.strerror or error}") from error


@contextlib.contextmanager
def replacements() -> Iterator[list[Path]]:
    """Yield a list to which `written_whole` adds the files that it replaces during a ``with`` block."""
    replaced: list[Path] = []
    token = _replaced.set(replaced)
    try:
        yield replaced
    finally:
        _replaced.reset(token)


def check_writable(path: str | Path) -> None:
    """Refuse a path at which no file could be written, before work is done for it; create nothing."""
    path = Path(path)
    with writing_to(path):
        check_regular(path)
        nearest = next(folder for folder in path.absolute().parents if folder.exists())
        if not nearest.is_dir():
            raise InputError(f"{path} cannot be written: {nearest} is not a folder")
        with tempfile.TemporaryFile(dir=nearest):
            pass


@contextlib.contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; at the end of the ``with`` block rename it to ``path``.

    It is an empty file with the ending of ``path``, whose folder is created if necessary. When the block raises
    an error, the temporary file is removed and ``path`` stays as it was. A symbolic link stays, too: the file
    that it names is written.
    """
    path = named = Path(path)
    with writing_to(path):
        check_regular(path)
        path = Path(os.path.realpath(path)) if path.is_symlink() else path
    make_folder(path.parent)
    _remove_abandoned_once(path.parent)
    with writing_to(path.parent):
        descriptor, temporary = _locked_temporary(
            lambda: tempfile.mkstemp(prefix=_TEMPORARY, suffix=path.suffix, dir=path.parent)
        )
    try:
        with writing_to(path):
            yield temporary
            # A temporary file is private; the umask decides on permissions, as for any other file.
            umask = os.umask(0)
            os.umask(umask)
            temporary.chmod(0o666 & ~umask)
            # Else a power failure could leave the name of a file whose content is not on the disk.
            os.fsync(descriptor)
            replaced = _replaced.get()
            # A writer may complete the temporary file of another one.
            if replaced is not None and path.exists() and not path.name.startswith(_TEMPORARY):
                replaced.append(named)
            os.replace(temporary, path)
            _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    """Wait until the disk has the names of a folder's files, where the file system allows it."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def temporary_folder(parent: Path) -> Iterator[Path]:
    """Yield a new folder in ``parent``, which is created if necessary; remove it at the end."""
    make_folder(parent)
    remove_abandoned(parent)
    with writing_to(parent):
        descriptor, folder = _locked_temporary(lambda: _make_temporary_folder(parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
        os.close(descriptor)


def remove_abandoned(folder: Path) -> None:
    """Remove temporary files and folders of killed processes from a folder, not from its subfolders."""
    with writing_to(folder), os.scandir(folder) as entries:
        for entry in entries:
            is_plain = entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False)
            if entry.name.startswith(_TEMPORARY) and is_plain:
                _remove_unless_locked(Path(entry.path))


_remove_abandoned_once = functools.lru_cache(maxsize=None)(remove_abandoned)


def _remove_unless_locked(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        if not _is_free(descriptor):
            return
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def _is_free(descriptor: int) -> bool:
    """Lock an open file if no other process has locked it; without locks, none is known to be free."""
    try:
        return try_lock(descriptor)
    except OSError:
        return False


def _locked_temporary(make: Callable[[], tuple[int, str]]) -> tuple[int, Path]:
    """Create and lock a temporary file or folder; return its descriptor and path."""
    while True:
        descriptor, name = make()
        path = Path(name)
        try:
            is_locked = try_lock(descriptor)
        except OSError:
            # Without locks nothing is ever found to be abandoned.
            return descriptor, path
        if is_locked and is_same_file(path, descriptor):
            return descriptor, path
        # Another process has removed it before it was locked.
        os.close(descriptor)


def _make_temporary_folder(parent: Path) -> tuple[int, str]:
    while True:
        folder = tempfile.mkdtemp(prefix=_TEMPORARY, dir=parent)
        # Another process may have removed it before it was opened.
        with contextlib.suppress(FileNotFoundError):
            return os.open(folder, os.O_RDONLY), folder


def check_regular(path: Path) -> None:
    """Refuse a path at which something but a regular file exists: a device, once replaced, is lost."""
    if path.is_dir():
        raise InputError(f"{path} is a folder; a file name is expected")
    if path.exists() and not path.is_file():
        raise InputError(f"{path} is a device, a pipe or a socket; a file name is expected")
    if os.path.islink(os.path.realpath(path)):
        raise InputError(f"{path} is a link that leads back to itself; a file name is expected")


def make_folder(folder: str | Path) -> Path:
    """Create a folder with its parents unless it exists, check that it can be written into, and return it."""
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        kind = InputError if error.errno in _WRONG_PATH else WriteError
        raise kind(f"folder {folder} cannot be created: {error.strerror}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"folder {folder} cannot be written: permission denied")
    return folder


def write_at(path: Path, start: int, content: bytes) -> None:
    """Write bytes at a position of a file, remove what follows them, and wait until the disk has them.

    This is for files that grow and whose valid length is recorded elsewhere. The file is created if it does not
    exist.
    """
    with writing_to(path):
        check_regular(path)
    with writing_to(path), path.open("r+b" if path.exists() else "w+b") as stream:
        stream.seek(start)
        stream.write(content)
        stream.truncate()
        stream.flush()
        os.fsync(stream.fileno())


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
