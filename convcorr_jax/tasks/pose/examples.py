"""People as examples for the pose cascade: images in the network's input frame, joints and torso, decoded once.

Two facts about a test person are known, and no more are used of any person:

- The place of the torso: the middle of the data set's torso box (FLIC); otherwise the person's position in the
  data set (MPII); otherwise, since LSP and rendered people have neither, the middle of shoulders and hips.
- The person's size, if the data set has it (MPII). The input frame then shows the person, otherwise the whole
  photograph (see `convcorr_jax.pose.framed`).

Nothing is cropped around joints.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float, Int, UInt8

from convcorr_jax import coords
from convcorr_jax.datasets.records import Absent, Record, load_image
from convcorr_jax.errors import InputError
from convcorr_jax.pose import Architecture, Batch, framed
from convcorr_jax.tasks.reading import RENDERED, read

Part = Literal["train", "validation", "test"]
Damaged = Literal["skip", "refuse"]

# Every tenth person of a training split validates where the data set has no validation split.
_VALIDATE_EVERY = 10
_VALIDATION_SPLITS = ("valid", "val")
_TORSO = (("l_shoulder", "r_shoulder"), ("l_hip", "r_hip"))
# MPII's scale is a person's height in units of 200 pixels.
_SCALE_PX = 200


@dataclass(frozen=True, eq=False)
class People:
    """People in the input frame, with their images in memory.

    Attributes:
        records: one record for each person.
        images: 8-bit RGB, of the input's size.
        points: joints (x, y), in pixels of the input frame; NaN where missing or outside the frame.
        torso: the middle of the torso (x, y), in pixels of the input frame; NaN where unknown.
        to_frame: the transform of each person from pixels of the photograph to pixels of the input frame.
        left_out: people whose image is damaged, with the reason.
    """

    records: tuple[Record, ...]
    images: UInt8[np.ndarray, "n h w 3"]
    points: Float[np.ndarray, "n j 2"]
    torso: Float[np.ndarray, "n 2"]
    to_frame: tuple[coords.Transform, ...]
    left_out: tuple[Absent, ...]

    def batch(self, rows: Int[np.ndarray, " b"]) -> Batch:
        """Return the batch of the people with these row numbers."""
        return Batch(self.images[rows], self.points[rows], self.torso[rows])

    def to_photographs(self, points: Float[np.ndarray, "n j 2"]) -> Float[np.ndarray, "n j 2"]:
        """Convert points of every person from the input frame to pixels of their photographs."""
        transforms = map(coords.invert, self.to_frame)
        pairs = zip(transforms, points, strict=True)
        return np.stack([coords.apply(transform, of_person) for transform, of_person in pairs])

    def to_frames(self, points: Float[np.ndarray, "n j 2"]) -> Float[np.ndarray, "n j 2"]:
        """Convert points of every person from pixels of their photographs to the input frame."""
        pairs = zip(self.to_frame, points, strict=True)
        return np.stack([coords.apply(transform, of_person) for transform, of_person in pairs])


def read_people(
    dataset: str | Path, *, part: Part, data_root: Path | None = None, rendered: int = 1000
) -> tuple[Record, ...]:
    """Read the people of one part of a data set.

    The part for validation is the data set's validation split; if there is none, it is every tenth person of
    the training split. The part for training is the rest of the training split.

    Args:
        dataset: ``rendered``, or the name or path of a data set's folder.
        part: which part to read.
        data_root: the folder of data sets; by default $CONVCORR_DATA, or else the user's data folder.
        rendered: the number of rendered people for training and validation together; a quarter as many are for
            testing.

    Raises:
        InputError: the data set does not exist or is damaged, the part has no people with named joints, or its
            people have different joints.
    """
    counts = (
        {"train": 0, "test": rendered // 4} if part == "test" else {"train": rendered, "test": 0}
    )
    categories = ("person",) if dataset == RENDERED else ()
    records = read(dataset, data_root=data_root, categories=categories, **counts)
    people = [record for record in records if record.category == "person" and record.names]
    training = [record for record in people if record.split == "train"]
    validation = [record for record in people if record.split in _VALIDATION_SPLITS]
    if not validation:
        validation = training[_VALIDATE_EVERY - 1 :: _VALIDATE_EVERY]
    held_out = {id(record) for record in validation}
    chosen = {
        "train": [record for record in training if id(record) not in held_out],
        "validation": validation,
        "test": [record for record in people if record.split == "test"],
    }[part]
    if not chosen:
        raise InputError(f"{dataset} has no people for {part}")
    if len({record.names for record in chosen}) > 1:
        raise InputError(f"the people of {dataset} have different joints; the same are expected")
    return tuple(chosen)


def prepare(
    records: Sequence[Record], architecture: Architecture, *, damaged: Damaged = "skip"
) -> People:
    """Decode the images of people into the input frame.

    Args:
        records: at least one person; all have the same joints.
        architecture: the cascade, whose input size and joints the people get.
        damaged: whether people whose image cannot be read are left out (``"skip"``), or raise an error
            (``"refuse"``).

    Raises:
        InputError: the people lack a joint of the architecture; an image is damaged and ``damaged`` is
            ``"refuse"``; or all images are damaged.
    """
    names = records[0].names
    missing = [joint for joint in architecture.joints if joint not in names]
    if missing:
        raise InputError(
            f"{architecture.name} predicts {', '.join(missing)}, which the people lack"
        )
    joints = [names.index(joint) for joint in architecture.joints]

    def frame(record: Record) -> _Framed | Absent:
        try:
            return _frame(record, joints, architecture.input_size)
        except InputError as error:
            if damaged == "refuse":
                raise
            return Absent(record.source_id, str(error))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(frame, records))
    readable = [result for result in results if not isinstance(result, Absent)]
    left_out = tuple(result for result in results if isinstance(result, Absent))
    if not readable:
        raise InputError(f"no image of {len(records)} people can be read: {left_out[0].reason}")
    return People(
        tuple(person.record for person in readable),
        np.stack([person.image for person in readable]),
        np.stack([person.points for person in readable]).astype(np.float32),
        np.stack([person.torso for person in readable]).astype(np.float32),
        tuple(person.to_frame for person in readable),
        left_out,
    )


@dataclass(frozen=True, eq=False)
class _Framed:
    """One person in the input frame; the fields are those of `People`."""

    record: Record
    image: UInt8[np.ndarray, "h w 3"]
    points: Float[np.ndarray, "j 2"]
    torso: Float[np.ndarray, "2"]
    to_frame: coords.Transform


def _frame(record: Record, joints: Sequence[int], size: coords.Size) -> _Framed:
    image, to_frame = framed(load_image(record), _extent(record), size)
    points = coords.apply(to_frame, record.points[list(joints)])
    points[~coords.inside(points, coords.whole_image(size))] = np.nan
    torso = coords.apply(to_frame, _torso(record))
    return _Framed(record, image, points, torso, to_frame)


def _extent(record: Record) -> coords.Box | None:
    """Return a square as high as the person, or None if the data set lacks the person's position and height."""
    attributes = record.attributes
    if not {"center_x", "center_y", "scale"} <= set(attributes):
        return None
    x, y = attributes["center_x"], attributes["center_y"]
    half = _SCALE_PX * attributes["scale"] / 2
    return coords.Box(x - half, y - half, x + half, y + half)


def _torso(record: Record) -> Float[np.ndarray, "2"]:
    """Return the middle of a person's torso, in pixels of the photograph; NaN where it is unknown."""
    box = record.other_boxes.get("torso")
    if box is not None:
        return np.array(box.center)
    if {"center_x", "center_y"} <= set(record.attributes):
        return np.array([record.attributes[name] for name in ("center_x", "center_y")])
    middles = [_middle(record, pair) for pair in _TORSO]
    return np.mean(middles, axis=0)


def _middle(record: Record, joints: Sequence[str]) -> Float[np.ndarray, "2"]:
    """Return the mean of those joints that are present; a pair with one hidden joint still has a middle."""
    points = [record.points[record.names.index(name)] for name in joints if name in record.names]
    present = [point for point in points if not np.isnan(point).any()]
    return np.mean(present, axis=0) if present else np.full(2, np.nan)
