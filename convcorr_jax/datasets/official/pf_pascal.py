"""PF-PASCAL: 1351 pairs of PASCAL VOC pictures whose objects have keypoints in common.

The release is the folder ``PF-dataset-PASCAL``: ``JPEGImages/<picture>.jpg``, reduced to a longest side of
300, ``Annotations/<class>/<picture>.mat`` with ``kps`` (a row x, y a keypoint, NaN where it is absent) and
``bbox`` in MATLAB's frame, whose first pixel is 1, and ``parsePascalVOC.mat`` with the pairs of each
class. A keypoint is its row: row k of one picture matches row k of another of its class, and is called
by its number from 0.

Scores are published on the lists ``train``, ``val`` and ``test_pairs_pf_pascal.csv`` that other projects
made of those pairs (Han et al., "SCNet", ICCV 2017; Rocco et al., "End-to-end weakly-supervised semantic
alignment", CVPR 2018), looked for beside the release's folders, also as ``<split>_pairs.csv``. Their
columns are source, target, class from 1, and then of the test list x and y of the source's keypoints
and of the target's, each separated by ";"; the training list has instead whether the pair is a mirrored
copy, and copies are left out here.

The lists divide pairs, not pictures: about a third of the training list is known to share pictures with
the test list (https://github.com/juhongm999/dhpf/issues/3), which has flattered published scores. So a
record has no split of its own; it is "all" from `read`, and from `read_pairs` that of the list.

The metric's length is the picture's longest side, as those who publish on the lists take it; the
release's own evaluation divides by the longer side of `coords.tight_box` of the keypoints. There are no
left/right pairs: the release does not say what its keypoints are.

Source: Ham, Cho, Schmid, Ponce, "Proposal Flow: Semantic Correspondences from Object Proposals", PAMI
2018; https://www.di.ens.fr/willow/research/proposalflow.
"""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from convcorr_jax import coords
from convcorr_jax.datasets.formats import mat, names, tables, voc
from convcorr_jax.datasets.records import Absent, Pair, PairSet, Record
from convcorr_jax.errors import InputError
from convcorr_jax.io import image_size

# No class has more than 23 keypoints; SPair-71k, whose records look the same, leaves room for 30.
NAMES = tuple(str(row) for row in range(30))
SPLITS = ("train", "val", "test", "all")


class Annotation(NamedTuple):
    """A picture's ``.mat``, 0-based."""

    points: Float[np.ndarray, "30 2"]
    box: coords.Box


class ListedPair(NamedTuple):
    """A line of a pair list, 0-based."""

    category: str
    source: str
    target: str
    mirrored: bool = False
    """Whether it is the mirrored copy of another line."""
    source_points: Float[np.ndarray, "n 2"] | None = None
    """The keypoints that both objects have; None where the list leaves them to the ``.mat``."""
    target_points: Float[np.ndarray, "n 2"] | None = None


def read(source: Path) -> Iterator[Record | Absent]:
    """The annotated objects, class by class in the order of their pictures' names.

    Raises:
        InputError: the tree is not that of the release, or a ``.mat`` is damaged.
    """
    root = _root(source)
    return (
        _record(root, category, path.stem, "all")
        for category in voc.CLASSES
        for path in sorted((root / "Annotations" / category).glob("[!.]*.mat"))
    )


def read_pairs(source: Path, *, split: str = "test") -> PairSet:
    """The pairs of a list, or with ``split="all"`` of the release; a pair's subset is its class.

    Raises:
        InputError: the tree is not that of the release, or the list is not there; a pair's picture or
            annotation is missing or damaged.
    """
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
        for picture in (pair.source, pair.target):
            if (pair.category, picture) not in position:
                record = _record(root, pair.category, picture, split)
                if isinstance(record, Absent):
                    raise InputError(f"{root}: a pair names {record.source_id}: {record.reason}")
                position[pair.category, picture] = len(records)
                records.append(record)
        first, second = (position[pair.category, name] for name in (pair.source, pair.target))
        pairs.append(Pair(pair.category, first, second))
    return PairSet(tuple(records), tuple(pairs))


def read_pair_list(path: Path) -> tuple[ListedPair, ...]:
    """The pairs of a ``.csv`` list of any of the three kinds that are around (see the module).

    Raises:
        InputError: the file is missing, empty or no text, or a line is none of those kinds.
    """
    return tuple(_listed(line) for line in tables.read(path, widths=(3, 4, 7)))


def read_release_pairs(path: Path) -> tuple[ListedPair, ...]:
    """The pairs of ``parsePascalVOC.mat``, class by class.

    Raises:
        InputError: the file is missing or damaged, or names other classes than VOC's.
    """
    release = mat.read(path).only_struct("PascalVOC")
    categories, pairs = release.cells("class"), release.cells("pair")
    listed = []
    for number in range(len(categories)):
        category = categories.text(number)
        if category not in voc.CLASSES:
            raise InputError(f"{path}: {category!r} is no class of PASCAL VOC")
        # Cells come column by column: all sources, then all targets.
        cells = pairs.cells(number)
        pictures = [names.plain(cells.text(cell), named_in=path) for cell in range(len(cells))]
        if len(pictures) % 2:
            raise InputError(f"{path}: the pairs of {category} are not two columns")
        half = len(pictures) // 2
        listed += [
            ListedPair(category, *pair)
            for pair in zip(pictures[:half], pictures[half:], strict=True)
        ]
    return tuple(listed)


def read_annotation(path: Path) -> Annotation:
    """Keypoints and box of a picture's ``.mat``.

    Raises:
        InputError: the file is missing or damaged, ``kps`` is no table of at most 30 points, ``bbox`` are
            no four numbers, or a box has no area.
    """
    stored = mat.read(path)
    points, corners = stored.array("kps"), stored.array("bbox")
    if (
        points.ndim != 2
        or points.shape[1] != 2
        or len(points) > len(NAMES)
        or np.isinf(points).any()
    ):
        raise InputError(f"{path}: kps is {points.shape}; at most 30 rows x, y are expected")
    if corners.size != 4:
        raise InputError(f"{path}: bbox is {corners.shape}; four numbers are expected")
    filled = np.full((len(NAMES), 2), np.nan)
    filled[: len(points)] = np.where(
        np.isnan(points).any(axis=1, keepdims=True), np.nan, points - 1.0
    )
    try:
        return Annotation(filled, voc.box(*corners.astype(float).ravel().tolist()))
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
    raise InputError(
        f"{root / spellings[0]} does not exist; the release has only its own pairs, split 'all'"
    )


def _listed(line: tables.Line) -> ListedPair:
    number, *extra = line.fields[2:]
    (category,) = line.numbers([number])
    if category not in range(1, len(voc.CLASSES) + 1):
        raise line.refusal(f"class {number} is none of 1 to {len(voc.CLASSES)}")
    first, second = (
        names.plain(PurePosixPath(path).stem, named_in=line.path) for path in line.fields[:2]
    )
    pair = ListedPair(voc.CLASSES[int(category) - 1], first, second)
    if len(extra) == 1:
        return pair._replace(mirrored=line.numbers(extra) != [0.0])
    if not extra:
        return pair
    columns = [line.numbers(text.split(";")) for text in extra]
    if len({len(column) for column in columns}) != 1:
        raise line.refusal("it has more x than y, or more of one picture than of the other")
    source_points, target_points = np.array(columns).reshape(2, 2, -1).transpose(0, 2, 1) - 1
    return pair._replace(source_points=source_points, target_points=target_points)


def _record(root: Path, category: str, picture: str, split: str) -> Record | Absent:
    source_id = f"{category}/{picture}"
    image = root / "JPEGImages" / f"{picture}.jpg"
    annotation = root / "Annotations" / f"{source_id}.mat"
    for path in (image, annotation):
        if not path.is_file():
            return Absent(source_id, f"{path.relative_to(root)} is not there")
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
