"""SPair-71k: 1800 pictures of 18 PASCAL VOC classes, and 70958 pairs of them.

The release is the folder ``SPair-71k``: ``JPEGImages/<class>/<picture>.jpg``,
``ImageAnnotation/<class>/<picture>.json``, and the pairs of the splits ``trn``, ``val`` and ``test``: in
``Layout/large/<split>.txt`` a line ``<number>-<source>-<target>:<class>`` each, and a file of that name
in ``PairAnnotation/<split>``.

A keypoint is its id in its class, "0" to "29", and null where the object does not show it. The
keypoints of a pair are those that both pictures have. ``PairAnnotation`` only repeats them, and says how
far view, scale and so on differ; it is not read. A record has the split of its pairs: the last of train,
val and test that has any, though their pictures should have nothing in common.

The release does not say where its pixels start. Boxes reach from 1 to the width of the picture, as VOC's
do, and are read so; keypoints index pixels as they are in the authors' code, from 0. The metric's length is
theirs: the longer side of the box as last minus first pixel. There are no left/right pairs: the
release gives ids no names.

Source: Min, Lee, Ponce, Cho, "SPair-71k: A Large-scale Benchmark for Semantic Correspondence",
arXiv:1908.10543; https://cvlab.postech.ac.kr/research/SPair-71k.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from convcorr_jax import coords
from convcorr_jax.datasets.formats import names, text, voc
from convcorr_jax.datasets.records import Absent, Pair, PairSet, Record
from convcorr_jax.errors import InputError
from convcorr_jax.io import image_size, json_file

NAMES = tuple(str(number) for number in range(30))
# Our names of the splits, and those in the release.
_SPLITS = {"train": "trn", "val": "val", "test": "test"}
_FLAGS = ("truncated", "occluded", "difficult", "azimuth_id")
_LISTED = re.compile(r"\d+-([^-:]+)-([^-:]+):([^-:]+)")


class Annotation(NamedTuple):
    """A picture's ``.json``, 0-based."""

    size: coords.Size
    box: coords.Box
    longer_side_px: float
    """Of the box, from its first to its last pixel."""
    points: Float[np.ndarray, "30 2"]
    flags: dict[str, float]
    """Numbers under "truncated", "occluded", "difficult" and "azimuth_id"."""


class ListedPair(NamedTuple):
    """A line of a file of ``Layout``; pictures are class/name."""

    category: str
    source: str
    target: str


def read(source: Path) -> Iterator[Record | Absent]:
    """The pictures, class by class in the order of their names.

    Raises:
        InputError: the tree is not that of the release, or an annotation is damaged.
    """
    root = _root(source)
    splits = {
        picture: split
        for split in _SPLITS
        for pair in read_pair_list(_pair_list(root, split))
        for picture in pair[1:]
    }
    return (
        _record(root, picture, splits[picture])
        if picture in splits
        else Absent(picture, "it is in no pair of Layout/large")
        for picture in _pictures(root)
    )


def read_pairs(source: Path, *, split: str = "test") -> PairSet:
    """The pairs of a split: 53340 of "train", 5384 of "val", 12234 of "test"; a subset is a class.

    Raises:
        InputError: as `read`; a pair's picture or annotation is missing.
    """
    root = _root(source)
    listed = read_pair_list(_pair_list(root, split))
    pictures = dict.fromkeys(picture for pair in listed for picture in pair[1:])
    position, records = {}, []
    for picture in pictures:
        record = _record(root, picture, split)
        if isinstance(record, Absent):
            raise InputError(f"{root}: a pair names {picture}: {record.reason}")
        position[picture] = len(records)
        records.append(record)
    return PairSet(
        tuple(records),
        tuple(Pair(pair.category, position[pair.source], position[pair.target]) for pair in listed),
    )


def read_pair_list(path: Path) -> tuple[ListedPair, ...]:
    """The pairs of a file of ``Layout``.

    Raises:
        InputError: the file is missing, empty or no text, or a line is no
            ``<number>-<source>-<target>:<class>``.
    """
    listed = []
    for line in filter(None, text.lines(path, kind="pair list")):
        match = _LISTED.fullmatch(line)
        if match is None:
            raise InputError(f"{path}: {line[:80]!r} is no <number>-<source>-<target>:<class>")
        first, second, category = (names.plain(name, named_in=path) for name in match.groups())
        listed.append(ListedPair(category, f"{category}/{first}", f"{category}/{second}"))
    return tuple(listed)


def read_annotation(path: Path) -> Annotation:
    """A picture's annotation.

    Raises:
        InputError: the file is missing, no JSON, or of another layout.
    """
    with json_file(path, "SPair-71k annotation") as stored:
        xmin, ymin, xmax, ymax = (float(corner) for corner in stored["bndbox"])
        points = np.full((len(NAMES), 2), np.nan)
        for name, point in stored["kps"].items():
            if point is not None:
                x, y = point
                points[NAMES.index(name)] = float(x), float(y)
        return Annotation(
            coords.Size(int(stored["image_height"]), int(stored["image_width"])),
            voc.box(xmin, ymin, xmax, ymax),
            max(xmax - xmin, ymax - ymin),
            points,
            {flag: float(stored[flag]) for flag in _FLAGS if flag in stored},
        )


def _root(source: Path) -> Path:
    for root in (source, source / "SPair-71k"):
        if (root / "ImageAnnotation").is_dir():
            return root
    raise InputError(
        f"{source} holds no SPair-71k: ImageAnnotation, JPEGImages and Layout are expected there"
    )


def _pair_list(root: Path, split: str) -> Path:
    if split not in _SPLITS:
        raise InputError(f"split {split!r} is not known; {', '.join(_SPLITS)} are")
    return root / "Layout" / "large" / f"{_SPLITS[split]}.txt"


def _pictures(root: Path) -> Iterable[str]:
    paths = sorted((root / "ImageAnnotation").glob("*/[!.]*.json"))
    return (f"{path.parent.name}/{path.stem}" for path in paths)


def _record(root: Path, picture: str, split: str) -> Record | Absent:
    image = root / "JPEGImages" / f"{picture}.jpg"
    path = root / "ImageAnnotation" / f"{picture}.json"
    for needed in (image, path):
        if not needed.is_file():
            return Absent(picture, f"{needed.relative_to(root)} is not there")
    annotation = read_annotation(path)
    try:
        size = image_size(image)
        if annotation.size != size:
            return Absent(picture, f"{image.name} is not of the size in its annotation")
        return Record(
            image=image,
            size=size,
            category=image.parent.name,
            source_id=picture,
            split=split,
            names=NAMES,
            points=annotation.points,
            visible=~np.isnan(annotation.points[:, 0]),
            box=annotation.box,
            normalizer_px=annotation.longer_side_px,
            attributes=annotation.flags,
        )
    except InputError as error:
        return Absent(picture, str(error))
