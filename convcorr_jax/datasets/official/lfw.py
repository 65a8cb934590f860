"""LFW with attributes: 13143 faces of public figures, each with 73 scores of classifiers.

The folder holds ``lfw_attributes.txt`` and the images of LFW, ``lfw/<Person_Name>/<Person_Name>_<nnnn>.jpg``,
or an aligned version of them in ``lfw_funneled``, ``lfw-funneled`` or ``lfw-deepfunneled``; the first of these
folders that exists is read.

In the text file, lines that begin with ``#`` are comments; the last of them names the columns. Columns are
separated by tabs: ``person`` (with spaces where the folders have underscores), ``imagenum``, and the
attributes. A positive score means that the face has the attribute.

A record is a whole image of 250 x 250 pixels with the face in its middle; it has no keypoints and no box. The
official splits divide pairs of faces, for verification; here all faces are of the split "all".

Source: Huang, Ramesh, Berg, Learned-Miller, "Labeled Faces in the Wild", University of Massachusetts,
2007; Kumar, Berg, Belhumeur, Nayar, "Attribute and Simile Classifiers for Face Verification", ICCV 2009.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from convcorr_jax.datasets.formats import names, text
from convcorr_jax.datasets.records import Absent, Record
from convcorr_jax.errors import InputError
from convcorr_jax.io import image_size

FOLDERS = ("lfw", "lfw_funneled", "lfw-funneled", "lfw-deepfunneled")
"""The folders of images, in the order of preference."""

_MAX_IMAGES = 9999


class Face(NamedTuple):
    """A row of ``lfw_attributes.txt``."""

    name: str
    """The name of the image without suffix, such as ``"Ana_Guevara_0003"``."""
    person: str
    """The person's folder, such as ``"Ana_Guevara"``."""
    attributes: dict[str, float]
    """The score of each attribute by name."""


def read(source: Path) -> Iterator[Record | Absent]:
    """Yield the faces that have attributes, in the order of the file.

    Raises:
        InputError: the file or the folder of images is missing; the file is damaged, or has a face twice.
    """
    faces = read_attributes(source / "lfw_attributes.txt")
    folder = next((source / name for name in FOLDERS if (source / name).is_dir()), None)
    if folder is None:
        raise InputError(f"{source} has none of the folders {', '.join(FOLDERS)} of LFW's images")
    return (_record(folder, face) for face in faces)


def read_attributes(path: Path) -> Iterator[Face]:
    """Yield the rows of ``lfw_attributes.txt``; each is parsed when it is reached.

    Raises:
        InputError: the file is missing, not text, or does not name its columns; a row has another number of
            fields, names a path, or has a score that is not a number; a face occurs twice.
    """
    lines = text.lines(path, kind="LFW attribute")
    titles = [line[1:].strip().split("\t") for line in lines if line.startswith("#")]
    columns = titles[-1] if titles else []
    if columns[:2] != ["person", "imagenum"] or len(set(columns)) != len(columns):
        raise InputError(f"{path}: a comment with the columns person, imagenum, ... is expected")
    rows = [
        (number, line) for number, line in enumerate(lines, start=1) if line[:1] not in ("", "#")
    ]
    return _faces(path, columns, rows)


def _faces(path: Path, columns: list[str], rows: list[tuple[int, str]]) -> Iterator[Face]:
    seen: set[str] = set()
    for number, line in rows:
        where = f"{path}, line {number}"
        fields = line.split("\t")
        if len(fields) != len(columns):
            raise InputError(f"{where} has {len(fields)} fields; {len(columns)} are expected")
        person = names.check_name(fields[0].replace(" ", "_"), named_in=path)
        image, *scores = text.numbers(fields[1:], where=where).tolist()
        if not image.is_integer() or not 1 <= image <= _MAX_IMAGES:
            raise InputError(f"{where}: {fields[1]!r} is no number of an image")
        name = f"{person}_{int(image):04d}"
        if name in seen:
            raise InputError(f"{where}: {name} comes twice")
        seen.add(name)
        yield Face(name, person, dict(zip(columns[2:], scores, strict=True)))


def _record(folder: Path, face: Face) -> Record | Absent:
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
