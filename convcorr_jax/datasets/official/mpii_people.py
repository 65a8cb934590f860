"""A person of MPII, as every form of its annotations gives one, and the record made of it."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from convcorr_jax import coords
from convcorr_jax.datasets import roots
from convcorr_jax.datasets.records import Absent, Record
from convcorr_jax.errors import InputError
from convcorr_jax.io import image_size

NAMES = (
    *("r_ankle", "r_knee", "r_hip", "l_hip", "l_knee", "l_ankle"),
    *("pelvis", "thorax", "upper_neck", "head_top"),
    *("r_wrist", "r_elbow", "r_shoulder", "l_shoulder", "l_elbow", "l_wrist"),
)
"""The 16 joints, in the order of their ids."""

LEFT_RIGHT_PAIRS = ((5, 0), (4, 1), (3, 2), (15, 10), (14, 11), (13, 12))
"""Joints that exchange places when a person is mirrored."""


class Person(NamedTuple):
    """An annotated person; coordinates are 0-based."""

    frame: str
    """File name in ``images``."""
    place: int
    """Which of the frame's people, from 0."""
    split: str
    points: Float[np.ndarray, "16 2"]
    visible: Bool[np.ndarray, "16"]
    head_box: coords.Box | None
    head_size: float | None
    """The length of PCKh, `metrics.pckh.head_sizes` of the head's box."""
    attributes: dict[str, float]
    """Those of "center_x", "center_y", "scale" and "separated" that are known."""


def record(images: Path, person: Person) -> Record | Absent:
    """The person's record, or the reason why it has none; ``images`` is the folder of frames."""
    source_id = f"{person.frame}#{person.place}"
    try:
        path = roots.member_file(images, person.frame)
        return Record(
            image=path,
            size=image_size(path),
            category="person",
            source_id=source_id,
            split=person.split,
            names=NAMES,
            points=person.points,
            visible=person.visible,
            left_right_pairs=LEFT_RIGHT_PAIRS,
            other_boxes={} if person.head_box is None else {"head": person.head_box},
            normalizer_px=person.head_size,
            attributes=person.attributes,
        )
    except InputError as error:
        return Absent(source_id, str(error))
