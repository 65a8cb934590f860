"""The position of the torso that the spatial model gets: annotated, of a box, the image's middle, or unknown.

The annotated torso is the middle of the data set's torso box (FLIC); otherwise the person's position in the
data set (MPII); otherwise, since LSP and rendered people have neither, the middle of the true shoulders and
hips. An evaluation with it states how well the joints of a person are found whose torso is known, which a user
of a photograph does not have.

Source: Tompson et al. 2015, section 3.3: the position of the torso is given to the spatial model, in training
and in test.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float

from convcorr_jax import coords
from convcorr_jax.datasets.records import Record, box_of
from convcorr_jax.pose import torso_of

Torso = Literal["annotated", "box", "middle", "none"]
"""The annotated torso; the middle of the person's box; the middle of the photograph; an unknown torso."""

AROUND = (("l_shoulder", "r_shoulder"), ("l_hip", "r_hip"))
"""The joints around the torso: the shoulders and the hips."""


def torso_in_frame(
    record: Record, to_frame: coords.Transform, *, torso: Torso
) -> Float[np.ndarray, "2"]:
    """Return the middle of a person's torso in the input frame.

    Args:
        record: the person.
        to_frame: the transform from pixels of the photograph to pixels of the input frame.
        torso: ``"annotated"`` for the annotated torso; ``"box"`` for the middle of the record's box, as
            ``convcorr pose --box`` uses it; ``"middle"`` for the middle of the photograph; ``"none"`` for an
            unknown torso, as in ``convcorr pose`` without ``--box``.

    Returns:
        The position (x, y), in pixels of the input frame; NaN where it is unknown.

    Raises:
        InputError: ``torso`` is ``"box"`` and the record has no box.
    """
    if torso == "annotated":
        return coords.apply(to_frame, annotated_torso(record))
    if torso == "middle":
        return torso_of(coords.whole_image(record.size), to_frame)
    if torso == "none":
        return torso_of(None, to_frame)
    return torso_of(person_box(record), to_frame)


def person_box(record: Record) -> coords.Box:
    """Return the box of a person.

    Args:
        record: the person.

    Raises:
        InputError: the record has no box.
    """
    return box_of(record, lacking=" of the person; the torso annotated, middle or none is expected")


def annotated_torso(record: Record) -> Float[np.ndarray, "2"]:
    """Return the annotated middle (x, y) of a person's torso, in pixels of the photograph; NaN where unknown.

    A pair of shoulders or hips with one hidden joint has the other joint as its middle.

    Args:
        record: the person.
    """
    box = record.other_boxes.get("torso")
    if box is not None:
        return np.array(box.center)
    if {"center_x", "center_y"} <= set(record.attributes):
        return np.array([record.attributes[name] for name in ("center_x", "center_y")])
    return np.mean([annotated_middle(record, pair) for pair in AROUND], axis=0)


def annotated_middle(record: Record, joints: Sequence[str]) -> Float[np.ndarray, "2"]:
    """Return the middle (x, y) of those joints that are annotated, in pixels of the photograph; NaN if none is.

    Args:
        record: the person.
        joints: names of the joints.
    """
    points = [record.points[record.names.index(name)] for name in joints if name in record.names]
    present = [point for point in points if not np.isnan(point).any()]
    return np.mean(present, axis=0) if present else np.full(2, np.nan)
