"""Checks of files before they are read, and of all that a command writes before any work is done."""

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from convcorr_jax.errors import InputError
from convcorr_jax.io.atomic import check_writable


def check_file(path: Path, kind: str, *, most_bytes: int | None = None) -> None:
    """Refuse a path that is not a readable, non-empty file, or one of over ``most_bytes``.

    Messages name the ``kind`` of content, such as "image", that is expected.
    """
    try:
        exists = path.exists()
    except OSError as error:
        raise InputError(f"{path} may not be read: {error.strerror}") from error
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


def check_outputs(written: Iterable[Path | None], *, read: Iterable[Path | None]) -> None:
    """Refuse files to be written that are also read, that are written twice, or that cannot be written.

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
        folders = Path(os.path.realpath(path)).parents if path.is_file() else ()
        for folder in folders:
            if str(folder) in inputs:
                raise InputError(f"output {path} would overwrite a file of {folder}, which is read")
        check_writable(path)


def _names(path: Path) -> Iterator[object]:
    """Yield what is equal for all paths of a file: the path without links, and the number of the file."""
    yield os.path.realpath(path)
    with contextlib.suppress(OSError):
        status = path.stat()
        yield status.st_dev, status.st_ino
