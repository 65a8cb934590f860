"""The check of all files that a command writes against those that it reads, before any work is done."""

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from convcorr_jax.errors import InputError
from convcorr_jax.io.atomic import check_writable


def check_outputs(written: Iterable[Path | None], *, read: Iterable[Path | None]) -> None:
    """Refuse files to be written that are also read, that are written twice, or that cannot be written.

    Two paths are of one file if links lead to it or if it does not exist yet, too. Nothing is created.

    Args:
        written: the paths of files that will be written; None for one that is not.
        read: the paths of files that will be read, or of folders all of whose files may be; None for one that
            is not.

    Raises:
        InputError: a file would be overwritten that is read or written, too; or a path is wrong.
        WriteError: the disk is full or failed.
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
