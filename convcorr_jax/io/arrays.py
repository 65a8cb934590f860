"""Reading the named arrays of an ``.npz`` file with nothing taken on trust."""

import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from convcorr_jax.errors import InputError
from convcorr_jax.io.atomic import written_whole
from convcorr_jax.io.paths import check_file

# What NumPy and zipfile raise on bytes that are cut short, changed, or something else altogether.
_DAMAGE = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    TypeError,
    NotImplementedError,
    MemoryError,
    zipfile.BadZipFile,
    zlib.error,
    SyntaxError,
    tokenize.TokenError,
)


class Expected(NamedTuple):
    """An array's kind of element and its axes: each a size, or a letter for one size throughout."""

    kind: type[np.generic]
    shape: tuple[int | str, ...]


def read_arrays(path: Path, expected: Mapping[str, Expected]) -> dict[str, np.ndarray]:
    """The arrays that ``expected`` names; others in the file are not read.

    Raises:
        InputError: the file is missing, cut short or no ``.npz``; an array is missing, is pickled,
            or is not of the expected kind and shape.
    """
    check_file(path, "NumPy .npz")
    arrays = {}
    try:
        # Opened here, since NumPy leaves its own handle open when the archive is damaged.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            absent = [name for name in expected if name not in archive]
            if not absent:
                arrays = {name: archive[name] for name in expected}
    except _DAMAGE as error:
        raise InputError(f"{path} is damaged, or is no .npz of plain arrays: {error}") from error
    if absent:
        raise InputError(f"{path} has no array {absent[0]!r}; {', '.join(expected)} are expected")
    sizes: dict[str, int] = {}
    for name, (kind, shape) in expected.items():
        array = arrays[name]
        fits = array.ndim == len(shape) and all(
            size == (sizes.setdefault(axis, size) if isinstance(axis, str) else axis)
            for size, axis in zip(array.shape, shape, strict=True)
        )
        if not fits or not np.issubdtype(array.dtype, kind):
            raise InputError(
                f"{path}: array {name!r} is {array.dtype} of shape {array.shape}; "
                f"{kind.__name__} of shape {shape} is expected"
            )
    return arrays


def write_arrays(path: str | Path, **arrays: np.ndarray | np.generic) -> None:
    """Write named arrays as one compressed ``.npz``."""
    with written_whole(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]
