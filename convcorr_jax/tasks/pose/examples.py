"""People as examples for the pose cascade: images in the network's input frame, joints and torso, decoded once.

Two facts about a test person are known, and no more are used of any person:

- The place of the torso (`convcorr_jax.tasks.pose.Torso`): by default the annotated one. That of LSP and
  rendered people is computed from the true shoulders and hips.
- The person's size, if the data set has it (MPII). The input frame then shows the person, otherwise the whole
  photograph, or a square of `Architecture.frame_px` around the torso (see `convcorr_jax.tasks.pose.frames`).
"""

import dataclasses
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float, Int, UInt8

from convcorr_jax import coords
from convcorr_jax.datasets.ground_truth import Sides
from convcorr_jax.datasets.official import flic
from convcorr_jax.datasets.records import Absent, Record, load_image
from convcorr_jax.errors import InputError
from convcorr_jax.pose import Architecture, Batch, frame_offset, framed
from convcorr_jax.tasks.pose.frames import frames_of
from convcorr_jax.tasks.pose.torso import Torso, torso_in_frame
from convcorr_jax.tasks.reading import RENDERED, read

Part = Literal["train", "validation", "test"]
Damaged = Literal["skip", "refuse"]

# Every tenth person of a training split validates where the data set has no validation split.
_VALIDATE_EVERY = 10
_VALIDATION_SPLITS = ("valid", "val")


@dataclass(frozen=True, eq=False)
class People:
    """People in the input frame, with their images in memory.

    Attributes:
        records: one record for each person.
        images: 8-bit RGB, of the input's size or with its surroundings.
        points: joints (x, y), in pixels of the input frame; NaN where missing or outside the image.
        torso: the middle of the torso (x, y), in pixels of the input frame; NaN where unknown.
        frames: the frame of each person, in pixels of the photograph; None for the whole photograph.
        to_frame: the transform of each person from pixels of the photograph to pixels of the input frame.
        left_out: people whose image is damaged, with the reason.
    """

    records: tuple[Record, ...]
    images: UInt8[np.ndarray, "n h w 3"]
    points: Float[np.ndarray, "n j 2"]
    torso: Float[np.ndarray, "n 2"]
    frames: tuple[coords.Box | None, ...]
    to_frame: tuple[coords.Transform, ...]
    left_out: tuple[Absent, ...]

    @property
    def scale(self) -> float:
        """The median number of pixels of the input frame in one pixel of the photographs."""
        return float(np.median([transform.scale[0] for transform in self.to_frame]))

    def batch(self, rows: Int[np.ndarray, " b"]) -> Batch:
        """Return the batch of the people with these row numbers."""
        return Batch(self.images[rows], self.points[rows], self.torso[rows])

    def inputs(
        self, rows: Int[np.ndarray, " b"], size: coords.Size
    ) -> UInt8[np.ndarray, "b {size.height} {size.width} 3"]:
        """Return the images of the people with these row numbers, without their surroundings.

        Args:
            rows: row numbers.
            size: of the input frame, in pixels.
        """
        left, top = map(int, frame_offset(coords.Size(*self.images.shape[1:3]), size))
        return self.images[rows, top : top + size.height, left : left + size.width]

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
    dataset: str | Path,
    *,
    part: Part,
    data_root: Path | None = None,
    rendered: int = 1000,
    sides: Sides | None = None,
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
        sides: whose left is left, FLIC only; by default the observer's, as in published figures
            (`convcorr_jax.datasets.ground_truth.read_flic`).

    Raises:
        InputError: the data set does not exist or is damaged, the part has no people with named joints, its
            people have different joints, or ``sides`` is set for another data set than FLIC.
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
    if chosen[0].names != flic.NAMES:
        if sides is not None:
            raise InputError(
                f"sides is for FLIC only; those of {dataset} are as its files have them"
            )
    elif sides != "person":
        chosen = [flic.observer_centric_record(record) for record in chosen]
    return tuple(chosen)


def sides_of(joints: tuple[str, ...], *, sides: Sides | None) -> str:
    """Return whose left is left in the records that `read_people` returns, in words.

    >>> sides_of(flic.NAMES, sides=None)
    'observer-centric'

    Args:
        joints: names of the records' joints.
        sides: as `read_people` got it.
    """
    return f"{sides or 'observer'}-centric" if joints == flic.NAMES else "the person's own"


def prepare(
    records: Sequence[Record],
    architecture: Architecture,
    *,
    damaged: Damaged = "skip",
    scale: bool = True,
    torso: Torso = "annotated",
    margin: float = 0.0,
    rows: range | Int[np.ndarray, " r"] | None = None,
) -> People:
    """Decode the images of people into the input frame.

    Args:
        records: at least one person; all have the same joints.
        architecture: the cascade, whose frames and joints the people get.
        damaged: whether people whose image cannot be read are left out (``"skip"``), or raise an error
            (``"refuse"``).
        scale: whether the frame is normalized by each person's size, where the data set has it.
        torso: what is known of the torso (see `torso_in_frame`), which also decides frames (see `frames_of`).
        margin: surroundings of the frame that images show on every side, in parts of the frame's longer side.
        rows: row numbers of the people to decode; the others only contribute to the choice of frames
            (`frames_of`). By default all are decoded.

    Raises:
        InputError: the people lack a joint of the architecture; an image is damaged and ``damaged`` is
            ``"refuse"``; all images are damaged; ``scale`` is false and the data set has no sizes; or
            ``torso`` is ``"box"`` and a person has no box.
    """
    names = records[0].names
    missing = [joint for joint in architecture.joints if joint not in names]
    if missing:
        raise InputError(
            f"{architecture.name} predicts {', '.join(missing)}, which the people lack"
        )
    frames = frames_of(records, architecture, scale=scale, torso=torso)

    def load(record: Record, frame: coords.Box | None) -> _Framed | Absent:
        try:
            return _load(record, frame, architecture, torso=torso, margin=margin)
        except InputError as error:
            if damaged == "refuse":
                raise
            return Absent(record.source_id, str(error))

    decoded = range(len(records)) if rows is None else list(rows)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda row: load(records[row], frames[row]), decoded))
    readable = [result for result in results if not isinstance(result, Absent)]
    left_out = tuple(result for result in results if isinstance(result, Absent))
    if not readable:
        raise InputError(f"no image of {len(decoded)} people can be read: {left_out[0].reason}")
    return _joined(readable, left_out)


def reframed(people: People, frames: Sequence[coords.Box], *, architecture: Architecture) -> People:
    """Return people in other frames, whose middle is the torso.

    Args:
        people: the people, all of whose images can be read.
        frames: a frame for each person, in pixels of the photograph.
        architecture: of the cascade.

    Raises:
        InputError: an image cannot be read.
    """

    def load(record: Record, frame: coords.Box) -> _Framed:
        loaded = _load(record, frame, architecture, torso="none", margin=0.0)
        middle = coords.apply(loaded.to_frame, np.array(frame.center))
        return dataclasses.replace(loaded, torso=middle)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return _joined(list(pool.map(load, people.records, frames)), people.left_out)


@dataclass(frozen=True, eq=False)
class _Framed:
    """One person in the input frame; the fields are those of `People`."""

    record: Record
    image: UInt8[np.ndarray, "h w 3"]
    points: Float[np.ndarray, "j 2"]
    torso: Float[np.ndarray, "2"]
    frame: coords.Box | None
    to_frame: coords.Transform


def _load(
    record: Record,
    frame: coords.Box | None,
    architecture: Architecture,
    *,
    torso: Torso,
    margin: float,
) -> _Framed:
    size = architecture.input_size
    margin_px = round(margin * max(size))
    image, to_frame = framed(load_image(record), frame, size, margin_px=margin_px)
    columns = [record.names.index(joint) for joint in architecture.joints]
    points = coords.apply(to_frame, record.points[columns])
    last = np.array([size.width, size.height]) - 0.5 + margin_px
    points[~((points >= -0.5 - margin_px) & (points <= last)).all(axis=-1)] = np.nan
    middle = torso_in_frame(record, to_frame, torso=torso)
    return _Framed(record, image, points, middle, frame, to_frame)


def _joined(framed_people: Sequence[_Framed], left_out: tuple[Absent, ...]) -> People:
    return People(
        tuple(person.record for person in framed_people),
        np.stack([person.image for person in framed_people]),
        np.stack([person.points for person in framed_people]).astype(np.float32),
        np.stack([person.torso for person in framed_people]).astype(np.float32),
        tuple(person.frame for person in framed_people),
        tuple(person.to_frame for person in framed_people),
        left_out,
    )
