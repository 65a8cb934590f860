"""SPair-71k: 1800 images of 18 PASCAL VOC classes, and 70958 pairs of them.

The release is the folder ``SPair-71k``: ``JPEGImages/<class>/<image>.jpg``,
``ImageAnnotation/<class>/<image>.json``, and the pairs of the splits ``trn``, ``val`` and ``test``: for each
pair a line ``<number>-<source>-<target>:<class>`` in ``Layout/large/<split>.txt``, and a file of that name in
``PairAnnotation/<split>``.

The name of a keypoint is its id in its class, "0" to "29"; a keypoint that the object does not show is null.
The keypoints of a pair are those that both images have. ``PairAnnotation`` repeats them, and states differences
of view, scale and so on; it is not read. A record has the split of its pairs. If several splits have pairs of
an image, which should not occur, that is the last of train, val and test.

The release does not state the coordinate of its first pixel. Boxes extend from 1 to the width of the image, as
in VOC, and are read as 1-based; keypoints are indices of pixels in the authors' code, and are read as 0-based.
The metric's length is the authors': the longer side of the box, as last minus first pixel. There are no
left/right pairs: the release does not name the ids.

Source: Min, Lee, Ponce, Cho, "SPair-71k: A Large-scale Benchmark for Semantic Correspondence",
arXiv:1908.10543; https://cvlab.postech.ac.kr/research/SPair-71k.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from convcorr_jax import coords
from convcorr_jax.datasets.formats import text, xml
from convcorr_jax.datasets.records import Absent, Pair, PairSet, Record, own_lengths
from convcorr_jax.errors import InputError
from convcorr_jax.io import image_size, json_file
from convcorr_jax.metrics import SPAIR_71K, SPAIR_71K_POINTS

NAMES = tuple(map(str, range(30)))

# The names of the splits here, and in the release.
_SPLITS = {"train": "trn", "val": "val", "test": "test"}
_FLAGS = ("truncated", "occluded", "difficult", "azimuth_id")
_LISTED = re.compile(r"\d+-([^-:]+)-([^-:]+):([^-:]+)")


class Annotation(NamedTuple):
    """The content of an image's ``.json``, in pixels of the image, 0-based; NaN where a keypoint is absent."""

    size: coords.Size
    box: coords.Box
    longer_side_px: float
    """The longer side of the box, as last minus first pixel."""
    points: Float[np.ndarray, "30 2"]
    flags: dict[str, float]
    """The values of "truncated", "occluded", "difficult" and "azimuth_id" that the file has."""


class ListedPair(NamedTuple):
    """A line of a file of ``Layout``: the class, and both images as class/name."""

    category: str
    source: str
    target: str


def read(source: Path) -> Iterator[Record | Absent]:
    """Yield the images, class by class in the order of their names."""
    root = _root(source)
    paths = sorted((root / "ImageAnnotation").glob("*/[!.]*.json"))
    splits = {
        image: split
        for split in _SPLITS
        for pair in read_pair_list(_pair_list(root, split))
        for image in pair[1:]
    }
    return (
        _record(root, image, splits[image])
        if image in splits
        else Absent(image, "it is in no pair of Layout/large")
        for image in (f"{path.parent.name}/{path.stem}" for path in paths)
    )


def read_pairs(source: Path, *, split: str = "test") -> PairSet:
    """Read the pairs of "train" (53340), "val" (5384) or "test" (12234); the subset of a pair is its class."""
    root = _root(source)
    listed = read_pair_list(_pair_list(root, split))
    images = dict.fromkeys(image for pair in listed for image in pair[1:])
    position, records = {}, []
    for image in images:
        record = _record(root, image, split)
        if isinstance(record, Absent):
            raise InputError(f"{root}: a pair names {image}: {record.reason}")
        position[image] = len(records)
        records.append(record)
    return PairSet(
        tuple(records),
        tuple(Pair(pair.category, position[pair.source], position[pair.target]) for pair in listed),
        tuple(own_lengths(records, protocol) for protocol in (SPAIR_71K, SPAIR_71K_POINTS)),
    )


def read_pair_list(path: Path) -> tuple[ListedPair, ...]:
    """Read the pairs of a file of ``Layout``."""
    listed = []
    for line in filter(None, text.lines(path, kind="pair list")):
        match = _LISTED.fullmatch(line)
        if match is None:
            raise InputError(f"{path}: {line[:80]!r} is no <number>-<source>-<target>:<class>")
        first, second, category = (text.check_name(name, named_in=path) for name in match.groups())
        listed.append(ListedPair(category, f"{category}/{first}", f"{category}/{second}"))
    return tuple(listed)


def read_annotation(path: Path) -> Annotation:
    """Read the annotation of an image."""
    with json_file(path, "SPair-71k annotation") as stored:
        xmin, ymin, xmax, ymax = (float(corner) for corner in stored["bndbox"])
        points = np.full((len(NAMES), 2), np.nan)
        for name, point in stored["kps"].items():
            if point is not None:
                x, y = point
                points[NAMES.index(name)] = float(x), float(y)
        return Annotation(
            coords.Size(int(stored["image_height"]), int(stored["image_width"])),
            xml.box(xmin, ymin, xmax, ymax),
            max(xmax - xmin, ymax - ymin),
            points,
            {flag: float(stored[flag]) for flag in _FLAGS if flag in stored},
        )


def _root(source: Path) -> Path:
    for root in (source, source / "SPair-71k"):
        if (root / "ImageAnnotation").is_dir():
            return root
    raise InputError(f"{source} holds no SPair-71k: ImageAnnotation, JPEGImages and Layout are expected there")


def _pair_list(root: Path, split: str) -> Path:
    if split not in _SPLITS:
        raise InputError(f"split {split!r} is not known; {', '.join(_SPLITS)} are")
    return root / "Layout" / "large" / f"{_SPLITS[split]}.txt"


def _record(root: Path, source_id: str, split: str) -> Record | Absent:
    image = root / "JPEGImages" / f"{source_id}.jpg"
    path = root / "ImageAnnotation" / f"{source_id}.json"
    for required in (image, path):
        if not required.is_file():
            return Absent(source_id, f"{required.relative_to(root)} is missing")
    annotation = read_annotation(path)
    try:
        size = image_size(image)
        if annotation.size != size:
            return Absent(source_id, f"{image.name} is not of the size in its annotation")
        return Record(
            image=image,
            size=size,
            category=image.parent.name,
            source_id=source_id,
            split=split,
            names=NAMES,
            points=annotation.points,
            visible=~np.isnan(annotation.points[:, 0]),
            box=annotation.box,
            normalizer_px=annotation.longer_side_px,
            attributes=annotation.flags,
        )
    except InputError as error:
        return Absent(source_id, str(error))
