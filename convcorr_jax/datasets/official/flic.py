"""FLIC: 5003 upper bodies in frames of 30 films, 11 joints each (3987 train, 1016 test).

The release is a folder ``FLIC`` of ``examples.mat`` and ``images``. A frame may show several people, each in an
example of its own: the id of a record is ``<frame>#<index of the example in the file, from 0>``.

- Of the 29 columns of ``coords`` these 11 joints are annotated, as the median of five annotators. None is
  absent; some are outside the frame. All count as visible: the release does not mark hidden joints.
- "Left" is the person's own. The published PCK is `observer_centric`; of the 5003 people 247 (48 of the test
  set) are seen from behind, so that their sides change, which changes the PCK by about 5 points. Records have
  the person's own sides and the attribute ``seen_from_behind``, 0 or 1; `observer_centric_record` exchanges
  them.
- Joints and torso boxes are read as 1-based: the release's own demonstration plots them on the frames in
  MATLAB, whose first pixel is 1. No text states it.
- The torso box is the poselet detector's, not the annotators'. There is no box of the person.
- The metric's length is the torso's diagonal, left shoulder to right hip.

Source: Sapp, Taskar, "MODEC: Multimodal Decomposable Models for Human Pose Estimation", CVPR 2013.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from convcorr_jax import coords
from convcorr_jax.datasets import loading
from convcorr_jax.datasets.formats import mat
from convcorr_jax.datasets.records import Absent, Record
from convcorr_jax.errors import InputError
from convcorr_jax.io import image_size

# The joints and their columns in ``coords``, as the release's ``lookupPart`` counts them, from 0.
COLUMNS = {
    **{"l_shoulder": 0, "l_elbow": 1, "l_wrist": 2, "r_shoulder": 3, "r_elbow": 4, "r_wrist": 5},
    **{"l_hip": 6, "r_hip": 9, "l_eye": 12, "r_eye": 13, "nose": 16},
}
NAMES = tuple(COLUMNS)
LEFT_RIGHT_PAIRS = ((0, 3), (1, 4), (2, 5), (6, 7), (8, 9))
PART_SETS = {"l_arm": (0, 1, 2), "r_arm": (3, 4, 5), "torso": (0, 3, 6, 7), "face": (8, 9, 10)}
"""Indices of the joints of the parts that the release draws."""

# No image has as many pixels a side.
_MAX_COORDINATE = 1e6
_SPLITS = {(1, 0): "train", (0, 1): "test"}


class Examples(NamedTuple):
    """The examples of a file, in its order; coordinates are in pixels of the frame, 0-based."""

    frames: tuple[str, ...]
    sizes: Int[np.ndarray, "n 2"]
    """Height and width of the frames."""
    points: Float[np.ndarray, "n 11 2"]
    torso_boxes: Float[np.ndarray, "n 4"]
    """Left, top, right and bottom."""
    splits: tuple[str, ...]
    """"train", "test" or "unused"."""


def read(source: Path) -> Iterator[Record | Absent]:
    """Yield the people of ``examples.mat``, in its order, of both splits."""
    folder = next((at for at in (source, source / "FLIC") if (at / "examples.mat").exists()), source)
    examples = read_examples(folder / "examples.mat")
    return (_record(folder / "images", examples, index) for index in range(len(examples.frames)))


def read_examples(path: Path) -> Examples:
    """Read the annotations without the images."""
    examples = mat.read(path).structs("examples")
    if not examples:
        raise InputError(f"{path} has no examples")
    columns = list(COLUMNS.values())
    sizes = np.array([_shaped(each, "imgdims", (1, 3))[0, :2] for each in examples], np.float64)
    if not (sizes >= 1).all():
        raise InputError(f"{path}: imgdims must be positive")
    points = [_shaped(example, "coords", (2, 29))[:, columns].T for example in examples]
    boxes = [_shaped(example, "torsobox", (1, 4))[0] for example in examples]
    return Examples(
        frames=tuple(example.text("filepath") for example in examples),
        sizes=sizes.astype(int),
        points=np.array(points, np.float64) - 1,
        torso_boxes=np.array(boxes, np.float64) - 1,
        # The larger FLIC-full also has examples that belong to neither.
        splits=tuple(
            _SPLITS.get((int(each.number("istrain")), int(each.number("istest"))), "unused")
            for each in examples
        ),
    )


def observer_centric(points: Float[np.ndarray, "*batch 11 2"]) -> Float[np.ndarray, "*batch 11 2"]:
    """Exchange the sides of people who are seen from behind, as the published PCK does.

    Every left joint of the result is the one that would be left if the person faced the camera.
    """
    mirrored = list(range(len(NAMES)))
    for left, right in LEFT_RIGHT_PAIRS:
        mirrored[left], mirrored[right] = right, left
    return np.where(seen_from_behind(points)[..., None, None], points[..., mirrored, :], points)


def observer_centric_record(record: Record) -> Record:
    """Return a record of `read` with observer-centric sides, as the published PCK has them.

    Points, visibility and the metric's length are those of the exchanged joints; the attribute
    ``seen_from_behind`` still states whether the record's person was seen from behind.
    """
    points = observer_centric(record.points)
    torso = float(torso_diagonals(points))
    return replace(
        record, points=points, visible=~np.isnan(points[:, 0]), normalizer_px=None if np.isnan(torso) else torso
    )


def torso_diagonals(
    points: Float[np.ndarray, "*batch joints 2"], *, names: Sequence[str] = NAMES
) -> Float[np.ndarray, "*batch"]:
    """Compute the metric's length, ``|left shoulder - right hip|`` in pixels; NaN where either is absent."""
    shoulder, hip = (points[..., names.index(joint), :] for joint in ("l_shoulder", "r_hip"))
    return np.asarray(np.linalg.norm(shoulder - hip, axis=-1))


def seen_from_behind(points: Float[np.ndarray, "*batch 11 2"]) -> Bool[np.ndarray, "*batch"]:
    """Return whether the left shoulder, elbow and wrist are all left of the right ones in the image."""
    x = points[..., 0]
    left, right = PART_SETS["l_arm"], PART_SETS["r_arm"]
    return np.asarray((x[..., left] < x[..., right]).all(axis=-1))


def _shaped(example: mat.Group, field: str, shape: tuple[int, ...]) -> np.ndarray:
    array = example.array(field)
    if array.shape != shape:
        raise InputError(f"{example.where}.{field} is {array.shape}; {shape} is expected")
    # Joints that are not annotated are NaN.
    if (np.abs(array) > _MAX_COORDINATE).any():
        raise InputError(f"{example.where}.{field} is larger than any image")
    return array


def _record(images: Path, examples: Examples, index: int) -> Record | Absent:
    frame = examples.frames[index]
    source_id = f"{frame}#{index}"
    points = examples.points[index]
    torso = float(torso_diagonals(points))
    try:
        path = loading.member_file(images, frame)
        size = coords.Size(*examples.sizes[index].tolist())
        if (actual := image_size(path)) != size:
            return Absent(source_id, f"the frame is {tuple(actual)} and was annotated at {tuple(size)}")
        return Record(
            image=path,
            size=size,
            category="person",
            source_id=source_id,
            split=examples.splits[index],
            names=NAMES,
            points=points,
            visible=~np.isnan(points[:, 0]),
            left_right_pairs=LEFT_RIGHT_PAIRS,
            part_sets=PART_SETS,
            other_boxes={"torso": coords.Box(*examples.torso_boxes[index].tolist())},
            normalizer_px=None if np.isnan(torso) else torso,
            attributes={"seen_from_behind": float(seen_from_behind(points))},
        )
    except InputError as error:
        return Absent(source_id, str(error))
