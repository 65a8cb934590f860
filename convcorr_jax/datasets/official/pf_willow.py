"""PF-WILLOW as its authors release it: ten folders of images, ten keypoints each, and 900 pairs.

The release is the folder ``PF-dataset-WILLOW`` (earlier ``PF-dataset``): in each of the ten `SUBSETS` ten
images ``.png``, and beside each its ``.mat`` with ``pts_coord``, x and y of the keypoints in MATLAB's frame,
whose first pixel is 1. Thirty photographs are in two subsets of their class, as two files, and become two
records. The official pairs are all ordered pairs inside a subset, 90 each. The list ``test_pairs_pf.csv``, on
which other projects evaluate, has the same pairs in another order, which is used if the list exists.

The box is the extent of the keypoints, and the metric's length its longer side, as in the authors' evaluation.
Published scores of loaders that pad keypoints with -1 before they compute the extent are ten points too high.
The release names the keypoints A to J only; the images show that those of the bottles form pairs of left and
right (the viewer's). All other objects were mirrored to face right.

Source: Ham, Cho, Schmid, Ponce, "Proposal Flow", CVPR 2016; https://github.com/bsham/ProposalFlow.
"""

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from convcorr_jax import coords
from convcorr_jax.datasets.formats import mat, text
from convcorr_jax.datasets.records import Absent, Pair, PairSet, Record, own_lengths
from convcorr_jax.errors import InputError
from convcorr_jax.io import image_size
from convcorr_jax.metrics import PF_WILLOW

SUBSETS = (
    *("car(G)", "car(M)", "car(S)", "duck(S)", "motorbike(G)", "motorbike(M)", "motorbike(S)"),
    *("winebottle(M)", "winebottle(wC)", "winebottle(woC)"),
)
"""The official subsets: a class, and how its images were selected."""

NAMES = tuple(f"part_{letter}" for letter in "ABCDEFGHIJ")

_LEFT_RIGHT_PAIRS = {"winebottle": ((0, 1), (2, 3), (4, 5), (6, 7), (8, 9))}
_PAIR_LIST = "test_pairs_pf.csv"


class ListedPair(NamedTuple):
    """A line of the list: both images as subset/name, and keypoints (x, y) in pixels, 0-based."""

    source: str
    target: str
    source_points: Float[np.ndarray, "10 2"]
    target_points: Float[np.ndarray, "10 2"]


def read(source: Path) -> Iterator[Record | Absent]:
    """Yield the images of every subset, 100 in all; each is of the split "test", as the benchmark is."""
    root = _root(source)
    return (_record(root, subset, stem) for subset in SUBSETS for stem in _stems(root / subset))


def read_pairs(source: Path, *, split: str = "test") -> PairSet:
    """Read the 900 official pairs, all of the split "test"."""
    check_split(split)
    root = _root(source)
    records = []
    for record in read(root):
        if isinstance(record, Absent):
            raise InputError(f"{root}: {record.source_id} makes no record: {record.reason}")
        records.append(record)
    position = {record.source_id: index for index, record in enumerate(records)}
    pairs = []
    for first, second in _official_pairs(root, position):
        if not {first, second} <= position.keys():
            raise InputError(f"{root / _PAIR_LIST} names {first} and {second}, and not both exist")
        pairs.append(Pair(first.split("/")[0], position[first], position[second]))
    return PairSet(tuple(records), tuple(pairs), (own_lengths(records, PF_WILLOW),))


def check_split(split: str) -> None:
    """Refuse any split but "test", which is all that the benchmark has."""
    if split != "test":
        raise InputError(f"PF-WILLOW has no pairs of the split {split!r}; all are of 'test'")


def read_pair_list(path: Path) -> tuple[ListedPair, ...]:
    """Read the pairs of ``test_pairs_pf.csv``: two paths, then ten x and ten y of each image."""
    pairs = []
    for line in text.read_table(path, widths=(2 + 4 * len(NAMES),)):
        coordinates = np.array(line.numbers(line.fields[2:])).reshape(2, 2, len(NAMES))
        source_points, target_points = coordinates.transpose(0, 2, 1) - 1
        first, second = (_listed_image(line, field) for field in line.fields[:2])
        pairs.append(ListedPair(first, second, source_points, target_points))
    return tuple(pairs)


def _root(source: Path) -> Path:
    for root in (source, source / "PF-dataset-WILLOW", source / "PF-dataset"):
        if (root / SUBSETS[0]).is_dir():
            break
    else:
        raise InputError(f"{source} holds no PF-WILLOW; the folders {', '.join(SUBSETS)} are expected")
    if absent := [subset for subset in SUBSETS if not (root / subset).is_dir()]:
        raise InputError(f"{root} has no folder {absent[0]}; was PF-WILLOW unpacked to its end?")
    return root


def _stems(folder: Path) -> list[str]:
    # Without hidden files, which some systems add to archives.
    return sorted({path.stem for ending in ("png", "mat") for path in folder.glob(f"[!.]*.{ending}")})


def _listed_image(line: text.Line, path: str) -> str:
    image = PurePosixPath(path)
    return "/".join(text.check_name(part, named_in=line.path) for part in (image.parent.name, image.stem))


def _official_pairs(root: Path, images: Iterable[str]) -> Iterable[tuple[str, str]]:
    if (root / _PAIR_LIST).exists():
        return [pair[:2] for pair in read_pair_list(root / _PAIR_LIST)]
    subsets = itertools.groupby(images, key=lambda image: image.split("/")[0])
    return itertools.chain.from_iterable(itertools.permutations(list(members), 2) for _, members in subsets)


def _record(root: Path, subset: str, stem: str) -> Record | Absent:
    source_id = f"{subset}/{stem}"
    image, annotation = root / f"{source_id}.png", root / f"{source_id}.mat"
    for path in (image, annotation):
        if not path.is_file():
            return Absent(source_id, f"{path.name} is missing")
    points = read_keypoints(annotation)
    box = coords.tight_box(points)
    category = subset.split("(")[0]
    try:
        return Record(
            image=image,
            size=image_size(image),
            category=category,
            source_id=source_id,
            split="test",
            names=NAMES,
            points=points,
            visible=np.ones(len(NAMES), bool),
            left_right_pairs=_LEFT_RIGHT_PAIRS.get(category, ()),
            box=box,
            normalizer_px=box.longer_side,
        )
    except InputError as error:
        return Absent(source_id, str(error))


def read_keypoints(path: Path) -> Float[np.ndarray, "10 2"]:
    """Read the keypoints of an image's ``.mat``, as (x, y) in pixels, 0-based."""
    coordinates = mat.read(path).array("pts_coord")
    if coordinates.shape != (2, len(NAMES)) or not np.isfinite(coordinates).all():
        raise InputError(f"{path}: pts_coord is {coordinates.shape}; 2 rows of 10 numbers are expected")
    return coordinates.T.astype(np.float64) - 1
