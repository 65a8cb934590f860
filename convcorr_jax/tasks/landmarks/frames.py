"""Boxes of test faces: around the landmarks, of a face detector, and displaced at random.

A box around the annotated landmarks tells a probe where they are: the mean face, placed into it, errs by .16 of
the distance of the outer eye corners on LFPW, and by .24 in the paper, which does not state its boxes. Figures
in such boxes are lower bounds of the error in boxes that were not drawn by hand.
"""

from collections.abc import Sequence

import numpy as np

from convcorr_jax import coords
from convcorr_jax.errors import InputError
from convcorr_jax.probes import with_jittered_frames
from convcorr_jax.probes.landmarks import Faces
from convcorr_jax.tasks.landmarks.faces import FaceSet

ANNOTATED = "annotated"
"""The name of the boxes around the landmarks."""
DETECTOR = "detector"
"""The name of a detector's box among `Record.other_boxes`."""
JITTERS = (0.05, 0.1, 0.15)
"""Standard deviations of the displacement of boxes, in sides of the square, and of the logarithm of their
scale."""


def boxes_by_kind(test: FaceSet) -> dict[str, tuple[coords.Box, ...]]:
    """Return the squares of all kinds around the test faces: annotated, of a detector, and displaced.

    Args:
        test: the faces.

    Returns:
        Squares by the name of their kind: `ANNOTATED`, `DETECTOR` where the data set has such boxes, and
        ``jitter_0.05`` and so on.

    Raises:
        InputError: a face has no box.
    """
    annotated, detector = annotated_boxes(test), detector_boxes(test)
    return {
        ANNOTATED: annotated,
        **({} if detector is None else {DETECTOR: detector}),
        **{f"jitter_{deviation}": jittered_boxes(annotated, deviation) for deviation in JITTERS},
    }


def annotated_boxes(test: FaceSet) -> tuple[coords.Box, ...]:
    """Return the squares of the annotated boxes, which data sets of landmarks draw around the landmarks.

    Args:
        test: the faces.

    Raises:
        InputError: a face has no box.
    """
    return _squares([record.box for record in test.records], "box")


def detector_boxes(test: FaceSet) -> tuple[coords.Box, ...] | None:
    """Return the squares of a face detector's boxes, or None if the data set has none.

    Args:
        test: the faces.

    Raises:
        InputError: some faces have such a box and others have none.
    """
    boxes = [record.other_boxes.get(DETECTOR) for record in test.records]
    if not any(boxes):
        return None
    return _squares(boxes, "detector's box")


def jittered_boxes(
    boxes: tuple[coords.Box, ...], deviation: float, *, seed: int = 1
) -> tuple[coords.Box, ...]:
    """Displace squares along x and y, and scale them, at random.

    Args:
        boxes: the squares.
        deviation: standard deviation of the displacements, in sides of the square, and of the logarithm of the
            scale.
        seed: the seed of the draws.
    """
    nowhere = np.zeros((len(boxes), 1, 2))
    faces = Faces(lambda _: np.zeros((1, 1, 3), np.uint8), boxes, nowhere)
    jittered = with_jittered_frames(faces, copies=1, shift=deviation, scale=deviation, seed=seed)
    return jittered.frames


def _squares(boxes: Sequence[coords.Box | None], kind: str) -> tuple[coords.Box, ...]:
    known = tuple(box for box in boxes if box is not None)
    if len(known) < len(boxes):
        raise InputError(f"{len(boxes) - len(known)} test faces have no {kind}")
    return tuple(map(coords.square, known))
