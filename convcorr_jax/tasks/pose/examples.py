"""People as the pose cascade sees them, decoded once: images in the network's input frame, joints, torso.

What is known of a test person, and so is all that may be used of any:

- Where the torso is: the middle of the data set's torso box (FLIC), else the person's place that it gives
  (MPII), else, for want of either (LSP, rendered people), the middle of shoulders and hips.
- How large the person is, where the data set says it (MPII): the frame then shows the person, otherwise the
  whole photograph, as `convcorr_jax.pose.framing` has it.

Nothing is cropped around joints.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float, Int, UInt8

from convcorr_jax import coords, synthetic
from convcorr_jax.datasets import opening
from convcorr_jax.datasets.records import Absent, Record, load_image
from convcorr_jax.errors import InputError
from convcorr_jax.pose.architecture import Architecture
from convcorr_jax.pose.augmentation import inside
from convcorr_jax.pose.batch import Batch
from convcorr_jax.pose.framing import framed
from convcorr_jax.tasks.reading import RENDERED

Part = Literal["train", "validation", "test"]
Damaged = Literal["skip", "refuse"]

# Of the people of a training split, where the data set has no validation split.
_VALIDATE_EVERY = 10
_VALIDATION_SPLITS = ("valid", "val")
_TORSO = (("l_shoulder", "r_shoulder"), ("l_hip", "r_hip"))
# MPII's scale is a person's height in units of 200 pixels.
_SCALE_PX = 200


@dataclass(frozen=True, eq=False)
class People:
    """People in the input frame, whose images are in memory.

    Attributes:
        records: the people.
        images: of the input's size.
        points: joints (x, y) in the input frame; NaN where missing or outside of it.
        torso: its middle, likewise.
        to_frame: pixels of each photograph to the input frame.
        left_out: people whose image is damaged, and why.
    """

    records: tuple[Record, ...]
    images: UInt8[np.ndarray, "n h w 3"]
    points: Float[np.ndarray, "n j 2"]
    torso: Float[np.ndarray, "n 2"]
    to_frame: tuple[coords.Transform, ...]
    left_out: tuple[Absent, ...]

    def batch(self, rows: Int[np.ndarray, " b"]) -> Batch:
        """Some of the people."""
        return Batch(self.images[rows], self.points[rows], self.torso[rows])

    def to_photographs(self, points: Float[np.ndarray, "n j 2"]) -> Float[np.ndarray, "n j 2"]:
        """Points of everybody from the input frame to pixels of the photographs."""
        back = map(coords.invert, self.to_frame)
        return np.stack([coords.apply(one, those) for one, those in zip(back, points, strict=True)])


def read_people(
    dataset: str | Path, data_root: Path | None = None, *, part: Part, rendered: int = 1000
) -> tuple[Record, ...]:
    """The people of one part of a data set.

    Those for validation are the data set's own, else every tenth of its training split; the test split is what
    neither trains nor validates.

    Args:
        dataset: ``rendered``, or the name or path of a folder.
        data_root: where names are looked for.
        part: which people.
        rendered: how many rendered people train and validate together; a quarter as many are for testing.

    Raises:
        InputError: as `opening.read_records`, or the part has no people with named joints.
    """
    if dataset == RENDERED:
        split, count = ("test", rendered // 4) if part == "test" else ("train", rendered)
        records = list(synthetic.instances("person", split=split, count=count))
    else:
        records = list(opening.read_records(dataset, data_root=data_root))
    records = [one for one in records if one.category == "person" and one.names]
    learning = [one for one in records if one.split == "train"]
    validating = [one for one in records if one.split in _VALIDATION_SPLITS]
    if not validating:
        validating = learning[_VALIDATE_EVERY - 1 :: _VALIDATE_EVERY]
    held_out = {id(one) for one in validating}
    chosen = {
        "train": [one for one in learning if id(one) not in held_out],
        "validation": validating,
        "test": [one for one in records if one.split == "test"],
    }[part]
    if not chosen:
        raise InputError(f"{dataset} has no people for {part}")
    if len({one.names for one in chosen}) > 1:
        raise InputError(f"the people of {dataset} do not have the same joints")
    return tuple(chosen)


def prepare(
    records: Sequence[Record], architecture: Architecture, *, damaged: Damaged = "skip"
) -> People:
    """Decode the people's images into the input frame.

    Args:
        records: the people.
        architecture: whose input size and joints.
        damaged: whether people whose image cannot be read are left out, or refused.

    Raises:
        InputError: the people lack a joint of the architecture, an image is damaged and that is refused, or all
            are.
    """
    names = records[0].names
    absent = [joint for joint in architecture.joints if joint not in names]
    if absent:
        raise InputError(f"{architecture.name} finds {', '.join(absent)}, which the people lack")
    joints = [names.index(joint) for joint in architecture.joints]

    def seen(record: Record) -> _Framed | Absent:
        try:
            return _frame(record, joints, architecture.input_size)
        except InputError as error:
            if damaged == "refuse":
                raise
            return Absent(record.source_id, str(error))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(seen, records))
    shown = [one for one in found if not isinstance(one, Absent)]
    left_out = tuple(one for one in found if isinstance(one, Absent))
    if not shown:
        raise InputError(f"no image of {len(records)} people can be read: {left_out[0].reason}")
    return People(
        tuple(one.record for one in shown),
        np.stack([one.image for one in shown]),
        np.stack([one.points for one in shown]).astype(np.float32),
        np.stack([one.torso for one in shown]).astype(np.float32),
        tuple(one.to_frame for one in shown),
        left_out,
    )


def sampled_rows(step: int, *, people: int, batch: int, seed: int) -> Int[np.ndarray, " batch"]:
    """The rows of a step's batch: everybody once in random order, then again in another, without end."""
    places = step * batch + np.arange(batch)
    orders = {
        epoch: np.random.default_rng([seed, epoch]).permutation(people)
        for epoch in np.unique(places // people).tolist()
    }
    return np.array([orders[place // people][place % people] for place in places.tolist()])


def ahead(
    make: Callable[[int], Batch], steps: range, *, count: int = 2
) -> Iterator[tuple[int, Batch]]:
    """Each step with what is made for it; what the next steps need is made meanwhile, in another thread."""
    with ThreadPoolExecutor(1) as pool:
        coming = {step: pool.submit(make, step) for step in steps[:count]}
        for step in steps:
            made = coming.pop(step).result()
            if step + count in steps:
                coming[step + count] = pool.submit(make, step + count)
            yield step, made


@dataclass(frozen=True, eq=False)
class _Framed:
    record: Record
    image: UInt8[np.ndarray, "h w 3"]
    points: Float[np.ndarray, "j 2"]
    torso: Float[np.ndarray, "2"]
    to_frame: coords.Transform


def _frame(record: Record, joints: Sequence[int], size: coords.Size) -> _Framed:
    image, to_frame = framed(load_image(record), _extent(record), size)
    points = coords.apply(to_frame, record.points[list(joints)])
    points[~inside(points, size=size)] = np.nan
    torso = coords.apply(to_frame, _torso(record))
    return _Framed(record, image, points, torso, to_frame)


def _extent(record: Record) -> coords.Box | None:
    """A square as high as the person, where the data set says where and how high that is."""
    given = record.attributes
    if not {"center_x", "center_y", "scale"} <= set(given):
        return None
    x, y, half = given["center_x"], given["center_y"], _SCALE_PX * given["scale"] / 2
    return coords.Box(x - half, y - half, x + half, y + half)


def _torso(record: Record) -> Float[np.ndarray, "2"]:
    """The middle of a person's torso, in pixels of the photograph; NaN where it is not known."""
    box = record.other_boxes.get("torso")
    if box is not None:
        return np.array(box.center)
    if {"center_x", "center_y"} <= set(record.attributes):
        return np.array([record.attributes[name] for name in ("center_x", "center_y")])
    middles = [_middle(record, pair) for pair in _TORSO]
    return np.mean(middles, axis=0)


def _middle(record: Record, joints: Sequence[str]) -> Float[np.ndarray, "2"]:
    """The middle of the joints that are present, so that a hidden one does not draw the torso away."""
    at = [record.points[record.names.index(name)] for name in joints if name in record.names]
    present = [point for point in at if not np.isnan(point).any()]
    return np.mean(present, axis=0) if present else np.full(2, np.nan)
