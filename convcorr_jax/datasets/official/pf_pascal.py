"""PF-PASCAL: 1351 pairs of PASCAL VOC images whose objects have keypoints in common.

The release is the folder ``PF-dataset-PASCAL``: ``JPEGImages/<image>.jpg``, reduced to a longest side of 300;
``Annotations/<class>/<image>.mat`` with ``kps`` (a row x, y for each keypoint, NaN where it is absent) and
``bbox`` in MATLAB's frame, whose first pixel is 1; and ``parsePascalVOC.mat`` with the pairs of each class. Row
k of an image corresponds to row k of another image of its class. The name of a keypoint is the number of its
row, from 0.

Scores are published on the lists ``train``, ``val`` and ``test_pairs_pf_pascal.csv``, which other projects
made from those pairs (Han et al., "SCNet", ICCV 2017; Rocco et al., "End-to-end weakly-supervised semantic
alignment", CVPR 2018). They are expected beside the release's folders, also as ``<split>_pairs.csv``. Their
columns are source, target and class from 1. The test list then has x and y of the source's keypoints and of
the target's, each separated by ";"; the training list states whether the pair is a mirrored copy. Copies are
skipped here.

The lists divide pairs, not images: about a third of the training list is known to share images with the test
list (https://github.com/juhongm999/dhpf/issues/3), which has raised published scores. A record therefore has
no split of its own: it is of the split "all" from `read`, and of the list's split from `read_pairs`.

The metric's length is the image's longest side, as in publications on the lists; the release's own evaluation
divides by the longer side of `coords.tight_box` of the keypoints. There are no left/right pairs: the release
does not state the meaning of its keypoints.

Source: Ham, Cho, Schmid, Ponce, "Proposal Flow: Semantic Correspondences from Object Proposals", PAMI
2018; https://www.di.ens.fr/willow/research/proposalflow.
"""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from convcorr_jax import coords
from convcorr_jax.datasets.formats import mat, text, xml
from convcorr_jax.datasets.records import Absent, Pair, PairSet, Record, box_lengths, own_lengths
from convcorr_jax.errors import InputError
from convcorr_jax.io import image_size
from convcorr_jax.metrics import PF_PASCAL, PF_PASCAL_BOX

# No class has more than 23 keypoints; SPair-71k, whose records have the same names, has up to 30.
NAMES = tuple(map(str, range(30)))

SPLITS = ("train", "val", "test", "all")
"""The lists of pairs; "all" are the pairs of the release."""


class Annotation(NamedTuple):
    """The content of an image's ``.mat``, in pixels of the image, 0-based; NaN where a keypoint is absent."""

    points: Float[np.ndarray, "30 2"]
    box: coords.Box


class ListedPair(NamedTuple):
    """A line of a list of pairs: class and names of both images, without suffix."""

    category: str
    source: str
    target: str
    mirrored: bool = False
    """Whether the pair is the mirrored copy of another line."""
    # The keypoints that both objects have, 0-based; None if the list has none.
    source_points: Float[np.ndarray, "n 2"] | None = None
    target_points: Float[np.ndarray, "n 2"] | None = None


def read(source: Path) -> Iterator[Record | Absent]:
    """Yield the annotated objects, class by class in the order of their images' names."""
    root = _root(source)
    return (
        _record(root, category, path.stem, "all")
        for category in xml.CLASSES
        for path in sorted((root / "Annotations" / category).glob("[!.]*.mat"))
    )


def read_pairs(source: Path, *, split: str = "test") -> PairSet:
    """Read the pairs of a list, one of `SPLITS`; the subset of a pair is its class."""
    root = _root(source)
    if split == "all":
        listed = read_release_pairs(root / "parsePascalVOC.mat")
    else:
        listed = read_pair_list(_pair_list(source, root, split))
    position: dict[tuple[str, str], int] = {}
    records, pairs = [], []
    for pair in listed:
        if pair.mirrored:
            continue
        for image in (pair.source, pair.target):
            if (pair.category, image) not in position:
                record = _record(root, pair.category, image, split)
                if isinstance(record, Absent):
                    raise InputError(f"{root}: a pair names {record.source_id}: {record.reason}")
                position[pair.category, image] = len(records)
                records.append(record)
        first, second = (position[pair.category, name] for name in (pair.source, pair.target))
        pairs.append(Pair(pair.category, first, second))
    scorings = (own_lengths(records, PF_PASCAL), box_lengths(records, PF_PASCAL_BOX))
    return PairSet(tuple(records), tuple(pairs), scorings)


def read_pair_list(path: Path) -> tuple[ListedPair, ...]:
    """Read the pairs of a ``.csv`` list.

    Each line has source, target and class; the training list also whether the pair is mirrored, and the test
    list also the keypoints of both objects.
    """
    return tuple(_listed(line) for line in text.read_table(path, widths=(3, 4, 7)))


def read_release_pairs(path: Path) -> tuple[ListedPair, ...]:
    """Read the pairs of ``parsePascalVOC.mat``, class by class."""
    release = mat.read(path).only_struct("PascalVOC")
    categories, pairs = release.cells("class"), release.cells("pair")
    listed = []
    for number in range(len(categories)):
        category = categories.text(number)
        if category not in xml.CLASSES:
            raise InputError(f"{path}: {category!r} is no class of PASCAL VOC")
        # MATLAB stores cells column by column: all sources, then all targets.
        cells = pairs.cells(number)
        images = [text.check_name(cells.text(cell), named_in=path) for cell in range(len(cells))]
        if len(images) % 2:
            raise InputError(f"{path}: the pairs of {category} are not two columns")
        half = len(images) // 2
        listed += [ListedPair(category, *pair) for pair in zip(images[:half], images[half:], strict=True)]
    return tuple(listed)


def read_annotation(path: Path) -> Annotation:
    """Read keypoints and box of an image's ``.mat``; ``kps`` must be a table of at most 30 points."""
    stored = mat.read(path)
    points, corners = stored.array("kps"), stored.array("bbox")
    if points.ndim != 2 or points.shape[1] != 2 or len(points) > len(NAMES) or np.isinf(points).any():
        raise InputError(f"{path}: kps is {points.shape}; at most 30 rows x, y are expected")
    if corners.size != 4:
        raise InputError(f"{path}: bbox is {corners.shape}; four numbers are expected")
    filled = np.full((len(NAMES), 2), np.nan)
    filled[: len(points)] = np.where(np.isnan(points).any(axis=1, keepdims=True), np.nan, points - 1.0)
    try:
        return Annotation(filled, xml.box(*corners.astype(float).ravel().tolist()))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _root(source: Path) -> Path:
    for root in (source, source / "PF-dataset-PASCAL"):
        if (root / "Annotations").is_dir() and (root / "JPEGImages").is_dir():
            return root
    raise InputError(f"{source} holds no PF-PASCAL: Annotations and JPEGImages are expected there")


def _pair_list(source: Path, root: Path, split: str) -> Path:
    if split not in SPLITS:
        raise InputError(f"split {split!r} is not known; {', '.join(SPLITS)} are")
    spellings = (f"{split}_pairs_pf_pascal.csv", f"{split}_pairs.csv")
    for folder in (root, source, source / "image_pairs"):
        for spelling in spellings:
            if (folder / spelling).is_file():
                return folder / spelling
    raise InputError(f"{root / spellings[0]} does not exist; the release has only its own pairs, split 'all'")


def _listed(line: text.Line) -> ListedPair:
    number, *extra = line.fields[2:]
    (category,) = line.numbers([number])
    if category not in range(1, len(xml.CLASSES) + 1):
        raise line.refusal(f"class {number} is none of 1 to {len(xml.CLASSES)}")
    first, second = (text.check_name(PurePosixPath(path).stem, named_in=line.path) for path in line.fields[:2])
    pair = ListedPair(xml.CLASSES[int(category) - 1], first, second)
    if len(extra) == 1:
        return pair._replace(mirrored=line.numbers(extra) != [0.0])
    if not extra:
        return pair
    columns = [line.numbers(one.split(";")) for one in extra]
    if len({len(column) for column in columns}) != 1:
        raise line.refusal("it has more x than y, or more of one image than of the other")
    source_points, target_points = np.array(columns).reshape(2, 2, -1).transpose(0, 2, 1) - 1
    return pair._replace(source_points=source_points, target_points=target_points)


def _record(root: Path, category: str, name: str, split: str) -> Record | Absent:
    source_id = f"{category}/{name}"
    image = root / "JPEGImages" / f"{name}.jpg"
    annotation = root / "Annotations" / f"{source_id}.mat"
    for path in (image, annotation):
        if not path.is_file():
            return Absent(source_id, f"{path.relative_to(root)} is missing")
    points, box = read_annotation(annotation)
    if np.isnan(points).all():
        return Absent(source_id, "it has no keypoint")
    try:
        size = image_size(image)
        return Record(
            image=image,
            size=size,
            category=category,
            source_id=source_id,
            split=split,
            names=NAMES,
            points=points,
            visible=~np.isnan(points[:, 0]),
            box=box,
            normalizer_px=float(max(size)),
        )
    except InputError as error:
        return Absent(source_id, str(error))
