"""A probe on disk: the ridges it consists of in one ``.npz``, and what else there is to know in a ``.json``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from convcorr_jax.io import json_file, with_ending, write_arrays, write_json
from convcorr_jax.io.arrays import Expected, read_arrays
from convcorr_jax.linear.ridge import Ridge


class SavedProbe(NamedTuple):
    """What `save_probe` keeps."""

    ridges: dict[str, Ridge]
    told: dict[str, Any]
    """What the probe is for, which features it reads, facts of its training."""


def save_probe(path: Path, ridges: Mapping[str, Ridge], told: Mapping[str, Any]) -> None:
    """Write a probe as ``path`` with the endings ``.npz`` and ``.json``.

    Args:
        path: the files' common name, with or without one of the endings.
        ridges: by name.
        told: anything that JSON can hold.

    Raises:
        InputError: they cannot be written.
    """
    arrays = {
        f"{name}:{field}": np.asarray(values)
        for name, one in ridges.items()
        for field, values in one.for_each_target()._asdict().items()
    }
    write_arrays(with_ending(path, ".npz"), **arrays)
    # Written last: where there is a .json there is a whole probe.
    write_json(with_ending(path, ".json"), {"ridges": list(ridges), **told})


def load_probe(path: Path) -> SavedProbe:
    """Read a probe by the name of either of its files, or by what they have in common.

    Raises:
        InputError: a file is missing, cut short, or not what `save_probe` writes.
    """
    listing = with_ending(path, ".json")
    with json_file(listing, "probe") as told:
        names = [str(name) for name in told.pop("ridges")]
    expected = {
        f"{name}:{field}": Expected(
            np.floating, (f"{name} features",) * (field == "weights") + (f"{name} targets",)
        )
        for name in names
        for field in Ridge._fields
    }
    archive = with_ending(path, ".npz")
    arrays = read_arrays(archive, expected)
    return SavedProbe({name: _ridge(name, arrays) for name in names}, told)


def _ridge(name: str, arrays: Mapping[str, np.ndarray]) -> Ridge:
    return Ridge(*(jnp.asarray(arrays[f"{name}:{field}"]) for field in Ridge._fields))
