"""Saving and loading fitted models, such as pose cascades, probes and keypoint detectors.

A fitted model is two files of one name: ``.npz`` with its arrays and ``.json`` with everything else. The
``.json`` is written last and contains a checksum of the ``.npz``, so that no ``.json`` is read with the arrays
of another model.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np

from convcorr_jax.errors import InputError
from convcorr_jax.io.arrays import Expected, array_headers, read_arrays, write_arrays
from convcorr_jax.io.json_files import json_file, naming_file, write_json
from convcorr_jax.io.outputs import check_file

# The facts that say what a model is, and that tie its files together.
_KIND, _CHECKSUM = "kind", "arrays_sha256"


class Fitted(NamedTuple):
    """A fitted model as it is stored: arrays by name, and everything else as JSON stores it."""

    arrays: Mapping[str, np.ndarray]
    facts: Mapping[str, Any]


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
    """Write a fitted model as ``path``, with or without an ending, with the endings ``.npz`` and ``.json``."""
    fitted, arrays = model.to_fitted(), with_ending(Path(path), ".npz")
    write_arrays(arrays, **fitted.arrays)
    write_json(
        with_ending(Path(path), ".json"), {_KIND: model.kind, _CHECKSUM: _checksum(arrays), **fitted.facts}
    )


def load_fitted(path: str | Path, model_class: type[Model], *others: type[Model]) -> Model:
    """Read a fitted model of one of the classes from the common name of its two files, or of one of them.

    A model of another class, files of two models and arrays that are not the model's are refused.
    """
    classes = (model_class, *others)
    listing, npz = (with_ending(Path(path), ending) for ending in (".json", ".npz"))
    kind = " or ".join(each.kind for each in classes)
    with json_file(listing, kind) as content:
        if type(content) is not dict:
            raise InputError(f"it is no {kind}; an object with named fields is expected")
        facts = dict(content)
        # Files that earlier versions saved state neither.
        checksum, stated = facts.pop(_CHECKSUM, None), facts.pop(_KIND, model_class.kind)
        chosen = [each for each in classes if each.kind == stated]
        if not chosen:
            raise InputError(f"it is of the kind {stated!r}; {kind} is expected")
        model_class, kind = chosen[0], chosen[0].kind
        expected = model_class.expected_arrays(facts)
    check_file(npz, "NumPy .npz")
    if checksum is not None and checksum != _checksum(npz):
        raise InputError(
            f"{npz} does not have the {_CHECKSUM} that {listing} states; files that were saved together are "
            "expected"
        )
    unknown = set(array_headers(npz)) - set(expected)
    if unknown:
        raise InputError(f"{npz} has the array {min(unknown)!r}, which this {kind} does not have")
    arrays = read_arrays(npz, expected)
    with naming_file(listing, kind=kind):
        return model_class.from_fitted(Fitted(arrays, facts))


def _checksum(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def with_ending(path: Path, ending: str) -> Path:
    """Return the path of one of a model's two files, from their common name with or without an ending.

    >>> with_ending(Path("cat.json"), ".npz").name, with_ending(Path("cat.v2"), ".npz").name
    ('cat.npz', 'cat.v2.npz')
    """
    known = path.suffix in (".npz", ".json")
    return path.with_suffix(ending) if known else path.with_name(path.name + ending)
