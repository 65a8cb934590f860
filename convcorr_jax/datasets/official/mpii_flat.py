"""MPII's annotations in the two flat forms from which pose networks are trained.

`read_h5` reads ``train.h5``, ``valid.h5`` and ``test.h5`` of the hourglass networks (Newell, Yang, Deng, ECCV
2016). Their joints are rounded down to whole pixels, and (0, 0) where absent. They have the length of PCKh, but
not the head's box. Their centres are 15 pixels (times the scale) lower and their scales 1.25 times larger than
the release's, for cropping; the reader reverts both. The later ``annot.h5`` has another layout and is not read.

`read_json` reads ``train.json``, ``valid.json`` and ``test.json`` of HRNet (``mpii_train.json`` and so on in
mmpose): a list of people with ``image``, ``center``, ``scale`` and, except in the test set, ``joints`` and
``joints_vis``, which is 0 for absent joints and 1 for all others, hidden ones included. They lack the head's
size and the numbers of people, who are numbered here in the order of the file.

Coordinates in the files are 1-based, as in the release.
"""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from convcorr_jax.datasets.formats import hdf5
from convcorr_jax.datasets.official.mpii_people import NAMES, Person
from convcorr_jax.errors import InputError
from convcorr_jax.io import check_file, json_array, json_file

# How the hourglass's preparation enlarged the scale, and lowered the centre in pixels times the scale.
_ENLARGED = 1.25
_LOWERED = 15.0

# The arrays of an .h5, and the shape of their part for one person.
_SHAPES = {
    **{"imgname": (), "person": (), "part": (16, 2), "visible": (16,)},
    **{"center": (2,), "scale": (), "normalize": ()},
}
# No image has as many pixels a side.
_MAX_COORDINATE = 1e6


def read_h5(paths: Mapping[str, Path]) -> tuple[Person, ...]:
    """Read the people of hourglass files, in their order.

    Args:
        paths: the file of each split.

    Raises:
        InputError: a file is missing, damaged or of another layout.
    """
    return tuple(person for split, path in paths.items() for person in _h5_people(path, split))


def read_json(paths: Mapping[str, Path]) -> tuple[Person, ...]:
    """Read the people of JSON files, in their order.

    Args:
        paths: the file of each split.

    Raises:
        InputError: a file is missing, damaged or of another layout.
    """
    places: Counter[str] = Counter()
    return tuple(
        person for split, path in paths.items() for person in _json_people(path, split, places)
    )


FORMS = (
    ({split: f"{split}.h5" for split in ("train", "valid", "test")}, read_h5),
    ({split: f"{split}.json" for split in ("train", "valid", "test")}, read_json),
    ({"train": "mpii_train.json", "valid": "mpii_val.json", "test": "mpii_test.json"}, read_json),
)
"""File names by split and the function that reads them, in the order of preference."""


def _h5_people(path: Path, split: str) -> list[Person]:
    check_file(path, "HDF5")
    try:
        with h5py.File(path, "r") as stored:
            columns = {name: _column(hdf5.member(stored, name), name) for name in _SHAPES}
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, MemoryError) as error:
        raise InputError(f"{path} is damaged, or not laid out as MPII's .h5: {error}") from error
    if len({len(column) for column in columns.values()}) != 1:
        raise InputError(f"{path}: its arrays are of different lengths")
    joints = columns["part"].astype(np.float64)
    absent = (joints == 0).all(axis=-1)
    points = np.where(absent[..., None], np.nan, joints - 1)
    visible = (columns["visible"] > 0) & ~absent
    scale = columns["scale"] / _ENLARGED
    center_x, center_y = columns["center"].T - 1
    center_y = center_y - _LOWERED * scale
    return [
        Person(
            frame=columns["imgname"][index].decode("utf-8", "replace"),
            place=int(columns["person"][index]),
            split=split,
            points=points[index],
            visible=visible[index],
            head_box=None,
            head_size=float(columns["normalize"][index]),
            attributes={
                "center_x": float(center_x[index]),
                "center_y": float(center_y[index]),
                "scale": float(scale[index]),
            },
        )
        for index in range(len(points))
    ]


def _column(stored: Any, name: str) -> np.ndarray:
    kinds = "S" if name == "imgname" else "fiu"
    shape = _SHAPES[name]
    if (
        not isinstance(stored, h5py.Dataset)
        or stored.dtype.kind not in kinds
        or stored.ndim != 1 + len(shape)
        or stored.shape[1:] != shape
    ):
        raise ValueError(f"{name} must be an array of people times {shape}")
    column = hdf5.read(stored)
    if name != "imgname" and not (np.abs(column) < _MAX_COORDINATE).all():
        raise ValueError(f"{name} must be finite, and within {_MAX_COORDINATE:.0f} pixels")
    return column


def _json_people(path: Path, split: str, places: Counter[str]) -> list[Person]:
    people = []
    with json_file(path, "MPII annotation") as entries:
        for entry in entries:
            # JSON can encode half a surrogate pair, which neither file names nor reports can contain.
            frame = str(entry["image"]).encode(errors="replace").decode()
            people.append(_json_person(entry, frame, places[frame], split))
            places[frame] += 1
    return people


def _json_person(entry: dict[str, Any], frame: str, place: int, split: str) -> Person:
    count = len(NAMES)
    joints = json_array(entry.get("joints", [[0, 0]] * count), dtype=np.float64)
    known = json_array(entry.get("joints_vis", [0] * count), dtype=np.float64) > 0
    center_x, center_y = (float(value) for value in entry["center"])
    attributes = {"scale": float(entry["scale"])}
    # The code of the networks marks a person without centre by -1.
    if center_x != -1:
        attributes |= {"center_x": center_x - 1, "center_y": center_y - 1}
    if joints.shape != (count, 2) or known.shape != (count,):
        raise ValueError(f"a person has joints {joints.shape} and joints_vis {known.shape}")
    known &= np.isfinite(joints).all(axis=1)
    return Person(
        frame=frame,
        place=place,
        split=split,
        points=np.where(known[:, None], joints - 1, np.nan),
        visible=known,
        head_box=None,
        head_size=None,
        attributes=attributes,
    )
