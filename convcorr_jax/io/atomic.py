"""Writing files whole or not at all.

Writing goes to a temporary name beside the target and is renamed at the end, so that a crash or a full disk
leaves nothing half-written.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from convcorr_jax.errors import InputError


def check_writable(path: str | Path) -> None:
    """Refuse a path at which no file could be written, before work is done for it; leaves no trace.

    Raises:
        InputError: it is a folder, or its folder is not there and cannot be made, or cannot be written.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise InputError(f"{path} is a folder; a file name is expected")
        nearest = next(folder for folder in path.absolute().parents if folder.exists())
        if not nearest.is_dir():
            raise InputError(f"{path} cannot be written: {nearest} is not a folder")
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}") from error


@contextlib.contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; on success rename it to ``path``, else remove it.

    Raises:
        InputError: the folder does not exist and cannot be made, or cannot be written.
    """
    path = Path(path)
    if os.path.isdir(path):
        raise InputError(f"{path} is a folder; a file name is expected")
    make_folder(path.parent)
    # mkstemp keeps the file private; the umask decides, as for any other file.
    try:
        handle, name = tempfile.mkstemp(
            prefix=f".{path.stem}.", suffix=path.suffix, dir=path.parent
        )
    except OSError as error:
        raise InputError(f"{path.parent} cannot be written: {error.strerror}") from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def make_folder(folder: str | Path) -> Path:
    """Make a folder that can be written, with its parents, unless it is there already.

    Raises:
        InputError: it cannot be made or written.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"folder {folder} cannot be made: {error.strerror}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"folder {folder} cannot be written: permission denied")
    return folder


def write_at(path: Path, start: int, content: bytes) -> None:
    """Write at a place of a file, cut off what lies behind, and wait until the disk has it.

    For files that grow and whose good part is told elsewhere; one that is not there is made.

    Raises:
        InputError: it cannot be written.
    """
    try:
        with path.open("r+b" if path.exists() else "w+b") as stream:
            stream.seek(start)
            stream.write(content)
            stream.truncate()
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}") from error
