"""MTFL: 12995 faces of LFW, the web and AFLW with 5 points, gender, smile, glasses and head pose.

The folder holds ``training.txt`` (10000 faces), ``testing.txt`` (2995), and the pictures in ``lfw_5590``,
``net_7876`` and ``AFLW``. A line is a face: the picture's path, with backslashes in ``training.txt``; x of
the five points, then y of them; and four numbers:

- gender: 1 male, 2 female; smile: 1 smiling, 2 not; glasses: 1 wearing, 2 not;
- head_pose: 1 left profile, 2 left, 3 frontal, 4 right, 5 right profile, where "left" is a nose that
  points to the picture's left.

No official text gives the frame of the points; they are taken as 0-based, as they stand. The metric's
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
"""What the last numbers of a line are."""

_POINTS = len(MARKUP.names)


class Face(NamedTuple):
    """A line of a list."""

    file: str
    """The picture's path in the folder, with slashes."""
    points: Float[np.ndarray, "5 2"]
    attributes: dict[str, float]


def read(source: Path) -> Iterator[Record | Absent]:
    """The faces of both lists, training first, in their order.

    Raises:
        InputError: a list is missing or damaged, or a picture is listed twice.
    """
    lists = {"train": source / "training.txt", "test": source / "testing.txt"}
    listed = [(face, split) for split, path in lists.items() for face in read_list(path)]
    if len({face.file for face, _ in listed}) != len(listed):
        raise InputError(f"{source}: the lists name a picture twice")
    return (_record(source, face, split) for face, split in listed)


def read_list(path: Path) -> list[Face]:
    """The faces of a list.

    Raises:
        InputError: the file is missing or no text, a line has too few numbers or something else, or a
            path leads out of the folder.
    """
    found = []
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
            names.plain(part, named_in=path)
        found.append(
            Face(
                str(file),
                np.ascontiguousarray(points.reshape(2, _POINTS).T),
                dict(zip(ATTRIBUTES, labels.tolist(), strict=True)),
            )
        )
    return found


def _record(source: Path, face: Face, split: str) -> Record | Absent:
    image = source / face.file
    if not image.is_file():
        return Absent(face.file, "it is not there")
    return faces.record(
        image,
        MARKUP,
        face.points,
        source_id=face.file,
        split=split,
        attributes=face.attributes,
    )
