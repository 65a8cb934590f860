"""Saving and loading fitted models, such as pose cascades, probes and keypoint detectors.

A fitted model is two files of one name: ``.npz`` with its arrays and ``.json`` with everything else. The
``.json`` is written last, so that no ``.json`` exists without a complete ``.npz``.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np

from convcorr_jax.io.arrays import Expected, read_arrays, write_arrays
from convcorr_jax.io.json_files import json_file, naming_file, write_json


class Fitted(NamedTuple):
    """A fitted model as it is stored."""

    arrays: Mapping[str, np.ndarray]
    """The model's arrays by name."""
    facts: Mapping[str, Any]
    """Everything that is not an array, as JSON stores it."""


@runtime_checkable
class Savable(Protocol):
    """The class of a model that `save_fitted` and `load_fitted` can store."""

    # Python's run-time checks of classes allow a protocol's methods only.
    if TYPE_CHECKING:
        kind: ClassVar[str]
        """What the model is called in error messages, such as "pose cascade"."""

    def to_fitted(self) -> Fitted:
        """Return the model's arrays and facts."""
        ...

    @classmethod
    def expected_arrays(cls, facts: Mapping[str, Any]) -> Mapping[str, Expected]:
        """Return the type and shape of every array of a model with these facts."""
        ...

    @classmethod
    def from_fitted(cls, fitted: Fitted) -> Any:
        """Create the model from its facts and from arrays with the expected types and shapes."""
        ...


Model = TypeVar("Model", bound=Savable)


def save_fitted(path: str | Path, model: Savable) -> None:
    """Write a fitted model as ``path`` with the endings ``.npz`` and ``.json``.

    Args:
        path: the common name of both files, with or without one of the endings.
        model: the model.

    Raises:
        InputError: the path is wrong, or the model's class refuses to store it.
        WriteError: a file cannot be written.
    """
    fitted = model.to_fitted()
    write_arrays(with_ending(Path(path), ".npz"), **fitted.arrays)
    write_json(with_ending(Path(path), ".json"), fitted.facts)


def load_fitted(path: str | Path, model_class: type[Model]) -> Model:
    """Read a fitted model.

    Args:
        path: the common name of both files, with or without one of the endings.
        model_class: the model's class.

    Returns:
        The model.

    Raises:
        InputError: a file is missing or damaged, or does not contain a model of this class.
    """
    listing, kind = with_ending(Path(path), ".json"), model_class.kind
    with json_file(listing, kind) as facts:
        expected = model_class.expected_arrays(facts)
    arrays = read_arrays(with_ending(Path(path), ".npz"), expected)
    with naming_file(listing, kind=kind):
        return model_class.from_fitted(Fitted(arrays, facts))


def with_ending(path: Path, ending: str) -> Path:
    """Return the path of one of a model's two files.

    Args:
        path: the common name of both files, with or without one of the endings.
        ending: the ending of the file, ``.npz`` or ``.json``.

    >>> with_ending(Path("cat.json"), ".npz").name, with_ending(Path("cat.v2"), ".npz").name
    ('cat.npz', 'cat.v2.npz')
    """
    known = path.suffix in (".npz", ".json")
    return path.with_suffix(ending) if known else path.with_name(path.name + ending)
