"""300-W (`read_300w`), faces of five collections with 68 points, and Helen with 194 (`read_helen`) or 68.

The folder of 300-W holds the content of the official archives, some or all of (with the official numbers of
faces, by the split here)

- train: ``afw`` (337), ``helen/trainset`` (2000), ``lfpw/trainset`` (811);
- common: ``helen/testset`` (330), ``lfpw/testset`` (224); challenging: ``ibug`` (135);
- indoor: ``300W/01_Indoor`` (300); outdoor: ``300W/02_Outdoor`` (300).

Each face is an image, JPEG or PNG, and a ``.pts`` file, which is 1-based; `text.read_pts` converts. "Common"
and "challenging" are names of the public test faces in papers; indoor and outdoor are the challenge's own. The
metric's length is the distance of the outer eye corners, as in the challenge. Its boxes of a face detector
(``.mat``) are not read.

Source: Sagonas, Tzimiropoulos, Zafeiriou, Pantic, "300 Faces in-the-Wild Challenge", ICCV-W 2013.

Helen has 2330 faces with 194 points (`read_helen`), or the same with the 68 points of 300-W (`read_helen_68`).
The folder of the 194-point release holds

- ``annotation/<n>.txt``, n from 1 to 2330: the name of an image, without suffix, in the first line, and a point
  "x , y" in each of the 194 others;
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

from convcorr_jax.datasets.formats import text
from convcorr_jax.datasets.official import faces
from convcorr_jax.datasets.records import Absent, Record
from convcorr_jax.errors import InputError

# The split of every folder.
SUBSETS = {
    **dict.fromkeys(("afw", "helen/trainset", "lfpw/trainset"), "train"),
    **dict.fromkeys(("helen/testset", "lfpw/testset"), "common"),
    **{"ibug": "challenging", "300W/01_Indoor": "indoor", "300W/02_Outdoor": "outdoor"},
}
# The groups of the markup in its order, with their numbers of points, from left to right or top to bottom.
_GROUPS = {
    **{"jaw": 17, "left_brow": 5, "right_brow": 5, "nose_bridge": 4, "nostril": 5},
    **{"left_eye": 6, "right_eye": 6, "outer_lip": 12, "inner_lip": 8},
}
NAMES = tuple(f"{group}_{index}" for group, count in _GROUPS.items() for index in range(count))
"""The 68 landmarks: the group, and the index in it."""

LEFT_RIGHT_PAIRS = (
    *((index, 16 - index) for index in range(8)),
    *((index, 43 - index) for index in range(17, 22)),
    *((31, 35), (32, 34)),
    *((36, 45), (37, 44), (38, 43), (39, 42), (40, 47), (41, 46)),
    *((48, 54), (49, 53), (50, 52), (55, 59), (56, 58)),
    *((60, 64), (61, 63), (65, 67)),
)


def _points(*groups: str) -> tuple[int, ...]:
    return tuple(index for index, name in enumerate(NAMES) if name.rsplit("_", 1)[0] in groups)


MARKUP = faces.Markup(
    names=NAMES,
    left_right_pairs=LEFT_RIGHT_PAIRS,
    part_sets={
        **{group: _points(group) for group in ("jaw", "left_brow", "right_brow")},
        "nose": _points("nose_bridge", "nostril"),
        **{group: _points(group) for group in ("left_eye", "right_eye")},
        "lips": _points("outer_lip", "inner_lip"),
        # The challenge's second set of points to evaluate: all but the jaw.
        "inner_51": tuple(range(17, 68)),
    },
    # The outer corners.
    eyes=((36,), (45,)),
)


def read_300w(source: Path) -> Iterator[Record | Absent]:
    """Yield the faces of all folders that exist, in the order of `SUBSETS`, and of their file names in each."""
    folders = [folder for folder in SUBSETS if (source / folder).is_dir()]
    if not folders:
        raise InputError(
            f"{source} holds no part of 300-W; at least one of the folders {', '.join(SUBSETS)} is "
            "expected there"
        )
    return _faces(source, {folder: SUBSETS[folder] for folder in folders})


def read_halves(source: Path, name: str) -> Iterator[Record | Absent]:
    """Yield the faces of a collection, train before test, from its folder or one that holds it by its name."""
    folder = source / name if (source / name).is_dir() else source
    for half in ("trainset", "testset"):
        if not (folder / half).is_dir():
            raise InputError(f"{folder} has no folder {half} of images and .pts files")
    return _faces(folder, {"trainset": "train", "testset": "test"})


def _faces(source: Path, splits: dict[str, str]) -> Iterator[Record | Absent]:
    listed = []
    for folder, split in splits.items():
        # Archives from macOS hold a hidden file "._<name>" for every file.
        paths = [path for path in (source / folder).glob("*.pts") if not path.name.startswith(".")]
        if not paths:
            raise InputError(f"{source / folder} holds no .pts files")
        listed += [(path, f"{folder}/{path.stem}", split) for path in sorted(paths)]
    return (_face(*face) for face in listed)


def _face(path: Path, source_id: str, split: str) -> Record | Absent:
    points = text.read_pts(path, count=len(MARKUP.names))
    image = text.find_image(path.parent, path.stem)
    if image is None:
        return Absent(source_id, f"no {path.stem}.png or .jpg is beside its .pts")
    return faces.to_record(image, MARKUP, points, source_id=source_id, split=split)


_CONTOURS = {
    **{"jaw": range(41), "nose": range(41, 58), "outer_lip": range(58, 86), "inner_lip": range(86, 114)},
    **{"right_eye": range(114, 134), "left_eye": range(134, 154)},
    **{"right_brow": range(154, 174), "left_brow": range(174, 194)},
}

HELEN_MARKUP = faces.Markup(
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


class Annotation(NamedTuple):
    """A file of ``annotation``: the image's name without suffix, and (x, y) in its pixels, 0-based."""

    name: str
    points: Float[np.ndarray, "194 2"]


def read_helen(source: Path) -> Iterator[Record | Absent]:
    """Yield the faces with 194 points, in the order of the numbers of their files."""
    splits = read_splits(source)
    folder = source / "annotation"
    paths = sorted(folder.glob("[0-9]*.txt"), key=lambda path: (len(path.stem), path.stem))
    if not paths:
        raise InputError(f"{folder} holds no <n>.txt of Helen's 194 points")
    folders = [source, *sorted(path for path in source.iterdir() if path.is_dir())]
    return _by_annotation(paths, splits, folders)


def read_helen_68(source: Path) -> Iterator[Record | Absent]:
    """Yield the faces with the 68 points of 300-W, of ``trainset`` and ``testset``."""
    return read_halves(source, "helen")


def read_splits(source: Path) -> dict[str, str]:
    """Return the split of every name in ``trainnames.txt`` and ``testnames.txt``."""
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
    """Read a file of the folder ``annotation``."""
    content = text.lines(path, kind="Helen annotation")
    rows = [line.split(",") for line in content[1:] if line]
    expected = len(HELEN_MARKUP.names)
    if len(rows) != expected or any(len(row) != 2 for row in rows):
        raise InputError(f"{path}: a name and {expected} lines of two numbers with a comma are expected")
    coordinates = text.numbers([field for row in rows for field in row], where=str(path))
    return Annotation(_name(content[0], path), coordinates.reshape(-1, 2))


def _name(line: str, path: Path) -> str:
    return text.check_name(line.removesuffix(".jpg"), named_in=path)


def _by_annotation(paths: list[Path], splits: dict[str, str], folders: list[Path]) -> Iterator[Record | Absent]:
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
            yield faces.to_record(image, HELEN_MARKUP, points, source_id=name, split=splits[name])
