"""Reading and writing JSON files."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from convcorr_jax.errors import InputError
from convcorr_jax.io.atomic import written_whole
from convcorr_jax.io.paths import check_file

# Python's objects take twenty times the bytes of a file; the largest annotations, MPII's, have 20 MB.
MAX_BYTES = 2**25
"""The limit of the size of a JSON file."""


@contextlib.contextmanager
def naming_file(path: Path, *, kind: str) -> Iterator[None]:
    """Name a file in every error that unexpected content causes in a ``with`` block.

    Args:
        path: the file.
        kind: what the file should contain, such as "pose cascade", for the error message.

    Raises:
        InputError: the block raised one, or another error that unexpected content causes.
    """
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except (OSError, ValueError, OverflowError, RecursionError) as error:
        raise InputError(f"{path} is damaged, or is no {kind}: {error}") from error
    except (LookupError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} is damaged, or is no {kind} ({type(error).__name__}: {error})"
        ) from error


@contextlib.contextmanager
def json_file(path: Path, kind: str) -> Iterator[Any]:
    """Read a JSON file and yield its content to a ``with`` block that interprets it.

    Args:
        path: the file.
        kind: what the file should contain, such as "pose cascade", for the error message.

    Yields:
        The content.

    Raises:
        InputError: the file is missing, empty, over 32 MB or not JSON, or the content is not what the block
            expects. The message names the file.
    """
    check_file(path, kind, most_bytes=MAX_BYTES)
    with naming_file(path, kind=kind):
        content = path.read_bytes()
        # Editors and other systems add byte order marks, or write UTF-16.
        yield json.loads(content.decode(json.detect_encoding(content)))


def json_array(value: Any, *, dtype: npt.DTypeLike | None = None) -> np.ndarray:
    """Return nested lists of a JSON file as an array; null in place of a list stands for a list of nulls.

    >>> json_array([[1, 2], None], dtype=float)
    array([[ 1.,  2.],
           [nan, nan]])

    Args:
        value: the lists.
        dtype: the type of the elements, in which null is NaN; by default that of the values, with None.

    Raises:
        ValueError: lists side by side have different lengths.
    """
    return np.array(_filled(value, _shape(value)), dtype)


def _shape(value: Any) -> tuple[int, ...]:
    """Return the shape of nested lists, beyond the first axis that of the deepest entry."""
    if not isinstance(value, list):
        return ()
    return (len(value), *max(map(_shape, value), key=len, default=()))


def _filled(value: Any, shape: tuple[int, ...]) -> Any:
    if value is None:
        return np.full(shape, None).tolist()
    return [_filled(each, shape[1:]) for each in value] if isinstance(value, list) else value


def write_json(path: str | Path, value: Mapping[str, Any]) -> None:
    """Write a mapping as indented JSON.

    Args:
        path: the file.
        value: the mapping.

    Raises:
        ValueError: a number is NaN or infinite, which JSON cannot store.
        InputError: the path is wrong.
        WriteError: the file cannot be written.
    """
    text = json.dumps(value, indent=2, allow_nan=False) + "\n"
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
