"""Arrays of joints in files of any format: ``.npz``, HDF5 (including MATLAB 7.3 and Octave), MATLAB ``.mat``.

The content of a file identifies its format. These values are read as joints; they hold numbers, and further
axes of length 1 are ignored:

* an array of three axes, one of which holds two or three values (x, y, and often a confidence);
* two arrays of two axes whose names differ in a last ``x`` and ``y`` only: ``pred_x`` and ``pred_y``;
* a flat array, if the number of joints is known: a row x1, y1, x2, y2, … for every person;

and in ``.mat`` files also

* cells with a table of joints for each person, or a field of that many structs: ``pred(i).joints``;
* MPII's format of submissions, ``pred(i).annorect.annopoints.point(j)`` with ``x``, ``y`` and ``id``, with one
  ``annorect`` for every ``i``: 16 joints in the order of their ids, NaN where they are absent.

The name of a struct's field joins both names: ``pred.joints``.
"""

import re
import struct
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from convcorr_jax.datasets.formats import hdf5, mat, text
from convcorr_jax.errors import InputError
from convcorr_jax.io import check_file, load_readable_arrays

# The exceptions of h5py, and of reading texts, for bytes that are cut short or changed.
_DAMAGE = (
    *(OSError, EOFError, ValueError, KeyError, TypeError, RuntimeError, MemoryError),
    *(ArithmeticError, struct.error),
)
# The name of an array of x coordinates: its beginning, and the letter.
_OF_X = re.compile(r"(|.*[._/])([xX])")


class JointArrays(NamedTuple):
    """The values of a file that may be joints or name them."""

    arrays: dict[str, np.ndarray]
    """Arrays of three axes by name; those of ``flat`` are flat in the file."""
    flat: frozenset[str]
    words: tuple[tuple[str, ...], ...]
    skipped: dict[str, str]
    """The reasons, by name, why values were not read: pickled objects, sparse arrays, damaged bytes."""


class _Values(NamedTuple):
    """The arrays and tuples of words of a file by name, and the reasons why other values were not read."""

    read: dict[str, Any]
    skipped: dict[str, str]


def read_joint_arrays(path: Path, *, flat_joints: int) -> JointArrays:
    """Read a file's arrays of joints, flat ones only of ``flat_joints`` joints, without unpickling anything."""
    check_file(path, "prediction (.npz, .h5 or .mat)")
    if h5py.is_hdf5(path):
        values = _hdf5(path)
    elif zipfile.is_zipfile(path):
        stored, skipped = load_readable_arrays(path)
        values = _Values({name: _plain(array) for name, array in stored.items()}, skipped)
    else:
        values = _mat(path)
    arrays = {
        name: value
        for name, value in values.read.items()
        if isinstance(value, np.ndarray) and value.dtype.kind in "fiu"
    }
    squeezed = _paired({name: _squeezed(array, 3) for name, array in arrays.items()})
    flat = {
        name: rows.reshape(len(rows), flat_joints, 2)
        for name, array in squeezed.items()
        if (rows := _flat_rows(array, 2 * flat_joints)) is not None
    }
    joints = {
        name: array
        for name, array in (squeezed | flat).items()
        if array.ndim == 3 and not {2, 3}.isdisjoint(array.shape)
    }
    if not joints:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        others = "".join(f"; {name} is skipped: {why}" for name, why in values.skipped.items())
        raise InputError(
            f"{path} has no array of joints, such as people x joints x 2; it has {shapes or 'none'}{others}"
        )
    words = tuple(value for value in values.read.values() if isinstance(value, tuple))
    return JointArrays(joints, frozenset(flat), words, values.skipped)


def _squeezed(array: np.ndarray, most: int) -> np.ndarray:
    """Remove axes of length 1, the first ones first, while there are more than ``most`` axes."""
    while array.ndim > most and 1 in array.shape:
        array = array.squeeze(axis=array.shape.index(1))
    return array


def _paired(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Replace every two arrays whose names end in x and y by one array."""
    paired = dict(arrays)
    for name in arrays:
        if not (match := _OF_X.fullmatch(name)):
            continue
        other = match[1] + {"x": "y", "X": "Y"}[match[2]]
        sides = [_squeezed(arrays[axis], 2) for axis in (name, other) if axis in arrays]
        if len(sides) == 2 and sides[0].ndim == 2 and sides[0].shape == sides[1].shape:
            del paired[name], paired[other]
            paired[f"{name} and {other}"] = np.stack(sides, axis=-1)
    return paired


def _flat_rows(array: np.ndarray, length: int) -> np.ndarray | None:
    """Return rows of ``length`` numbers; None if there are none, or the columns have this length as well."""
    if array.ndim != 2 or (array.shape[0] == length) == (array.shape[1] == length):
        return None
    return array if array.shape[1] == length else array.T


def _hdf5(path: Path) -> _Values:
    values, remaining = _Values({}, {}), hdf5.MAX_BYTES

    def read_value(name: str, stored: Any) -> None:
        nonlocal remaining
        if not isinstance(stored, h5py.Dataset):
            return
        # Octave stores every variable as a group of its type and its value.
        name = name.removesuffix("/value")
        try:
            array = hdf5.read(stored, most=remaining)
            remaining -= stored.nbytes
            values.read[name] = _plain(array)
        except _DAMAGE as error:
            values.skipped[name] = str(error)

    try:
        with h5py.File(path, "r") as opened:
            opened.visititems(read_value)
    except _DAMAGE as error:
        raise InputError(f"{path} is a damaged HDF5 file: {error}") from error
    return values


def _plain(value: Any) -> Any:
    """Return an array of numbers unchanged, a list of strings as a tuple, and None for any other value."""
    array = _squeezed(np.asarray(value), 1)
    if array.dtype.kind not in "SUO":
        return np.asarray(value)
    items = array.tolist() if array.ndim == 1 else []
    if items and all(isinstance(item, bytes | str) for item in items):
        return tuple(item.decode("utf-8", "replace") if isinstance(item, bytes) else item for item in items)
    return None


def _mat(path: Path) -> _Values:
    values = _Values({}, {})
    # The file's variables are fields of one struct; structs in structs are appended to the queue.
    queue: list[tuple[str, tuple[mat.Group, ...]]] = [("", (mat.read(path),))]
    for prefix, structs in queue:
        for field in structs[0]:
            name = f"{prefix}{field}"
            try:
                items = [struct[field] for struct in structs]
                inner = items[0] if len(items) == 1 else None
                if isinstance(inner, tuple) and inner and "annorect" not in inner[0]:
                    queue.append((f"{name}.", inner))
                else:
                    values.read[name] = _combined(items) if inner is None else _mat_value(inner)
            except InputError as error:
                values.skipped[name] = str(error)
    return values


def _mat_value(value: mat.Value) -> np.ndarray | tuple[str, ...] | None:
    """Return an array of numbers, of cells or of MPII's images, or words; None for any other value."""
    match value:
        case np.ndarray():
            return value
        case str():
            # A table of characters has a word in every row.
            return _combined(value.split("\n"))
        case tuple():
            return np.stack([_mpii_person(image) for image in value]) if value else None
        case _:
            return _combined([value[number] for number in value])


def _combined(items: Sequence[mat.Value]) -> np.ndarray | tuple[str, ...] | None:
    """Return words as a tuple, tables of numbers of one shape as an array ``[item, ...]``, else None."""
    words = tuple(item for item in items if isinstance(item, str))
    if len(words) == len(items) > 1:
        return words
    tables = [
        item for item in items if isinstance(item, np.ndarray) and item.ndim == 2 and item.dtype.kind in "fiu"
    ]
    if tables and len(tables) == len(items) and len({table.shape for table in tables}) == 1:
        return np.stack(tables)
    return None


def _mpii_person(image: mat.Group) -> np.ndarray:
    """Return the joints of the only person of an image, ``[16, 2]`` by id; NaN for absent joints."""
    points = np.full((text.JOINTS, 2), np.nan)
    people = image.structs("annorect") if image.has("annorect") else ()
    if len(people) > 1:
        raise InputError(
            f"{image.where}.annorect is of {len(people)} people; one is expected, as in each row of the "
            "ground truth"
        )
    for person in people:
        for number, joint in text.points_by_id(person).items():
            points[number] = [_coordinate(joint, axis) for axis in "xy"]
    return points


def _coordinate(joint: mat.Group, axis: str) -> float:
    array = joint.array(axis)
    if array.size != 1:
        raise InputError(f"{joint.where}.{axis} is an array {array.shape}; one number is expected")
    return float(array.item())
