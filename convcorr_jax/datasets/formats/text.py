"""Annotation files that are plain text: their lines, and the numbers in them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from convcorr_jax.errors import InputError
from convcorr_jax.io import check_file

# LFW's attributes, the largest text file here, take a third of it.
MAX_BYTES = 64 * 2**20
# Far beyond any coordinate, score or label, and small enough to be squared.
_MAX_NUMBER = 1e9


def lines(path: Path, *, kind: str) -> list[str]:
    """The lines of a UTF-8 file, without the space around them and without a byte order mark.

    Raises:
        InputError: the file is missing, empty, over 64 MB or no text; ``kind`` names in the sentence
            what it should have been.
    """
    check_file(path, kind)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path} is over {MAX_BYTES // 2**20} MB; no {kind} is that large")
        content = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no UTF-8 text; a {kind} file is expected") from error
    except OSError as error:
        raise InputError(f"{path} may not be read: {error.strerror}") from error
    return [line.strip() for line in content.splitlines()]


def numbers(fields: Sequence[str], *, where: str) -> Float[np.ndarray, " n"]:
    """The numbers that fields spell; NaN where they say so.

    Raises:
        InputError: a field is no number, or one beyond a milliard; ``where`` opens the sentence.
    """
    try:
        values = np.array([float(field) for field in fields], np.float64)
    except ValueError as error:
        raise InputError(f"{where}: {error}") from error
    if (np.abs(values) > _MAX_NUMBER).any():
        raise InputError(f"{where}: {np.nanmax(np.abs(values)):g} is too large a number")
    return values
