"""Checks for keypoints outside the image, or outside the box of their object."""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Bool, Float

from convcorr_jax import coords
from convcorr_jax.datasets.records import Record
from convcorr_jax.doctor.findings import CHANGES_SCORES, WORTH_A_LOOK, Case, Finding, counted

# A point may be rounded to the next pixel; the module `frames` checks whether many are.
_TOLERANCE_PX = 1.0
# Annotators do not hit the border exactly.
_TOLERANCE_OF_IMAGE = 0.01
# A box drawn by hand cuts off a little of its object.
_TOLERANCE_OF_BOX = 0.1


def points_outside_image(records: Sequence[Record]) -> Iterator[Finding]:
    """Find keypoints outside the image by more than one pixel plus a hundredth of the image's longer side.

    Visible ones change scores; hidden ones are the annotator's guesses and worth a look.
    """
    for visible, severity in ((True, CHANGES_SCORES), (False, WORTH_A_LOOK)):
        cases = []
        for record in records:
            distance = _distance_outside(record.points, coords.whole_image(record.size))
            tolerance = _TOLERANCE_PX + _TOLERANCE_OF_IMAGE * max(record.size)
            outside = (distance > tolerance) & (record.visible == visible)
            if outside.any():
                cases.append(_case(record, distance, outside))
        if cases:
            kind = "Visible" if visible else "Hidden"
            where = counted(len(cases), "record")
            sentence = f"{kind} keypoints lie outside the image in {where}."
            yield Finding("points outside the image", severity, sentence, tuple(cases))


def points_outside_box(records: Sequence[Record]) -> Iterator[Finding]:
    """Find visible keypoints outside the box by more than one pixel plus a tenth of the box's longer side.

    If most of an object's visible keypoints lie outside, the box belongs to another object or another frame,
    which changes scores.
    """
    some, most = [], []
    for record in records:
        if record.box is None or not record.visible.any():
            continue
        distance = _distance_outside(record.points, record.box)
        longer = record.box.longer_side
        outside = (distance > _TOLERANCE_PX + _TOLERANCE_OF_BOX * longer) & record.visible
        if outside.any():
            cases = most if outside.sum() > record.visible.sum() / 2 else some
            cases.append(_case(record, distance, outside))
    if most:
        sentence = f"Most visible keypoints lie outside the box in {counted(len(most), 'record')}."
        yield Finding("points outside the box", CHANGES_SCORES, sentence, tuple(most))
    if some:
        sentence = f"Some visible keypoints lie outside the box in {counted(len(some), 'record')}."
        yield Finding("points outside the box", WORTH_A_LOOK, sentence, tuple(some))


def _distance_outside(points: Float[np.ndarray, "n 2"], box: coords.Box) -> Float[np.ndarray, " n"]:
    """Compute the greater of the distances outside a box in x and y; negative inside, -inf if absent."""
    distance = np.maximum(np.array(box[:2]) - points, points - np.array(box[2:])).max(axis=1)
    return np.where(np.isnan(distance), -np.inf, distance)


def _case(
    record: Record, distance: Float[np.ndarray, " n"], outside: Bool[np.ndarray, " n"]
) -> Case:
    farthest = int(np.where(outside, distance, -np.inf).argmax())
    others = int(outside.sum()) - 1
    note = f"{record.names[farthest]} by {distance[farthest]:.1f} px"
    return Case((record.source_id,), f"{note}, and {others} more" if others else note)
