"""Helen: 2330 faces with 194 points (`read`), or the same with the 68 points of 300-W (`read_68`).

The folder of the 194-point release holds

- ``annotation/<n>.txt``, n from 1 to 2330: the name of an image, without suffix, in the first line, and a
  point "x , y" in each of the 194 others;
- ``trainnames.txt`` (2000 names) and ``testnames.txt`` (330);
- the images, ``<name>.jpg``, in any folders: officially ``train_1`` ... ``train_4`` and ``test``, or
  ``helen_1`` ... ``helen_5``.

No official text states the frame of the points. They were set in a web page, so they are read as 0-based,
without conversion.

The points follow contours (`_CONTOURS`) at even distances: jaw, nose and lips from the viewer's left to right
and back, eyes and brows from their inner ends. Left/right pairs therefore are exact at the middle of a
contour's side and approximate at other points: on 15 of the official test faces a mirrored mouth misses itself
by 5.6 % of its width, and by more with all other pairings.

The metric's length of the 194 points is the distance of the eyes' centres, each the mean of its 20 points.

Source: Le, Brandt, Lin, Bourdev, Huang, "Interactive Facial Feature Localization", ECCV 2012.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from convcorr_jax.datasets.formats import names, text
from convcorr_jax.datasets.official import faces, three_hundred_w
from convcorr_jax.datasets.records import Absent, Record
from convcorr_jax.errors import InputError

_CONTOURS = {
    "jaw": range(41),
    "nose": range(41, 58),
    "outer_lip": range(58, 86),
    "inner_lip": range(86, 114),
    "right_eye": range(114, 134),
    "left_eye": range(134, 154),
    "right_brow": range(154, 174),
    "left_brow": range(174, 194),
}

MARKUP = faces.Markup(
    names=tuple(f"{part}_{k}" for part, indices in _CONTOURS.items() for k in range(len(indices))),
    left_right_pairs=(
        *((index, 40 - index) for index in range(20)),
        *((index, 98 - index) for index in range(41, 49)),
        # Upper and lower lip have 14 points each outside; inside the corners are the upper lip's.
        *((index, 129 - index) for index in range(58, 65)),
        *((index, 157 - index) for index in range(72, 79)),
        *((index, 186 - index) for index in range(86, 93)),
        *((index, 214 - index) for index in range(101, 107)),
        *((index + 20, index) for index in _CONTOURS["right_eye"]),
        *((index + 20, index) for index in _CONTOURS["right_brow"]),
    ),
    part_sets={
        **{part: tuple(indices) for part, indices in _CONTOURS.items() if "lip" not in part},
        "lips": (*_CONTOURS["outer_lip"], *_CONTOURS["inner_lip"]),
    },
    eyes=(tuple(_CONTOURS["left_eye"]), tuple(_CONTOURS["right_eye"])),
)
"""The 194 points."""


class Annotation(NamedTuple):
    """The content of a file in the folder ``annotation``."""

    name: str
    """The name of the image, without suffix."""
    points: Float[np.ndarray, "194 2"]
    """Points (x, y) in pixels of the image, 0-based."""


def read(source: Path) -> Iterator[Record | Absent]:
    """Yield the faces with 194 points, in the order of the numbers of their files.

    Raises:
        InputError: a list or the folder of annotations is missing; a name is in both lists, or twice in one
            list; an annotation is damaged, or of the same image as another.
    """
    splits = read_splits(source)
    folder = source / "annotation"
    paths = sorted(folder.glob("[0-9]*.txt"), key=lambda path: (len(path.stem), path.stem))
    if not paths:
        raise InputError(f"{folder} holds no <n>.txt of Helen's 194 points")
    folders = [source, *sorted(path for path in source.iterdir() if path.is_dir())]
    return _faces(paths, splits, folders)


def read_68(source: Path) -> Iterator[Record | Absent]:
    """Yield the faces with the 68 points of 300-W, of ``trainset`` and ``testset``.

    Raises:
        InputError: a folder is missing or holds no ``.pts``, or such a file is damaged.
    """
    return three_hundred_w.read_halves(source, "helen")


def read_splits(source: Path) -> dict[str, str]:
    """Return the split of every name in ``trainnames.txt`` and ``testnames.txt``.

    Raises:
        InputError: a list is missing or not text; a name is listed twice, or is a path.
    """
    splits: dict[str, str] = {}
    for split in ("train", "test"):
        path = source / f"{split}names.txt"
        for line in filter(None, text.lines(path, kind="list of names")):
            name = _name(line, path)
            if name in splits:
                raise InputError(f"{path}: {name} is listed twice, here or in the other list")
            splits[name] = split
    return splits


def read_annotation(path: Path) -> Annotation:
    """Read a file of the folder ``annotation``.

    Raises:
        InputError: the file is missing, not text or cut short; it names a path; a line is not two numbers.
    """
    content = text.lines(path, kind="Helen annotation")
    rows = [line.split(",") for line in content[1:] if line]
    expected = len(MARKUP.names)
    if len(rows) != expected or any(len(row) != 2 for row in rows):
        raise InputError(
            f"{path}: a name and {expected} lines of two numbers with a comma are expected"
        )
    coordinates = text.numbers([field for row in rows for field in row], where=str(path))
    return Annotation(_name(content[0], path), coordinates.reshape(-1, 2))


def _name(line: str, path: Path) -> str:
    return names.check_name(line.removesuffix(".jpg"), named_in=path)


def _faces(
    paths: list[Path], splits: dict[str, str], folders: list[Path]
) -> Iterator[Record | Absent]:
    files_by_name: dict[str, str] = {}
    for path in paths:
        name, points = read_annotation(path)
        if files_by_name.setdefault(name, path.name) != path.name:
            raise InputError(f"{path} is of the same image as {files_by_name[name]}, {name}")
        image = next(filter(Path.is_file, (folder / f"{name}.jpg" for folder in folders)), None)
        if name not in splits:
            yield Absent(name, "it is in neither trainnames.txt nor testnames.txt")
        elif image is None:
            yield Absent(name, f"{name}.jpg is in none of the folders")
        else:
            yield faces.to_record(image, MARKUP, points, source_id=name, split=splits[name])
