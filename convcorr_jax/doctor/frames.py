"""Checks for coordinates that are off by one: still counted from 1, or with 1 subtracted twice.

In this library's frame an image of width W spans -0.5 to W - 0.5. Coordinates that reach one border of the
image should reach the opposite border too.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from convcorr_jax.datasets.records import Record
from convcorr_jax.doctor.findings import CHANGES_SCORES, Finding
from convcorr_jax.doctor.keypoint_table import keypoint_table

# Ten against none: if both were equally likely, chance would produce it in one data set of a thousand.
_LEAST_POINTS = 10
_TIMES_OTHERS = 10
# Boxes that were clipped at the border end at exactly the same coordinate.
_LEAST_BOXES = 5
_BORDER_PX = 2.0


def shifted_points(records: Sequence[Record]) -> Iterator[Finding]:
    """Report keypoint coordinates just outside one border if hardly any lie just inside the opposite border.

    Here "just" means within one pixel. If points are counted from 1, those on the last pixel have the
    coordinate W, and none has 0. If 1 was subtracted twice, those on the first pixel have -1, and none has
    W - 1. Left and top are counted together, and so are right and bottom. A fault is reported if at least ten
    coordinates lie just outside, and at least ten times as many as just inside the opposite border.
    """
    points = keypoint_table(records)
    from_start = points.position + 0.5
    from_end = points.position - (points.width_height - 0.5)
    before, first = (_count_within_pixel(from_start, low) for low in (-1.0, 0.0))
    last, after = (_count_within_pixel(from_end, low) for low in (-1.0, 0.0))
    for beyond, at_other_end, text in (
        (after, first, "beyond the last pixel, and {} on the first: they seem to count from 1"),
        (
            before,
            last,
            "before the first pixel, and {} on the last: 1 seems to have been subtracted twice",
        ),
    ):
        if beyond >= max(_LEAST_POINTS, _TIMES_OTHERS * at_other_end):
            sentence = f"{beyond:,} coordinates lie {text.format(at_other_end)}."
            yield Finding("off-by-one frame", CHANGES_SCORES, sentence)


def shifted_boxes(records: Sequence[Record]) -> Iterator[Finding]:
    """Report boxes clipped at the border if their edges lie deeper inside at one side than at the opposite one.

    The outermost edges are expected at -0.5 and W - 0.5, or at 0 and W - 1 if boxes end at the centres of their
    pixels. The shift is half the difference between the distances of both edges from these.
    """
    with_box = [record for record in records if record.box is not None]
    boxes = np.array([record.box for record in with_box], float).reshape(-1, 2, 2)
    sizes = np.array([record.size[::-1] for record in with_box], float).reshape(-1, 2)
    start = _common_margin((boxes[:, 0] + 0.5).ravel())
    end = _common_margin((sizes - 0.5 - boxes[:, 1]).ravel())
    if start is None or end is None:
        return
    shift = (start - end) / 2
    if abs(shift) > 0.25:
        sentence = (
            f"Boxes begin {start:+g} pixels inside the image at the least, and end {end:+g} inside: "
            f"they seem to be shifted by {shift:+g}."
        )
        yield Finding("off-by-one frame", CHANGES_SCORES, sentence)


def _count_within_pixel(offset: np.ndarray, low: float) -> int:
    """Count offsets in ``[low, low + 1)``."""
    return int(((offset >= low) & (offset < low + 1)).sum())


def _common_margin(margins: np.ndarray) -> float | None:
    """Return the least distance of edges inside the border, if several edges have it; None otherwise."""
    if not len(margins):
        return None
    least = float(margins.min())
    several = int(np.isclose(margins, least, atol=1e-3).sum()) >= _LEAST_BOXES
    return least if several and abs(least) <= _BORDER_PX else None
