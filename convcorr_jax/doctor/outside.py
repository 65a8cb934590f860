"""Keypoints that lie outside the image, or outside the box of their object."""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Bool, Float

from convcorr_jax import coords
from convcorr_jax.datasets.records import Record
from convcorr_jax.doctor.findings import CHANGES_SCORES, WORTH_A_LOOK, Case, Finding, counted

# A point may be rounded to the next pixel; `frames` looks at whether many are.
_TOLERANCE_PX = 1.0
# Annotators do not hit the border exactly.
_TOLERANCE_OF_IMAGE = 0.01
# A box drawn by hand cuts off a little of its object.
_TOLERANCE_OF_BOX = 0.1


def image(records: Sequence[Record]) -> Iterator[Finding]:
    """Keypoints outside the image by a hundredth of it: visible ones change scores, hidden ones are guesses."""
    for visible, severity in ((True, CHANGES_SCORES), (False, WORTH_A_LOOK)):
        cases = []
        for record in records:
            beyond = _beyond(record.points, coords.whole_image(record.size))
            tolerance = _TOLERANCE_PX + _TOLERANCE_OF_IMAGE * max(record.size)
            outside = (beyond > tolerance) & (record.visible == visible)
            if outside.any():
                cases.append(_case(record, beyond, outside))
        if cases:
            kind = "Visible" if visible else "Hidden"
            where = counted(len(cases), "record")
            sentence = f"{kind} keypoints lie outside the image in {where}."
            yield Finding("points outside the image", severity, sentence, tuple(cases))


def box(records: Sequence[Record]) -> Iterator[Finding]:
    """Visible keypoints beyond the box by more than a tenth of its longer side.

    Where these are most of an object's, the box is another object's or in another frame.
    """
    some, most = [], []
    for record in records:
        if record.box is None or not record.visible.any():
            continue
        beyond = _beyond(record.points, record.box)
        longer = record.box.longer_side
        outside = (beyond > _TOLERANCE_PX + _TOLERANCE_OF_BOX * longer) & record.visible
        if outside.any():
            chosen = most if outside.sum() > record.visible.sum() / 2 else some
            chosen.append(_case(record, beyond, outside))
    if most:
        sentence = f"Most visible keypoints lie outside the box in {counted(len(most), 'record')}."
        yield Finding("points outside the box", CHANGES_SCORES, sentence, tuple(most))
    if some:
        sentence = f"Some visible keypoints lie outside the box in {counted(len(some), 'record')}."
        yield Finding("points outside the box", WORTH_A_LOOK, sentence, tuple(some))


def _beyond(points: Float[np.ndarray, "n 2"], box: coords.Box) -> Float[np.ndarray, " n"]:
    """How far points lie outside a box in x or y, whichever is farther; negative inside, and where absent."""
    beyond = np.maximum(np.array(box[:2]) - points, points - np.array(box[2:])).max(axis=1)
    return np.where(np.isnan(beyond), -np.inf, beyond)


def _case(record: Record, beyond: Float[np.ndarray, " n"], outside: Bool[np.ndarray, " n"]) -> Case:
    farthest = int(np.where(outside, beyond, -np.inf).argmax())
    others = int(outside.sum()) - 1
    note = f"{record.names[farthest]} by {beyond[farthest]:.1f} px"
    return Case((record.source_id,), f"{note}, and {others} more" if others else note)
