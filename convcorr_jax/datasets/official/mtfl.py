"""MTFL: 12995 faces of LFW, the web and AFLW with 5 points, gender, smile, glasses and head pose.

The folder holds ``training.txt`` (10000 faces), ``testing.txt`` (2995), and the images in ``lfw_5590``,
``net_7876`` and ``AFLW``. A line is a face: the path of the image, with backslashes in ``training.txt``; x of
the five points, then y of the five points; and four numbers:

- gender: 1 male, 2 female; smile: 1 smiling, 2 not; glasses: 1 wearing, 2 not;
- head_pose: 1 left profile, 2 left, 3 frontal, 4 right, 5 right profile, where "left" means that the nose
  points to the left of the image.

No official text states the frame of the points; they are read as 0-based, without conversion. The metric's
length is the distance of the eyes.

Source: Zhang, Luo, Loy, Tang, "Facial Landmark Detection by Deep Multi-task Learning", ECCV 2014.
"""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from convcorr_jax.datasets.formats import names, text
from convcorr_jax.datasets.official import faces
from convcorr_jax.datasets.records import Absent, Record
from convcorr_jax.errors import InputError

MARKUP = faces.Markup(
    names=("left_eye", "right_eye", "nose", "left_mouth_corner", "right_mouth_corner"),
    left_right_pairs=((0, 1), (3, 4)),
    part_sets={"eyes": (0, 1), "nose": (2,), "lips": (3, 4)},
    eyes=((0,), (1,)),
)
"""The five points."""

ATTRIBUTES = ("gender", "smile", "glasses", "head_pose")
"""The names of the last numbers of a line."""

_POINTS = len(MARKUP.names)


class Face(NamedTuple):
    """A line of a list."""

    file: str
    """The path of the image in the folder, with slashes."""
    points: Float[np.ndarray, "5 2"]
    """Points (x, y) in pixels of the image, 0-based."""
    attributes: dict[str, float]
    """The value of each attribute by name."""


def read(source: Path) -> Iterator[Record | Absent]:
    """Yield the faces of both lists, training first, in their order.

    Raises:
        InputError: a list is missing or damaged, or an image is listed twice.
    """
    lists = {"train": source / "training.txt", "test": source / "testing.txt"}
    listed = [(face, split) for split, path in lists.items() for face in read_list(path)]
    if len({face.file for face, _ in listed}) != len(listed):
        raise InputError(f"{source}: the lists name an image twice")
    return (_record(source, face, split) for face, split in listed)


def read_list(path: Path) -> list[Face]:
    """Read the faces of a list.

    Raises:
        InputError: the file is missing or not text; a line has another number of fields, or a field that is not
            a number; a path leads out of the folder.
    """
    faces_in_list = []
    for number, line in enumerate(text.lines(path, kind="list of MTFL"), start=1):
        where = f"{path}, line {number}"
        fields = line.split()
        if not fields:
            continue
        expected = 1 + 2 * _POINTS + len(ATTRIBUTES)
        if len(fields) != expected:
            raise InputError(f"{where} has {len(fields)} fields; {expected} are expected")
        values = text.numbers(fields[1:], where=where)
        points, labels = values[: 2 * _POINTS], values[2 * _POINTS :]
        file = PurePosixPath(fields[0].replace("\\", "/"))
        for part in file.parts:
            names.check_name(part, named_in=path)
        faces_in_list.append(
            Face(
                str(file),
                np.ascontiguousarray(points.reshape(2, _POINTS).T),
                dict(zip(ATTRIBUTES, labels.tolist(), strict=True)),
            )
        )
    return faces_in_list


def _record(source: Path, face: Face, split: str) -> Record | Absent:
    image = source / face.file
    if not image.is_file():
        return Absent(face.file, "it is missing")
    return faces.to_record(
        image,
        MARKUP,
        face.points,
        source_id=face.file,
        split=split,
        attributes=face.attributes,
    )
