"""People as examples for the pose cascade: images in the network's input frame, joints and torso, decoded once.

Two facts about a test person are known, and no more are used of any person:

- The place of the torso (`convcorr_jax.tasks.pose.Torso`): the annotated one, unless `People.with_torso`
  chooses another. That of LSP and rendered people is computed from the true shoulders and hips.
- The person's size, if the data set has it (MPII). The input frame then shows the person, otherwise the whole
  photograph (see `convcorr_jax.pose.framed`). Without normalization by the size, every frame shows as many
  pixels.

Nothing is cropped around joints.
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
from convcorr_jax.pose import Architecture, Batch, framed
from convcorr_jax.tasks.pose.torso import Torso, torso_in_frame
from convcorr_jax.tasks.reading import RENDERED, read

Part = Literal["train", "validation", "test"]
Damaged = Literal["skip", "refuse"]

# Every tenth person of a training split validates where the data set has no validation split.
_VALIDATE_EVERY = 10
_VALIDATION_SPLITS = ("valid", "val")
# MPII's scale is a person's height in units of 200 pixels.
_SCALE_PX = 200
# The attributes of a person whose position and size are known.
_PLACED = {"center_x", "center_y", "scale"}


@dataclass(frozen=True, eq=False)
class People:
    """People in the input frame, with their images in memory.

    Attributes:
        records: one record for each person.
        images: 8-bit RGB, of the input's size.
        points: joints (x, y), in pixels of the input frame; NaN where missing or outside the frame.
        torso: the middle of the torso (x, y), in pixels of the input frame; NaN where unknown. It is the
            annotated one unless `with_torso` chose another.
        to_frame: the transform of each person from pixels of the photograph to pixels of the input frame.
        left_out: people whose image is damaged, with the reason.
    """

    records: tuple[Record, ...]
    images: UInt8[np.ndarray, "n h w 3"]
    points: Float[np.ndarray, "n j 2"]
    torso: Float[np.ndarray, "n 2"]
    to_frame: tuple[coords.Transform, ...]
    left_out: tuple[Absent, ...]

    @property
    def scale(self) -> float:
        """The median number of pixels of the input frame in one pixel of the photographs."""
        return float(np.median([transform.scale[0] for transform in self.to_frame]))

    def batch(self, rows: Int[np.ndarray, " b"]) -> Batch:
        """Return the batch of the people with these row numbers."""
        return Batch(self.images[rows], self.points[rows], self.torso[rows])

    def with_torso(self, torso: Torso) -> "People":
        """Return the same people with another torso.

        Args:
            torso: what is known of the torso (see `torso_in_frame`).

        Raises:
            InputError: ``torso`` is ``"box"`` and a person has no box.
        """
        middles = [
            torso_in_frame(record, to_frame, torso=torso)
            for record, to_frame in zip(self.records, self.to_frame, strict=True)
        ]
        return dataclasses.replace(self, torso=np.stack(middles).astype(np.float32))

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
) -> People:
    """Decode the images of people into the input frame.

    Source: Tompson et al. 2015, section 5: people are scaled to a constant average height, except in the row
    "unnormalized" of Table 4.

    The paper leaves open which part of an unnormalized photograph enters the network. Here it is a square
    around the person's position that has the same side for all people: that of the person of median size.

    Args:
        records: at least one person; all have the same joints.
        architecture: the cascade, whose input size and joints the people get.
        damaged: whether people whose image cannot be read are left out (``"skip"``), or raise an error
            (``"refuse"``).
        scale: whether the frame is normalized by each person's size, where the data set has it.

    Raises:
        InputError: the people lack a joint of the architecture; an image is damaged and ``damaged`` is
            ``"refuse"``; all images are damaged; or ``scale`` is false and the data set has no sizes.
    """
    names = records[0].names
    missing = [joint for joint in architecture.joints if joint not in names]
    if missing:
        raise InputError(
            f"{architecture.name} predicts {', '.join(missing)}, which the people lack"
        )
    joints = [names.index(joint) for joint in architecture.joints]

    def frame(record: Record, extent: coords.Box | None) -> _Framed | Absent:
        try:
            return _frame(record, extent, joints, architecture.input_size)
        except InputError as error:
            if damaged == "refuse":
                raise
            return Absent(record.source_id, str(error))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(frame, records, _extents(records, scale=scale)))
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


def _frame(
    record: Record, extent: coords.Box | None, joints: Sequence[int], size: coords.Size
) -> _Framed:
    image, to_frame = framed(load_image(record), extent, size)
    points = coords.apply(to_frame, record.points[list(joints)])
    points[~coords.inside(points, coords.whole_image(size))] = np.nan
    torso = torso_in_frame(record, to_frame, torso="annotated")
    return _Framed(record, image, points, torso, to_frame)


def _extents(records: Sequence[Record], *, scale: bool) -> list[coords.Box | None]:
    """Return a square around each person, or None if the data set lacks the person's position and size.

    Raises:
        InputError: ``scale`` is false, and no person has a size.
    """
    sizes = [
        _SCALE_PX * record.attributes["scale"] if set(record.attributes) >= _PLACED else None
        for record in records
    ]
    known = [size for size in sizes if size is not None]
    if scale:
        return [
            None if size is None else _square(record, size)
            for record, size in zip(records, sizes, strict=True)
        ]
    if not known:
        raise InputError(
            "these people have no scale in the data set, so that their frame is not normalized by it; "
            "--no-scale is for a data set with scales, such as mpii"
        )
    usual = float(np.median(known))
    return [
        None if size is None else _square(record, usual)
        for record, size in zip(records, sizes, strict=True)
    ]


def _square(record: Record, side: float) -> coords.Box:
    x, y, half = record.attributes["center_x"], record.attributes["center_y"], side / 2
    return coords.Box(x - half, y - half, x + half, y + half)
