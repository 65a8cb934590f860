"""Checks of files before they are read or written, and the folders of a user's files."""

import contextlib
import os
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from convcorr_jax.errors import InputError
from convcorr_jax.io.atomic import check_writable

# Paths have one slash where addresses have two.
_ADDRESS = re.compile(r"(https?:)/+(.*)", re.DOTALL)


def check_file(path: Path, kind: str, *, most_bytes: int | None = None) -> None:
    """Refuse a path that is not a readable, non-empty file, or one of over ``most_bytes``.

    Messages name the ``kind`` of content, such as "image", that is expected.
    """
    try:
        exists = path.exists()
    except OSError as error:
        raise InputError(f"{path} may not be read: {error.strerror}") from error
    if not exists and (address := _ADDRESS.match(str(path))):
        raise InputError(
            f"{address[1]}//{address[2]} is an address; download the file first, and give its path"
        )
    if not exists:
        article = "an" if kind[0] in "aeiou" else "a"
        raise InputError(f"{path} does not exist; {article} {kind} file is expected")
    if not path.is_file():
        raise InputError(f"{path} is not a file")
    if not os.access(path, os.R_OK):
        raise InputError(f"{path} may not be read: permission denied")
    size = path.stat().st_size
    if size == 0:
        raise InputError(f"{path} is empty")
    if most_bytes is not None and size > most_bytes:
        raise InputError(f"{path} has {size} bytes; a {kind} file has at most {most_bytes}")


def check_parent(path: Path) -> None:
    """Refuse a file or folder to be written if the folder that holds it is missing, as after a typing error."""
    if not path.parent.exists():
        raise InputError(f"{path} cannot be written: there is no folder {path.parent}")


def check_outputs(
    written: Iterable[Path | None], *, read: Iterable[Path | None], folder: Path | None = None
) -> None:
    """Refuse files to be written that are also read, that are written twice, or that cannot be written.

    The folders of the files must be there; one that they share, ``folder``, may be created in one that is.
    Two paths are of one file if links lead to it or if it does not exist yet, too. A folder that is read stands
    for all of its files; None is for a file that is not read or written. Nothing is created.
    """
    inputs = {name: path for path in read if path is not None for name in _names(path)}
    outputs: dict[object, Path] = {}
    for path in written:
        if path is None:
            continue
        for name in _names(path):
            if name in inputs:
                raise InputError(f"output {path} would overwrite {inputs[name]}, which is read")
            if outputs.setdefault(name, path) is not path:
                raise InputError(f"output {path} would overwrite {outputs[name]}, another output")
        for parent in Path(os.path.realpath(path)).parents if path.is_file() else ():
            if str(parent) in inputs:
                raise InputError(f"output {path} would overwrite a file of {parent}, which is read")
    for path in outputs.values():
        check_writable(path)
        check_parent(folder if folder is not None and path.parent == folder else path)


def _names(path: Path) -> Iterator[object]:
    """Yield what is equal for all paths of a file: the path without links, and the number of the file."""
    yield os.path.realpath(path)
    with contextlib.suppress(OSError):
        status = path.stat()
        yield status.st_dev, status.st_ino


# For each system: the environment variable, and where the folder is under the home folder without it.
_FOLDERS = {
    "cache": {
        "win32": ("LOCALAPPDATA", "AppData/Local"),
        "darwin": (None, "Library/Caches"),
        "linux": ("XDG_CACHE_HOME", ".cache"),
    },
    "data": {
        "win32": ("LOCALAPPDATA", "AppData/Local"),
        "darwin": (None, "Library/Application Support"),
        "linux": ("XDG_DATA_HOME", ".local/share"),
    },
}


def user_folder(kind: Literal["cache", "data"]) -> Path:
    """Return this package's folder among the user's; it may not exist.

    The user's folders are ``$XDG_CACHE_HOME`` or ``~/.cache`` and ``$XDG_DATA_HOME`` or ``~/.local/share``; on
    macOS ``~/Library/Caches`` and ``~/Library/Application Support``; on Windows ``%LOCALAPPDATA%``. A
    `RuntimeError` says that the user has no home folder.
    """
    of_kind = _FOLDERS[kind]
    variable, default = of_kind.get(sys.platform, of_kind["linux"])
    chosen = Path(os.environ.get(variable, "")) if variable else Path()
    # The XDG base directory specification ignores relative paths.
    return (chosen if chosen.is_absolute() else Path.home() / default) / "convcorr_jax"
