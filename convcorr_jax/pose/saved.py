"""A trained cascade on disk: its parameters in half precision in one ``.npz``, and the rest in a ``.json``.

Half precision keeps three digits of every parameter, which moves no joint by a noticeable part of a pixel, and
makes a model small enough to be shipped with the package.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from convcorr_jax.errors import InputError
from convcorr_jax.io import json_file, with_ending, write_arrays, write_json
from convcorr_jax.io.arrays import Expected, read_arrays
from convcorr_jax.pose import cascade
from convcorr_jax.pose.architecture import Architecture, from_dict

PERSON = Path(__file__).with_name("person.npz")
"""A cascade that finds people, shipped with the package; ``person.md`` beside it says what it learned from."""


class SavedCascade(NamedTuple):
    """What `save_cascade` keeps."""

    params: cascade.Params
    architecture: Architecture
    training: dict[str, Any]
    """Facts of the training, for people."""


def save_cascade(
    path: Path,
    params: cascade.Params,
    architecture: Architecture,
    *,
    training: Mapping[str, Any],
) -> None:
    """Write a cascade as ``path`` with the endings ``.npz`` and ``.json``.

    Args:
        path: the files' common name, with or without one of the endings.
        params: of the cascade.
        architecture: of the cascade.
        training: facts about its training, as JSON holds them.

    Raises:
        InputError: a parameter is not finite in half precision, or the files cannot be written.
    """
    flat = {name: np.asarray(values) for name, values in _flat(params).items()}
    with np.errstate(over="ignore"):
        halves = {name: values.astype(np.float16) for name, values in flat.items()}
    for name, values in halves.items():
        if not np.isfinite(values).all():
            raise InputError(f"parameters {name!r} are not all finite in half precision")
    write_arrays(with_ending(path, ".npz"), **halves)
    # Written last: where there is a .json there is a whole cascade.
    write_json(
        with_ending(path, ".json"),
        {"architecture": dataclasses.asdict(architecture), "training": dict(training)},
    )


def load_cascade(path: Path) -> SavedCascade:
    """Read a cascade by the name of either of its files, or by what they have in common.

    Raises:
        InputError: a file is missing, cut short, or not what `save_cascade` writes.
    """
    told = with_ending(path, ".json")
    with json_file(told, "pose cascade") as found:
        architecture, training = from_dict(found["architecture"]), dict(found["training"])
    shapes = _flat(jax.eval_shape(lambda: cascade.init(jax.random.key(0), architecture)))
    expected = {name: Expected(np.floating, one.shape) for name, one in shapes.items()}
    arrays = read_arrays(with_ending(path, ".npz"), expected)
    params = {tuple(name.split("/")): jnp.float32(values) for name, values in arrays.items()}
    return SavedCascade(traverse_util.unflatten_dict(params), architecture, training)


def _flat(params: cascade.Params) -> dict[str, Any]:
    return traverse_util.flatten_dict(params, sep="/")
