"""Coordinates that are off by one: counted from 1, or lowered twice.

In this library's frame an image spans -0.5 to W - 0.5. What reaches one border of it should reach the other.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from convcorr_jax.datasets.records import Record
from convcorr_jax.doctor.findings import CHANGES_SCORES, Finding
from convcorr_jax.doctor.present import present_points

# Ten against none: were both as likely, chance would show it in one set of a thousand.
_LEAST_POINTS = 10
_TIMES_OTHERS = 10
# Boxes that were cut at the border end at exactly the same place there.
_LEAST_BOXES = 5
_BORDER_PX = 2.0


def shifted_points(records: Sequence[Record]) -> Iterator[Finding]:
    """Points in the pixel beyond one end of their images, and none in the pixel at the other end.

    Counted from 1, points on the last pixel lie at W, and none at 0; lowered twice, points on the first pixel
    lie at -1, and none at W - 1. Left and top are taken together, and so are right and bottom.
    """
    points = present_points(records)
    from_start = points.place + 0.5
    from_end = points.place - (points.width_height - 0.5)
    before, first = (_within(from_start, low) for low in (-1.0, 0.0))
    last, after = (_within(from_end, low) for low in (-1.0, 0.0))
    for beyond, at_other_end, text in (
        (after, first, "beyond the last pixel, and {} on the first: they seem to count from 1"),
        (before, last, "before the first pixel, and {} on the last: they seem to be lowered twice"),
    ):
        if beyond >= max(_LEAST_POINTS, _TIMES_OTHERS * at_other_end):
            sentence = f"{beyond:,} coordinates lie {text.format(at_other_end)}."
            yield Finding("off-by-one frame", CHANGES_SCORES, sentence)


def shifted_boxes(records: Sequence[Record]) -> Iterator[Finding]:
    """Boxes cut at the image's border whose least and greatest edges do not lie symmetrically in it.

    The edges at which boxes begin, at the least, and end, at the most, are -0.5 and W - 0.5 (or 0 and W - 1,
    where a box ends at the centres of its pixels). Half the sum of their distances from these is the shift.
    """
    with_box = [record for record in records if record.box is not None]
    boxes = np.array([record.box for record in with_box], float).reshape(-1, 2, 2)
    sizes = np.array([record.size[::-1] for record in with_box], float).reshape(-1, 2)
    start = _pile((boxes[:, 0] + 0.5).ravel())
    end = _pile((sizes - 0.5 - boxes[:, 1]).ravel())
    if start is None or end is None:
        return
    shift = (start - end) / 2
    if abs(shift) > 0.25:
        sentence = (
            f"Boxes begin {start:+g} pixels inside the image at the least, and end {end:+g} inside: "
            f"they seem to be shifted by {shift:+g}."
        )
        yield Finding("off-by-one frame", CHANGES_SCORES, sentence)


def _within(offset: np.ndarray, low: float) -> int:
    """How many lie within a pixel from ``low`` on."""
    return int(((offset >= low) & (offset < low + 1)).sum())


def _pile(inside: np.ndarray) -> float | None:
    """How far inside the border the outermost edges lie, if many lie there exactly."""
    if not len(inside):
        return None
    outermost = float(inside.min())
    many = int(np.isclose(inside, outermost, atol=1e-3).sum()) >= _LEAST_BOXES
    return outermost if many and abs(outermost) <= _BORDER_PX else None
