"""The frame of every person of a data set: what the network sees of the photograph.

Source: Tompson et al. 2015, section 5: people are scaled to a constant average height, except in the row
"unnormalized" of Table 4.

The paper leaves open which part of an unnormalized photograph enters the network. Here it is a square around
the person's position that has the same side for all people: that of the person of median size.
"""

from collections.abc import Sequence

import numpy as np

from convcorr_jax import coords
from convcorr_jax.datasets.records import Record
from convcorr_jax.errors import InputError
from convcorr_jax.pose import Architecture, frame_around, frame_of_box
from convcorr_jax.tasks.pose.torso import Torso, annotated_torso, person_box

# MPII's scale is a person's height in units of 200 pixels.
_SCALE_PX = 200
# The side of a frame in parts of a person's height.
_AROUND_PERSON = 1.25
# The attributes of a person whose position and size are known.
_PLACED = {"center_x", "center_y", "scale"}


def frames_of(
    records: Sequence[Record], architecture: Architecture, *, scale: bool, torso: Torso
) -> list[coords.Box | None]:
    """Return the frame of each person.

    Where the data set has a person's position and size, it is a square around the person. Otherwise it is the
    whole photograph; or, with `Architecture.frame_px`, what is known of the torso decides: a square of that
    side around the annotated torso or the middle of the photograph, the frame of the box
    (`convcorr_jax.pose.frame_of_box`), or the whole photograph.

    Args:
        records: the people.
        architecture: of the cascade.
        scale: whether squares around people are normalized by each person's size.
        torso: what is known of the torso.

    Returns:
        Frames in pixels of the photographs; None for the whole photograph.

    Raises:
        InputError: ``scale`` is false, and no person has a size; or ``torso`` is ``"box"`` and a person has
            none.
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
        else frame_around(
            np.array([record.attributes["center_x"], record.attributes["center_y"]]),
            _AROUND_PERSON * (usual or height),
        )
        for record, height in zip(records, heights, strict=True)
    ]


def _without_size(record: Record, architecture: Architecture, torso: Torso) -> coords.Box | None:
    side = architecture.frame_px
    if side is None or torso == "none":
        return None
    if torso == "box":
        return frame_of_box(person_box(record), architecture=architecture)
    middle = np.array(coords.whole_image(record.size).center)
    if torso == "annotated":
        annotated = annotated_torso(record)
        middle = np.where(np.isnan(annotated), middle, annotated)
    return frame_around(middle, side)
