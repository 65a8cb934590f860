"""People as examples for the pose cascade: images in the network's input frame, joints and torso, decoded once.

Two facts about a test person are known, and no more are used of any person: the place of the torso (`Torso`),
and the person's size, if the data set has it (MPII).

The annotated torso is the middle of the data set's torso box (FLIC); otherwise the person's position in the
data set (MPII); otherwise, since LSP and rendered people have neither, the middle of the true shoulders and
hips. An evaluation with it states how well the joints of a person are found whose torso is known, which a user
of a photograph does not have.

Source: Tompson et al. 2015, section 3.3: the position of the torso is given to the spatial model, in training
and in test. Source: Tompson et al. 2015, section 5: people are scaled to a constant average height, except in
the row "unnormalized" of Table 4.

The paper leaves open which part of an unnormalized photograph enters the network. Here it is a square around
the person's position that has the same side for all people: that of the person of median size.
"""

import dataclasses
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8

from convcorr_jax import coords, pose
from convcorr_jax.datasets import Absent, Record, box_of, load_image
from convcorr_jax.datasets.official import flic
from convcorr_jax.datasets.poses import Sides
from convcorr_jax.errors import InputError
from convcorr_jax.runtime import devices
from convcorr_jax.tasks.reading import RENDERED, read

Torso = Literal["annotated", "box", "middle", "none"]
"""The annotated torso; the middle of the person's box; the middle of the photograph; an unknown torso."""

AROUND = (("l_shoulder", "r_shoulder"), ("l_hip", "r_hip"))
"""The joints around the torso: the shoulders and the hips."""


def torso_in_frame(record: Record, to_frame: coords.Transform, *, torso: Torso) -> Float[np.ndarray, "2"]:
    """Return the middle (x, y) of a person's torso, in pixels of the input frame; NaN where unknown.

    The torso is ``"annotated"``; the middle of the ``"box"``, as ``convcorr pose --box`` uses it; the
    ``"middle"`` of the photograph; or unknown, ``"none"``, as in ``convcorr pose`` without ``--box``.
    """
    if torso == "annotated":
        return to_frame(annotated_torso(record))
    if torso == "middle":
        return pose.torso_of(coords.whole_image(record.size), to_frame)
    return pose.torso_of(None if torso == "none" else person_box(record), to_frame)


def person_box(record: Record) -> coords.Box:
    """Return the box of a person."""
    return box_of(record, lacking=" of the person; the torso annotated, middle or none is expected")


def annotated_torso(record: Record) -> Float[np.ndarray, "2"]:
    """Return the annotated middle (x, y) of a person's torso, in pixels of the photograph; NaN where unknown.

    A pair of shoulders or hips with one hidden joint has the other joint as its middle.
    """
    box = record.other_boxes.get("torso")
    if box is not None:
        return np.array(box.center)
    if {"center_x", "center_y"} <= set(record.attributes):
        return np.array([record.attributes[name] for name in ("center_x", "center_y")])
    return np.mean([annotated_middle(record, pair) for pair in AROUND], axis=0)


def annotated_middle(record: Record, joints: Sequence[str]) -> Float[np.ndarray, "2"]:
    """Return the middle (x, y) of the annotated ones of some joints, in photograph pixels; NaN if none is."""
    points = [record.points[record.names.index(name)] for name in joints if name in record.names]
    present = [point for point in points if not np.isnan(point).any()]
    return np.mean(present, axis=0) if present else np.full(2, np.nan)


# MPII's scale is a person's height in units of 200 pixels.
_SCALE_PX = 200
# The side of a frame in parts of a person's height.
_AROUND_PERSON = 1.25
# The attributes of a person whose position and size are known.
_PLACED = {"center_x", "center_y", "scale"}


def frames_of(
    records: Sequence[Record], architecture: pose.Architecture, *, scale: bool, torso: Torso
) -> list[coords.Box | None]:
    """Return the frame of each person.

    Where the data set has a person's position and size, it is a square around the person. Otherwise it is the
    whole photograph; or, with `Architecture.frame_px`, what is known of the torso decides: a square of that
    side around the annotated torso or the middle of the photograph, the frame of the box
    (`convcorr_jax.pose.frame_of_box`), or the whole photograph. None is the whole photograph.
    """
    if torso == "box":
        for record in records:
            person_box(record)
    heights = [
        _SCALE_PX * record.attributes["scale"] if set(record.attributes) >= _PLACED else None
        for record in records
    ]
    known = [height for height in heights if height is not None]
    if not scale and not known:
        raise InputError(
            "these people have no scale in the data set, so that their frame is not normalized by it; "
            "--no-scale is for a data set with scales, such as mpii"
        )
    usual = None if scale else float(np.median(known))
    return [
        _without_size(record, architecture, torso)
        if height is None
        else pose.frame_around(
            np.array([record.attributes["center_x"], record.attributes["center_y"]]),
            _AROUND_PERSON * (usual or height),
        )
        for record, height in zip(records, heights, strict=True)
    ]


def _without_size(record: Record, architecture: pose.Architecture, torso: Torso) -> coords.Box | None:
    side = architecture.frame_px
    if side is None or torso == "none":
        return None
    if torso == "box":
        return pose.frame_of_box(person_box(record), architecture=architecture)
    middle = np.array(coords.whole_image(record.size).center)
    if torso == "annotated":
        annotated = annotated_torso(record)
        middle = np.where(np.isnan(annotated), middle, annotated)
    return pose.frame_around(middle, side)


Part = Literal["train", "validation", "test"]
Damaged = Literal["skip", "refuse"]

# Every tenth person of a training split validates where the data set has no validation split.
_VALIDATE_EVERY = 10
_VALIDATION_SPLITS = ("valid", "val")


@dataclass(frozen=True, eq=False)
class People:
    """People in the input frame, with their images in memory.

    Images are 8-bit RGB, of the input's size or with its surroundings. Points and torso (x, y) are in pixels of
    the input frame, NaN where missing or outside the image; frames are in pixels of the photograph, None for
    the whole one. ``to_frame`` maps photographs to frames.
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

    def batch(self, rows: Int[np.ndarray, " b"]) -> pose.Batch:
        """Return the batch of the people with these row numbers."""
        return pose.Batch(self.images[rows], self.points[rows], self.torso[rows])

    def inputs(
        self, rows: Int[np.ndarray, " b"], size: coords.Size
    ) -> UInt8[np.ndarray, "b {size.height} {size.width} 3"]:
        """Return the images of the people with these row numbers, without their surroundings."""
        left, top = map(int, pose.frame_offset(coords.Size(*self.images.shape[1:3]), size))
        return self.images[rows, top : top + size.height, left : left + size.width]

    def to_photographs(self, points: Float[np.ndarray, "n j 2"]) -> Float[np.ndarray, "n j 2"]:
        """Convert points of every person from the input frame to pixels of their photographs."""
        return np.stack([to_frame.inverse(each) for to_frame, each in zip(self.to_frame, points, strict=True)])

    def to_frames(self, points: Float[np.ndarray, "n j 2"]) -> Float[np.ndarray, "n j 2"]:
        """Convert points of every person from pixels of their photographs to the input frame."""
        return np.stack([to_frame(each) for to_frame, each in zip(self.to_frame, points, strict=True)])


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
    the training split. The part for training is the rest of the training split. Of ``rendered`` people for
    both, a quarter as many others are for testing. On FLIC, left is the observer's left as in published
    figures, unless ``sides`` is "person".
    """
    counts = {"train": 0, "test": rendered // 4} if part == "test" else {"train": rendered, "test": 0}
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
            raise InputError(f"sides is for FLIC only; those of {dataset} are as its files have them")
    elif sides != "person":
        chosen = [flic.observer_centric_record(record) for record in chosen]
    return tuple(chosen)


def sides_of(joints: tuple[str, ...], *, sides: Sides | None) -> str:
    """Return whose left is left in the records that `read_people` returns, in words.

    >>> sides_of(flic.NAMES, sides=None)
    'observer-centric'
    """
    return f"{sides or 'observer'}-centric" if joints == flic.NAMES else "the person's own"


def prepare(
    records: Sequence[Record],
    architecture: pose.Architecture,
    *,
    damaged: Damaged = "skip",
    scale: bool = True,
    torso: Torso = "annotated",
    margin: float = 0.0,
    rows: range | Int[np.ndarray, " r"] | None = None,
) -> People:
    """Decode the images of people into the input frame.

    The torso (see `torso_in_frame`) also decides frames (see `frames_of`), and so do people whose ``rows`` are
    not decoded. On every side, images show a ``margin`` in parts of the frame's longer side. People whose image
    cannot be read are left out, unless all are or ``damaged`` is "refuse"; people who lack a joint of the
    architecture are refused.
    """
    names = records[0].names
    missing = [joint for joint in architecture.joints if joint not in names]
    if missing:
        raise InputError(f"{architecture.name} predicts {', '.join(missing)}, which the people lack")
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


class Share(NamedTuple):
    """The people of one part of the data: the records of all hosts, and this host's share, decoded."""

    records: tuple[Record, ...]
    people: People
    numbers: Int[np.ndarray, " n"]
    """The row in ``records`` of each of ``people``."""
    unread: tuple[Absent, ...]
    """The people of all hosts whose image cannot be read."""

    @property
    def readable(self) -> int:
        """The number of people of all hosts whose image can be read."""
        return len(self.records) - len(self.unread)


def share_of(
    records: tuple[Record, ...],
    architecture: pose.Architecture,
    *,
    rows: range | Int[np.ndarray, " r"],
    damaged: Damaged,
    scale: bool,
    margin: float = 0.0,
) -> Share:
    """Decode the people of this host, those with some ``rows``; see `prepare`."""
    people = prepare(records, architecture, damaged=damaged, scale=scale, margin=margin, rows=rows)
    number_of = {id(record): number for number, record in enumerate(records)}
    numbers = np.array([number_of[id(record)] for record in people.records], np.int32)
    lines = "".join(f"{json.dumps(absent)}\n" for absent in people.left_out).encode()
    text = devices.from_all_hosts(np.frombuffer(lines, np.uint8)).tobytes().decode()
    # Hosts may have the same people.
    unread = tuple(dict.fromkeys(Absent(*json.loads(line)) for line in text.splitlines()))
    return Share(records, people, numbers, unread)


def reframed(people: People, frames: Sequence[coords.Box], *, architecture: pose.Architecture) -> People:
    """Return people in other frames, whose middle is the torso."""

    def load(record: Record, frame: coords.Box) -> _Framed:
        loaded = _load(record, frame, architecture, torso="none", margin=0.0)
        return dataclasses.replace(loaded, torso=loaded.to_frame(np.array(frame.center)))

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
    record: Record, frame: coords.Box | None, architecture: pose.Architecture, *, torso: Torso, margin: float
) -> _Framed:
    size = architecture.input_size
    margin_px = round(margin * max(size))
    image, to_frame = pose.resample_to_frame(load_image(record), frame, size, margin_px=margin_px)
    columns = [record.names.index(joint) for joint in architecture.joints]
    points = to_frame(record.points[columns])
    last = np.array([size.width, size.height]) - 0.5 + margin_px
    points[~((points >= -0.5 - margin_px) & (points <= last)).all(axis=-1)] = np.nan
    return _Framed(record, image, points, torso_in_frame(record, to_frame, torso=torso), frame, to_frame)


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
