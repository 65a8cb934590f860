"""A person of MPII, in the form that all readers of its annotations return, and the person's record."""

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
"""Indices of joints that exchange names when the image is mirrored."""


class Person(NamedTuple):
    """An annotated person; coordinates are in pixels of the frame, 0-based."""

    frame: str
    """File name in ``images``."""
    place: int
    """Index of the person in the frame, from 0."""
    split: str
    """"train", "valid" or "test"."""
    points: Float[np.ndarray, "16 2"]
    """Joints (x, y); NaN where a joint is absent."""
    visible: Bool[np.ndarray, "16"]
    """Which joints are visible."""
    head_box: coords.Box | None
    """The box of the head, if it is known."""
    head_size: float | None
    """The length of PCKh in pixels, `metrics.pckh.head_sizes` of the head's box, if it is known."""
    attributes: dict[str, float]
    """Those of "center_x", "center_y", "scale" and "separated" that are known."""


def to_record(images: Path, person: Person) -> Record | Absent:
    """Return the record of a person; `Absent` if the frame is missing or the annotation fits no record.

    Args:
        images: the folder of frames.
        person: the annotated person.
    """
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
