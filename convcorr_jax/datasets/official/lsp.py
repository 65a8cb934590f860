"""Leeds Sports Pose and its extension: 2000 and 10,000 people, 14 joints each.

Each release is a folder of ``joints.mat`` and ``images``. The two files of joints have different orders of axes
and opposite meanings of the third value; their shape identifies them:

==========  ============  ================================  ========  =====================
release     ``joints``    third value                       image     split
==========  ============  ================================  ========  =====================
LSP         (3, 14, n)    1 is hidden, 0 is visible         im0001    first 1000 train,
                                                                      others test
LSPET       (14, 3, n)    1 is visible, 0 is not annotated  im00001   all train
==========  ============  ================================  ========  =====================

- A hidden joint of LSP has a position. A joint that LSPET does not annotate has a meaningless position, and is
  NaN in the records.
- "Left" is the person's own. (Others have made an observer-centric ``joints.mat`` of LSP, which cannot be
  distinguished from the official one.)
- LSP exists in two sizes, which the largest coordinate identifies. The annotations of the original photographs
  count from 1: the scaled joints are exactly ``scale * (original - corner)`` with whole corners, and the corner
  is 1 where a person is near the edge, in 177 images at the left and in 293 at the top. The scaled joints
  therefore count from 0. LSPET's are read as counting from 0 as well, without such a proof: their least
  coordinate is 0.0.
- There are no boxes. The metric's length is the torso's diagonal: left shoulder to right hip, or right shoulder
  to left hip where that is not annotated.

Source: Johnson, Everingham, "Clustered Pose and Nonlinear Appearance Models for Human Pose Estimation",
BMVC 2010, and "Learning Effective Human Pose Estimation from Inaccurate Annotation", CVPR 2011.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from convcorr_jax.datasets import loading
from convcorr_jax.datasets.formats import mat
from convcorr_jax.datasets.records import Absent, Record
from convcorr_jax.errors import InputError
from convcorr_jax.io import image_size

NAMES = (
    *("r_ankle", "r_knee", "r_hip", "l_hip", "l_knee", "l_ankle"),
    *("r_wrist", "r_elbow", "r_shoulder", "l_shoulder", "l_elbow", "l_wrist"),
    *("neck", "head_top"),
)

LEFT_RIGHT_PAIRS = ((5, 0), (4, 1), (3, 2), (11, 6), (10, 7), (9, 8))

# People of the scaled LSP are some 150 pixels long, and no coordinate is above 195; in the original photographs
# coordinates reach 1024.
_MAX_SCALED_COORDINATE = 256
# No image has as many pixels a side.
_MAX_COORDINATE = 1e6
# The people of LSP after these are its test set.
_TRAIN_COUNT = 1000


class People(NamedTuple):
    """The people of a file, in its order."""

    release: str
    """Either "lsp" or "lspet"."""
    images: tuple[str, ...]
    points: Float[np.ndarray, "n 14 2"]
    """Joints (x, y) in pixels of the image, 0-based; NaN where a joint is not annotated."""
    visible: Bool[np.ndarray, "n 14"]
    splits: tuple[str, ...]


def read(source: Path) -> Iterator[Record | Absent]:
    """Yield the people of ``joints.mat`` of either release, in its order."""
    people = read_joints(source / "joints.mat")
    return (_record(source / "images", people, index) for index in range(len(people.images)))


def read_joints(path: Path) -> People:
    """Read the annotations without the images."""
    joints = mat.read(path).array("joints").astype(np.float64)
    extended = joints.shape[:2] == (14, 3)
    if joints.ndim != 3 or not (extended or joints.shape[:2] == (3, 14)):
        raise InputError(
            f"{path}: joints is {joints.shape}; (3, 14, n) of LSP or (14, 3, n) of LSPET is expected"
        )
    # To people, joints, values.
    joints = joints.transpose(2, 0, 1) if extended else joints.transpose(2, 1, 0)
    points, flags = joints[..., :2], joints[..., 2]
    if not np.isin(flags, (0, 1)).all() or not (np.abs(points) < _MAX_COORDINATE).all():
        raise InputError(f"{path}: joints must have finite positions, and a third value of 0 or 1")
    first = 0 if extended or points.max(initial=0) < _MAX_SCALED_COORDINATE else 1
    numbers = range(1, len(joints) + 1)
    return People(
        "lspet" if extended else "lsp",
        tuple(f"im{number:05}.jpg" if extended else f"im{number:04}.jpg" for number in numbers),
        np.where(extended & (flags == 0)[..., None], np.nan, points - first),
        flags == extended,
        tuple("train" if extended or number <= _TRAIN_COUNT else "test" for number in numbers),
    )


def torso_diagonal(points: Float[np.ndarray, "14 2"]) -> float | None:
    """Return ``|l_shoulder - r_hip|``, or else ``|r_shoulder - l_hip|``, in pixels; None without both."""
    for shoulder, hip in (("l_shoulder", "r_hip"), ("r_shoulder", "l_hip")):
        length = float(np.linalg.norm(points[NAMES.index(shoulder)] - points[NAMES.index(hip)]))
        if length > 0:
            return length
    return None


def _record(images: Path, people: People, index: int) -> Record | Absent:
    image = people.images[index]
    points = people.points[index]
    try:
        path = loading.member_file(images, image)
        return Record(
            image=path,
            size=image_size(path),
            category="person",
            source_id=image,
            split=people.splits[index],
            names=NAMES,
            points=points,
            visible=people.visible[index],
            left_right_pairs=LEFT_RIGHT_PAIRS,
            normalizer_px=torso_diagonal(points),
        )
    except InputError as error:
        return Absent(image, str(error))
