"""Cached stages of a script: the arrays of each in an ``.npz`` file, with the settings that they depend on."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from convcorr_jax.errors import InputError
from convcorr_jax.io import load_arrays, write_arrays

# The array of a file that holds the settings as JSON text.
_SETTINGS = "settings"


def stage(
    path: Path,
    settings: Mapping[str, Any],
    compute: Callable[[], Mapping[str, np.ndarray | np.generic]],
) -> dict[str, np.ndarray]:
    """Compute arrays and cache them; return them from the cache when they depend on the same settings.

    Args:
        path: the ``.npz`` file of the cache.
        settings: everything that decides the arrays, as JSON stores it. Arrays that were cached with other
            settings are computed again.
        compute: returns the arrays by name; none may be called ``settings``.

    Returns:
        The arrays by name.

    Raises:
        InputError: the cached file is damaged, or its path is wrong.
        WriteError: the file cannot be written.
    """
    cached = _cached(path, settings)
    if cached is not None:
        return cached
    computed = {name: np.asarray(value) for name, value in compute().items()}
    write_arrays(path, **computed, **{_SETTINGS: np.array(_text(settings))})
    return computed


def cached_in_parts(
    folder: Path,
    name: str,
    settings: Mapping[str, Any],
    compute: Callable[[range], Mapping[str, np.ndarray]],
    *,
    count: int,
    part: int,
) -> dict[str, np.ndarray]:
    """Compute arrays of many rows in parts and cache each part as a `stage`.

    A part is the file ``<name>_<first item>.npz`` in ``folder``, so that a killed run loses at most one part.

    Args:
        folder: the folder of the parts.
        name: the beginning of the parts' file names.
        settings: everything that decides the arrays, such as fingerprints of the records and of the weights, as
            JSON stores it. Parts that were cached with other settings are computed again.
        compute: returns the arrays of a range of items by name. It is called in order, for parts that are not
            cached.
        count: the number of items; with none, ``compute`` is called once for an empty range.
        part: the number of items of a part.

    Returns:
        The arrays by name, those of all parts joined along their first axis.

    Raises:
        InputError: a cached part is damaged, or the folder is wrong.
        WriteError: a part cannot be written.
    """
    parts = [
        stage(
            folder / f"{name}_{start:05d}.npz",
            {**settings, "count": count, "part": part},
            lambda start=start: compute(range(start, min(start + part, count))),
        )
        for start in range(0, max(count, 1), part)
    ]
    return {field: np.concatenate([arrays[field] for arrays in parts]) for field in parts[0]}


def _text(settings: Mapping[str, Any]) -> str:
    return json.dumps(settings, sort_keys=True)


def _cached(path: Path, settings: Mapping[str, Any]) -> dict[str, np.ndarray] | None:
    """Read the arrays of a file, or return None where it is missing or has other settings."""
    if not path.is_file():
        return None
    try:
        arrays = load_arrays(path)
    except InputError as error:
        raise InputError(f"{error}; remove it to compute it again") from error
    return arrays if str(arrays.pop(_SETTINGS, "")) == _text(settings) else None
