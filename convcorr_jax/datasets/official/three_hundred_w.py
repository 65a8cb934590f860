"""300-W: faces of five collections with 68 points, each an image and a ``.pts`` file.

The folder holds the content of the official archives, all or some of:

=====================  ====================================  ==========================
folder                 split here                            official number of faces
=====================  ====================================  ==========================
``afw``                train                                 337
``helen/trainset``     train                                 2000
``lfpw/trainset``      train                                 811
``helen/testset``      common                                330
``lfpw/testset``       common                                224
``ibug``               challenging                           135
``300W/01_Indoor``     indoor                                300
``300W/02_Outdoor``    outdoor                               300
=====================  ====================================  ==========================

"Common" and "challenging" are names of the public test faces in papers; indoor and outdoor are the challenge's
own. Images are JPEG or PNG. The files are 1-based; `formats.pts` converts. The metric's length is the distance
of the outer eye corners, as in the challenge. Its boxes of a face detector (``.mat``) are not read.

Source: Sagonas, Tzimiropoulos, Zafeiriou, Pantic, "300 Faces in-the-Wild Challenge", ICCV-W 2013.
"""

from collections.abc import Iterator
from pathlib import Path

from convcorr_jax.datasets.formats import names, pts
from convcorr_jax.datasets.official import faces
from convcorr_jax.datasets.records import Absent, Record
from convcorr_jax.errors import InputError

SUBSETS = {
    "afw": "train",
    "helen/trainset": "train",
    "lfpw/trainset": "train",
    "helen/testset": "common",
    "lfpw/testset": "common",
    "ibug": "challenging",
    "300W/01_Indoor": "indoor",
    "300W/02_Outdoor": "outdoor",
}
"""The split of every folder."""


# The groups of the markup in its order, with their numbers of points, from left to right or top to bottom.
_GROUPS = {
    "jaw": 17,
    "left_brow": 5,
    "right_brow": 5,
    "nose_bridge": 4,
    "nostril": 5,
    "left_eye": 6,
    "right_eye": 6,
    "outer_lip": 12,
    "inner_lip": 8,
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
"""Indices of landmarks that exchange names when the image is mirrored."""

_LEFT_OUTER_EYE_CORNER, _RIGHT_OUTER_EYE_CORNER = 36, 45


def _points(*groups: str) -> tuple[int, ...]:
    """Return the indices of the points of groups."""
    return tuple(index for index, name in enumerate(NAMES) if name.rsplit("_", 1)[0] in groups)


MARKUP = faces.Markup(
    names=NAMES,
    left_right_pairs=LEFT_RIGHT_PAIRS,
    part_sets={
        "jaw": _points("jaw"),
        "left_brow": _points("left_brow"),
        "right_brow": _points("right_brow"),
        "nose": _points("nose_bridge", "nostril"),
        "left_eye": _points("left_eye"),
        "right_eye": _points("right_eye"),
        "lips": _points("outer_lip", "inner_lip"),
        # The challenge's second set of points to evaluate: all but the jaw.
        "inner_51": tuple(range(17, 68)),
    },
    eyes=((_LEFT_OUTER_EYE_CORNER,), (_RIGHT_OUTER_EYE_CORNER,)),
)
"""The 68 points."""


def read(source: Path) -> Iterator[Record | Absent]:
    """Yield the faces of all folders that exist, in the order of `SUBSETS`, and of their file names in each.

    Raises:
        InputError: none of the folders exists; a folder holds no ``.pts``; such a file is damaged.
    """
    folders = [folder for folder in SUBSETS if (source / folder).is_dir()]
    if not folders:
        raise InputError(
            f"{source} holds no part of 300-W; at least one of the folders {', '.join(SUBSETS)} is "
            "expected there"
        )
    return _faces(source, {folder: SUBSETS[folder] for folder in folders})


def read_halves(source: Path, name: str) -> Iterator[Record | Absent]:
    """Yield the faces of one collection, train before test.

    Args:
        source: the folder of the collection, or one that holds it.
        name: the name of the collection's folder.

    Raises:
        InputError: ``trainset`` or ``testset`` is missing or holds no ``.pts``, or such a file is damaged.
    """
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
    points = pts.read(path, count=len(MARKUP.names))
    image = names.find_image(path.parent, path.stem)
    if image is None:
        return Absent(source_id, f"no {path.stem}.png or .jpg is beside its .pts")
    return faces.to_record(image, MARKUP, points, source_id=source_id, split=split)
