"""A trained pose cascade as a value that can be saved: parameters, architecture and facts about the training.

`convcorr_jax.io.save_fitted` and `convcorr_jax.io.load_fitted` write and read it. Parameters are stored in half
precision: that keeps three digits of each, which moves no joint by a noticeable part of a pixel, and makes a
model small enough to be shipped with the package.
"""

import dataclasses
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from convcorr_jax.errors import InputError
from convcorr_jax.io import Expected, Fitted, check_fields
from convcorr_jax.pose import cascade
from convcorr_jax.pose.architecture import Architecture, from_dict

PERSON = Path(__file__).with_name("person.npz")
"""The cascade for people that is shipped with the package; ``person.md`` beside it describes its training."""


@dataclass(frozen=True, eq=False)
class TrainedCascade:
    """A pose cascade with trained parameters.

    Attributes:
        params: parameters of the cascade, float32.
        architecture: of the cascade.
        training: facts about the training, such as data set and scores, as JSON stores them; nothing depends on
            them.
    """

    kind: ClassVar[str] = "pose cascade"

    params: cascade.Params
    architecture: Architecture
    training: Mapping[str, Any]

    def to_fitted(self) -> Fitted:
        """Return the parameters in half precision, by their paths, and everything else as facts.

        Raises:
            InputError: a parameter is not finite in half precision.
        """
        arrays = {name: np.asarray(values) for name, values in _flat(self.params).items()}
        with np.errstate(over="ignore"):
            halves = {name: values.astype(np.float16) for name, values in arrays.items()}
        for name, values in halves.items():
            if not np.isfinite(values).all():
                raise InputError(f"parameters {name!r} are not all finite in half precision")
        architecture = dataclasses.asdict(self.architecture)
        return Fitted(halves, {"architecture": architecture, "training": dict(self.training)})

    @classmethod
    def expected_arrays(cls, facts: Mapping[str, Any]) -> Mapping[str, Expected]:
        """Return type and shape of every parameter of the architecture that the facts describe.

        Raises:
            InputError: a pose cascade cannot have such an architecture.
        """
        check_fields(
            dict(facts), {"architecture": dict[str, Any], "training": dict[str, Any]}, name="model"
        )
        architecture = from_dict(facts["architecture"])
        return {
            name: Expected(np.floating, shape, finite=True)
            for name, shape in _parameter_shapes(architecture).items()
        }

    @classmethod
    def from_fitted(cls, fitted: Fitted) -> "TrainedCascade":
        """Return the cascade with its parameters in single precision."""
        params = {
            tuple(name.split("/")): jnp.float32(values) for name, values in fitted.arrays.items()
        }
        return cls(
            traverse_util.unflatten_dict(params),
            from_dict(fitted.facts["architecture"]),
            dict(fitted.facts["training"]),
        )


@functools.lru_cache(maxsize=8)
def _parameter_shapes(architecture: Architecture) -> Mapping[str, tuple[int, ...]]:
    shapes = jax.eval_shape(lambda: cascade.init(jax.random.key(0), architecture))
    return {name: leaf.shape for name, leaf in _flat(shapes).items()}


def _flat(params: cascade.Params) -> dict[str, Any]:
    """Return the leaves of nested parameters, by their paths such as ``coarse/params/joints/kernel``."""
    return traverse_util.flatten_dict(params, sep="/")
