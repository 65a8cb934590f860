"""Stages of a script whose results are kept: one ``.npz`` a stage, with the settings that made it."""

import json
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

import jax.numpy as jnp
import numpy as np

from convcorr_jax.errors import InputError
from convcorr_jax.io import write_arrays

Block = TypeVar("Block")


@runtime_checkable
class _Arrays(Protocol):
    """What `typing.NamedTuple` makes of arrays."""

    def _asdict(self) -> dict[str, Any]: ...


State = TypeVar("State", bound=_Arrays)


def stage(
    path: Path,
    settings: Mapping[str, Any],
    compute: Callable[[], Mapping[str, np.ndarray | np.generic]],
) -> dict[str, np.ndarray]:
    """What an earlier run computed under the same settings, or what is computed, and kept, now.

    Raises:
        InputError: the file is damaged, or cannot be written.
    """
    kept = _kept(path, settings)
    if kept is not None:
        return kept
    computed = {name: np.asarray(value) for name, value in compute().items()}
    write_arrays(path, **computed, settings=_said(settings))
    return computed


def cached_in_parts(
    folder: Path,
    name: str,
    key: Mapping[str, Any],
    compute: Callable[[range], Mapping[str, np.ndarray]],
    *,
    count: int,
    part: int,
) -> dict[str, np.ndarray]:
    """Compute arrays of many rows in parts; return parts that an earlier run cached under the same key.

    A part is the file ``<name>_<first row>.npz`` in ``folder``, so that a killed run loses one part at most.

    Args:
        folder: where the parts lie.
        name: the beginning of the parts' file names.
        key: everything that decides the arrays, such as fingerprints of the records and of the weights.
        compute: returns the named arrays of a range of items.
        count: the number of items.
        part: the number of items of a part.

    Returns:
        The arrays of all parts, joined along their first axis.

    Raises:
        InputError: a cached part is damaged, or a part cannot be written.
    """
    starts = range(0, count, part)
    parts = [
        stage(
            folder / f"{name}_{start:05d}.npz",
            {**key, "count": count, "part": part},
            lambda start=start: compute(range(start, min(start + part, count))),
        )
        for start in starts
    ]
    return {field: np.concatenate([one[field] for one in parts]) for field in parts[0]}


def accumulate(
    path: Path,
    settings: Mapping[str, Any],
    blocks: Callable[[int], Block],
    *,
    count: int,
    start: State,
    step: Callable[[State, Block], State],
    every_s: float = 60.0,
) -> State:
    """A sum over blocks that is kept on disk as it grows; a run that was killed goes on where it was kept last.

    Args:
        path: of the ``.npz``.
        settings: what else the sum depends on.
        blocks: gives the block of a number; called once for each, in order, for those not yet in the sum.
        count: of blocks.
        start: a NamedTuple of arrays, such as the statistics of no rows.
        step: adds a block.
        every_s: seconds after which the sum is kept again.

    Raises:
        InputError: the file is damaged, or cannot be written.
    """
    settings = {**settings, "blocks": count}
    kept = _kept(path, settings)
    state, done = start, 0
    if kept is not None:
        done = int(kept.pop("done"))
        state = type(start)(**{name: jnp.asarray(value) for name, value in kept.items()})
    last = time.monotonic()
    for number in range(done, count):
        state = step(state, blocks(number))
        if number + 1 == count or time.monotonic() - last >= every_s:
            arrays = {name: np.asarray(value) for name, value in state._asdict().items()}
            write_arrays(path, **arrays, done=np.array(number + 1), settings=_said(settings))
            last = time.monotonic()
    return state


def _said(settings: Mapping[str, Any]) -> np.ndarray:
    return np.array(json.dumps(settings, sort_keys=True))


def _kept(path: Path, settings: Mapping[str, Any]) -> dict[str, np.ndarray] | None:
    """What the file holds, if it was made under these settings."""
    if not path.is_file():
        return None
    try:
        with path.open("rb") as stream, np.load(stream) as arrays:
            kept = dict(arrays)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is damaged ({error}); remove it to compute it again") from error
    return kept if str(kept.pop("settings", "")) == str(_said(settings)) else None
