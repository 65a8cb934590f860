"""Annotation files of plain text: their lines, and the numbers in them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from convcorr_jax.errors import InputError
from convcorr_jax.io import check_file

# The largest text file, LFW's attributes, takes a third of it.
MAX_BYTES = 64 * 2**20
"""The limit of the size of a text file."""

# Larger than any coordinate, score or label, and small enough to be squared.
_MAX_NUMBER = 1e9


def lines(path: Path, *, kind: str) -> list[str]:
    """Read the lines of a UTF-8 file, without surrounding space and without a byte order mark.

    Args:
        path: the file.
        kind: the expected kind of file, for messages.

    Raises:
        InputError: the file is missing, empty, over 64 MB or not text.
    """
    check_file(path, kind)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path} is over {MAX_BYTES // 2**20} MB; no {kind} is that large")
        content = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no UTF-8 text; a {kind} file is expected") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    return [line.strip() for line in content.splitlines()]


def numbers(fields: Sequence[str], *, where: str) -> Float[np.ndarray, " n"]:
    """Convert fields to numbers, of which some may be NaN.

    Args:
        fields: the texts.
        where: the beginning of messages, such as the file and the line.

    Raises:
        InputError: a field is not a number, or its magnitude is above 1e9.
    """
    try:
        values = np.array([float(field) for field in fields], np.float64)
    except ValueError as error:
        raise InputError(f"{where}: {error}") from error
    if (np.abs(values) > _MAX_NUMBER).any():
        raise InputError(f"{where}: {np.nanmax(np.abs(values)):g} is too large a number")
    return values
