"""Faces of LFW (`read_lfw`) and MTFL (`read_mtfl`), and what all face data sets share.

The box of a record is the extent of its points. "Left" is the viewer's in all face data sets.

LFW has 13143 faces of public figures, each with 73 scores of classifiers. The folder holds
``lfw_attributes.txt`` and the images, ``<Person_Name>/<Person_Name>_<nnnn>.jpg``, in the first of `FOLDERS`
that exists. In the text file, lines that begin with ``#`` are comments; the last of them names the columns.
Columns are separated by tabs: ``person`` (with spaces where the folders have underscores), ``imagenum``, and
the attributes. A positive score means that the face has the attribute. A record is a whole image of 250 x 250
pixels with the face in its middle; it has no keypoints and no box. The official splits divide pairs of faces,
for verification; here all faces are of the split "all".

Source: Huang, Ramesh, Berg, Learned-Miller, "Labeled Faces in the Wild", University of Massachusetts, 2007;
Kumar, Berg, Belhumeur, Nayar, "Attribute and Simile Classifiers for Face Verification", ICCV 2009.

MTFL has 12995 faces of LFW, the web and AFLW with 5 points, gender, smile, glasses and head pose. The folder
holds ``training.txt`` (10000 faces), ``testing.txt`` (2995), and the images in ``lfw_5590``, ``net_7876`` and
``AFLW``. A line is a face: the path of the image, with backslashes in ``training.txt``; x of the five points,
then y of the five points; and four numbers:

- gender: 1 male, 2 female; smile: 1 smiling, 2 not; glasses: 1 wearing, 2 not;
- head_pose: 1 left profile, 2 left, 3 frontal, 4 right, 5 right profile, where "left" means that the nose
  points to the left of the image.

No official text states the frame of the points; they are read as 0-based, without conversion. The metric's
length is the distance of the eyes.

Source: Zhang, Luo, Loy, Tang, "Facial Landmark Detection by Deep Multi-task Learning", ECCV 2014.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from convcorr_jax import coords
from convcorr_jax.datasets.formats import text
from convcorr_jax.datasets.records import Absent, Record
from convcorr_jax.errors import InputError
from convcorr_jax.io import image_size

_NOTHING: Mapping[str, float] = MappingProxyType({})


class Markup(NamedTuple):
    """The points that a release marks on every face, as indices into their names."""

    names: tuple[str, ...]
    left_right_pairs: tuple[tuple[int, int], ...]
    """Pairs of indices of points that exchange names when the image is mirrored."""
    part_sets: Mapping[str, tuple[int, ...]]
    eyes: tuple[tuple[int, ...], tuple[int, ...]]
    """Indices of two groups of points; the distance of their means is the metric's length."""


def to_record(
    image: Path,
    markup: Markup,
    points: Float[np.ndarray, "n 2"],
    *,
    source_id: str,
    split: str,
    visible: Bool[np.ndarray, " n"] | None = None,
    attributes: Mapping[str, float] = _NOTHING,
) -> Record | Absent:
    """Return the record of a face; `Absent` if its image cannot be read or its points fit no face.

    The points (x, y) are in pixels of the image, 0-based, NaN where absent; by default all others are visible.
    """
    left, right = (points[list(group)].mean(axis=0) for group in markup.eyes)
    length = float(np.linalg.norm(left - right))
    try:
        return Record(
            image=image,
            size=image_size(image),
            category="face",
            source_id=source_id,
            split=split,
            names=markup.names,
            points=points,
            visible=~np.isnan(points[:, 0]) if visible is None else visible,
            left_right_pairs=markup.left_right_pairs,
            part_sets=markup.part_sets,
            box=coords.tight_box(points),
            normalizer_px=None if np.isnan(length) else length,
            attributes=attributes,
        )
    except InputError as error:
        return Absent(source_id, str(error))


FOLDERS = ("lfw", "lfw_funneled", "lfw-funneled", "lfw-deepfunneled")
"""The folders of LFW's images and aligned versions of them, in the order of preference."""

_MAX_IMAGES = 9999


class LfwFace(NamedTuple):
    """A row of ``lfw_attributes.txt``, such as ``Ana_Guevara_0003`` in the folder ``Ana_Guevara``."""

    name: str
    person: str
    attributes: dict[str, float]


def read_lfw(source: Path) -> Iterator[Record | Absent]:
    """Yield the faces that have attributes, in the order of the file."""
    faces = read_attributes(source / "lfw_attributes.txt")
    folder = next((source / name for name in FOLDERS if (source / name).is_dir()), None)
    if folder is None:
        raise InputError(f"{source} has none of the folders {', '.join(FOLDERS)} of LFW's images")
    return (_lfw_record(folder, face) for face in faces)


def read_attributes(path: Path) -> Iterator[LfwFace]:
    """Yield the rows of ``lfw_attributes.txt``; each is parsed when it is reached."""
    lines = text.lines(path, kind="LFW attribute")
    titles = [line[1:].strip().split("\t") for line in lines if line.startswith("#")]
    columns = titles[-1] if titles else []
    if columns[:2] != ["person", "imagenum"] or len(set(columns)) != len(columns):
        raise InputError(f"{path}: a comment with the columns person, imagenum, ... is expected")
    rows = [(number, line) for number, line in enumerate(lines, start=1) if line[:1] not in ("", "#")]
    return _lfw_faces(path, columns, rows)


def _lfw_faces(path: Path, columns: list[str], rows: list[tuple[int, str]]) -> Iterator[LfwFace]:
    seen: set[str] = set()
    for number, line in rows:
        where = f"{path}, line {number}"
        fields = line.split("\t")
        if len(fields) != len(columns):
            raise InputError(f"{where} has {len(fields)} fields; {len(columns)} are expected")
        person = text.check_name(fields[0].replace(" ", "_"), named_in=path)
        image, *scores = text.numbers(fields[1:], where=where).tolist()
        if not image.is_integer() or not 1 <= image <= _MAX_IMAGES:
            raise InputError(f"{where}: {fields[1]!r} is no number of an image")
        name = f"{person}_{int(image):04d}"
        if name in seen:
            raise InputError(f"{where}: {name} comes twice")
        seen.add(name)
        yield LfwFace(name, person, dict(zip(columns[2:], scores, strict=True)))


def _lfw_record(folder: Path, face: LfwFace) -> Record | Absent:
    image = folder / face.person / f"{face.name}.jpg"
    if not image.is_file():
        return Absent(face.name, f"{folder.name}/{face.person}/{image.name} is missing")
    try:
        return Record(
            image=image,
            size=image_size(image),
            category="face",
            source_id=face.name,
            split="all",
            attributes=face.attributes,
        )
    except InputError as error:
        return Absent(face.name, str(error))


MARKUP = Markup(
    names=("left_eye", "right_eye", "nose", "left_mouth_corner", "right_mouth_corner"),
    left_right_pairs=((0, 1), (3, 4)),
    part_sets={"eyes": (0, 1), "nose": (2,), "lips": (3, 4)},
    eyes=((0,), (1,)),
)
ATTRIBUTES = ("gender", "smile", "glasses", "head_pose")
_POINTS = len(MARKUP.names)


class MtflFace(NamedTuple):
    """A line of a list: the image in the folder, its points (x, y) in pixels, 0-based, and the attributes."""

    file: str
    points: Float[np.ndarray, "5 2"]
    attributes: dict[str, float]


def read_mtfl(source: Path) -> Iterator[Record | Absent]:
    """Yield the faces of both lists, training first, in their order."""
    lists = {"train": source / "training.txt", "test": source / "testing.txt"}
    listed = [(face, split) for split, path in lists.items() for face in read_list(path)]
    if len({face.file for face, _ in listed}) != len(listed):
        raise InputError(f"{source}: the lists name an image twice")
    return (_mtfl_face(source, face, split) for face, split in listed)


def read_list(path: Path) -> list[MtflFace]:
    """Read the faces of a list."""
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
            text.check_name(part, named_in=path)
        faces_in_list.append(
            MtflFace(
                str(file),
                np.ascontiguousarray(points.reshape(2, _POINTS).T),
                dict(zip(ATTRIBUTES, labels.tolist(), strict=True)),
            )
        )
    return faces_in_list


def _mtfl_face(source: Path, face: MtflFace, split: str) -> Record | Absent:
    image = source / face.file
    if not image.is_file():
        return Absent(face.file, "it is missing")
    return to_record(image, MARKUP, face.points, source_id=face.file, split=split, attributes=face.attributes)
