"""Checks of files before they are read."""

import os
from pathlib import Path

from convcorr_jax.errors import InputError


def check_file(path: Path, kind: str) -> None:
    """Refuse a path that is not a readable, non-empty file.

    Args:
        path: the file.
        kind: what the file should contain, such as "image", for the error message.

    Raises:
        InputError: the path does not exist, is not a file, may not be read, or is an empty file.
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
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty")
