"""Checks of files before they are read."""

import os
from pathlib import Path

from convcorr_jax.errors import InputError


def check_file(path: Path, kind: str, *, most_bytes: int | None = None) -> None:
    """Refuse a path that is not a readable, non-empty file.

    Args:
        path: the file.
        kind: what the file should contain, such as "image", for the error message.
        most_bytes: the limit of its size; by default there is none.

    Raises:
        InputError: the path does not exist, is not a file, may not be read, or is an empty file or too large.
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
