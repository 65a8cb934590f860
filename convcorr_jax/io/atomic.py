"""Writing files completely or not at all.

A file is written under a temporary name beside its final one and renamed at the end, so that a crash or a full
disk leaves no incomplete file.
"""

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from convcorr_jax.errors import InputError, WriteError

# The system's errors that mean a wrong path; all others mean that writing to a right one failed.
_WRONG_PATH = frozenset(
    {
        *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY),
        *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL),
    }
)


@contextlib.contextmanager
def writing_to(path: str | Path) -> Iterator[None]:
    """Name the path in every system error that a ``with`` block meets while it writes there.

    Args:
        path: the file or folder that the block writes.

    Raises:
        InputError: the path is wrong: a folder is missing, is not a folder, or may not be written.
        WriteError: writing failed, for example because the disk is full.
    """
    try:
        yield
    except WriteError:
        raise
    except OSError as error:
        kind = InputError if error.errno in _WRONG_PATH else WriteError
        raise kind(f"{path} cannot be written: {error.strerror or error}") from error


def check_writable(path: str | Path) -> None:
    """Refuse a path at which no file could be written, before work is done for it; create nothing.

    Args:
        path: the file to be written later.

    Raises:
        InputError: the path is a folder, a device or a pipe; or its folder does not exist and cannot be
            created, or may not be written.
        WriteError: the disk is full or failed.
    """
    path = Path(path)
    with writing_to(path):
        _check_regular(path)
        nearest = next(folder for folder in path.absolute().parents if folder.exists())
        if not nearest.is_dir():
            raise InputError(f"{path} cannot be written: {nearest} is not a folder")
        with tempfile.TemporaryFile(dir=nearest):
            pass


@contextlib.contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; at the end of the ``with`` block rename it to ``path``.

    When the block raises an error, the temporary file is removed and ``path`` stays as it was. A symbolic link
    stays, too: the file that it names is written.

    Args:
        path: the file to be written. Its folder is created if necessary.

    Yields:
        The temporary path, an empty file with the ending of ``path``.

    Raises:
        InputError: the path is a folder, a device or a pipe; or its folder cannot be created, or may not be
            written.
        WriteError: writing failed, for example because the disk is full.
    """
    path = Path(path)
    with writing_to(path):
        _check_regular(path)
        path = Path(os.path.realpath(path)) if path.is_symlink() else path
    make_folder(path.parent)
    with writing_to(path.parent):
        handle, name = tempfile.mkstemp(
            prefix=f".{path.stem}.", suffix=path.suffix, dir=path.parent
        )
    os.close(handle)
    temporary = Path(name)
    try:
        with writing_to(path):
            yield temporary
            # mkstemp makes a private file; the umask decides on permissions, as for any other file.
            umask = os.umask(0)
            os.umask(umask)
            temporary.chmod(0o666 & ~umask)
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _check_regular(path: Path) -> None:
    """Refuse a path at which something but a regular file exists: a device, once replaced, is lost."""
    if path.is_dir():
        raise InputError(f"{path} is a folder; a file name is expected")
    if path.exists() and not path.is_file():
        raise InputError(f"{path} is a device, a pipe or a socket; a file name is expected")


def make_folder(folder: str | Path) -> Path:
    """Create a folder, with its parents, unless it exists; check that files can be written into it.

    Args:
        folder: the folder.

    Returns:
        The folder's path.

    Raises:
        InputError: the folder cannot be created or may not be written.
        WriteError: the disk is full or failed.
    """
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

    This is for files that grow and whose valid length is recorded elsewhere.

    Args:
        path: the file; it is created if it does not exist.
        start: the position of the first byte, counted from the beginning of the file.
        content: the bytes.

    Raises:
        InputError: the path is wrong.
        WriteError: writing failed, for example because the disk is full.
    """
    with writing_to(path):
        _check_regular(path)
    with writing_to(path), path.open("r+b" if path.exists() else "w+b") as stream:
        stream.seek(start)
        stream.write(content)
        stream.truncate()
        stream.flush()
        os.fsync(stream.fileno())
