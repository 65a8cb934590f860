"""Checks of annotated keypoints, counts and normalizers.

In this library's frame an image of width W spans -0.5 to W - 0.5. Coordinates that reach one border of the
image should reach the opposite border too; otherwise they are off by one: still counted from 1, or with 1
subtracted twice.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from convcorr_jax import coords
from convcorr_jax.datasets import Absent, Record
from convcorr_jax.doctor.findings import CHANGES_SCORES, WORTH_A_LOOK, Case, Finding, format_count, report_cases


class KeypointTable(NamedTuple):
    """The present keypoints of many records, one row each; positions (x, y) and sizes are in pixels."""

    record: Int[np.ndarray, " points"]
    index: Int[np.ndarray, " points"]
    position: Float[np.ndarray, "points 2"]
    visible: Bool[np.ndarray, " points"]
    width_height: Int[np.ndarray, "points 2"]


def keypoint_table(records: Sequence[Record]) -> KeypointTable:
    """Collect the keypoints of all records that have a position, record by record."""
    counts = [len(record.names) for record in records]
    owner = np.repeat(np.arange(len(records)), counts)
    index = np.concatenate([np.zeros(0, int), *map(np.arange, counts)])
    position = np.concatenate([np.zeros((0, 2)), *(record.points for record in records)])
    visible = np.concatenate([np.zeros(0, bool), *(record.visible for record in records)])
    sizes = np.array([record.size[::-1] for record in records], int).reshape(-1, 2)
    present = ~np.isnan(position[:, 0])
    owner = owner[present]
    return KeypointTable(owner, index[present], position[present], visible[present], sizes[owner])


def robust_spread(deviations: Float[np.ndarray, " n"]) -> float:
    """Estimate a standard deviation by ``1.4826 * median(|d|)``, consistent for a normal distribution.

    NaN is left out of the deviations, which are differences from the centre of the distribution.

    >>> round(robust_spread(np.array([-1.0, 1.0, np.nan, 100.0, -1.0])), 4)
    1.4826
    """
    return 1.4826 * float(np.nanmedian(np.abs(deviations)))


# A point may be rounded to the next pixel; `shifted_points` checks whether many are.
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
        sentence = f"{'Visible' if visible else 'Hidden'} keypoints lie outside the image in {{}}."
        yield from report_cases("points outside the image", severity, sentence, cases)


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
        outside = (distance > _TOLERANCE_PX + _TOLERANCE_OF_BOX * record.box.longer_side) & record.visible
        if outside.any():
            cases = most if outside.sum() > record.visible.sum() / 2 else some
            cases.append(_case(record, distance, outside))
    for cases, share, severity in ((most, "Most", CHANGES_SCORES), (some, "Some", WORTH_A_LOOK)):
        sentence = f"{share} visible keypoints lie outside the box in {{}}."
        yield from report_cases("points outside the box", severity, sentence, cases)


def _distance_outside(points: Float[np.ndarray, "n 2"], box: coords.Box) -> Float[np.ndarray, " n"]:
    """Compute the greater of the distances outside a box in x and y; negative inside, -inf if absent."""
    distance = np.maximum(np.array(box[:2]) - points, points - np.array(box[2:])).max(axis=1)
    return np.where(np.isnan(distance), -np.inf, distance)


def _case(record: Record, distance: Float[np.ndarray, " n"], outside: Bool[np.ndarray, " n"]) -> Case:
    farthest = int(np.where(outside, distance, -np.inf).argmax())
    others = int(outside.sum()) - 1
    note = f"{record.names[farthest]} by {distance[farthest]:.1f} px"
    return Case((record.source_id,), f"{note}, and {others} more" if others else note)


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
        (before, last, "before the first pixel, and {} on the last: 1 seems to have been subtracted twice"),
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


# Formats without a code for absent keypoints write these, before or after 1 is subtracted.
_KNOWN_MARKERS = {(0.0, 0.0), (-1.0, -1.0), (-2.0, -2.0)}
_LEAST_OFTEN, _LEAST_OFTEN_KNOWN = 5, 2
# Whole-number coordinates repeat by chance, but then the coordinates around them do too.
_NEIGHBOURHOOD_PX = 3.0
_TIMES_NEIGHBOURS = 5


def repeated_positions(records: Sequence[Record]) -> Iterator[Finding]:
    """Find positions that recur exactly, five times as often as any other within three pixels in x and y.

    At least five occurrences are needed; two suffice for a known marker such as (0, 0).
    """
    points = keypoint_table(records)
    positions, group, counts = np.unique(points.position, axis=0, return_inverse=True, return_counts=True)
    often = np.flatnonzero(counts >= _LEAST_OFTEN_KNOWN)
    for repeated in often[np.argsort(-counts[often])].tolist():
        x, y = positions[repeated].tolist()
        if counts[repeated] < _LEAST_OFTEN and (x, y) not in _KNOWN_MARKERS:
            continue
        # Positions are sorted by x.
        x_range = [x - _NEIGHBOURHOOD_PX, x + _NEIGHBOURHOOD_PX]
        column = slice(*np.searchsorted(positions[:, 0], x_range).tolist())
        near = np.abs(positions[column, 1] - y) <= _NEIGHBOURHOOD_PX
        near[repeated - column.start] = False
        others = int(counts[column][near].max(initial=0))
        if counts[repeated] < _TIMES_NEIGHBOURS * others:
            continue
        members = group.reshape(-1) == repeated
        visible = bool(points.visible[members].any())
        cases = tuple(
            Case((records[record].source_id,), records[record].names[index])
            for record, index in zip(points.record[members], points.index[members], strict=True)
        )
        kind = "keypoints (some visible)" if visible else "keypoints, all hidden,"
        more_than = f" more than {format_count(others, 'time')}" if others else ""
        sentence = (
            f"{len(cases):,} {kind} lie at exactly ({x:g}, {y:g}); no other position within "
            f"{_NEIGHBOURHOOD_PX:g} pixels occurs{more_than}. These keypoints are probably missing."
        )
        severity = CHANGES_SCORES if visible else WORTH_A_LOOK
        yield Finding("missing marked as present", severity, sentence, cases)


def repeated_ids(records: Sequence[Record]) -> Iterator[Finding]:
    """Find source ids that several records share."""
    occurrences = Counter(record.source_id for record in records)
    cases = [Case((source_id,), f"{count} times") for source_id, count in occurrences.items() if count > 1]
    yield from report_cases(
        "repeated ids", CHANGES_SCORES, "Several records share {}.", cases, noun="source id"
    )


def wrong_counts(records: Sequence[Record], official: Mapping[str, int]) -> Iterator[Finding]:
    """Find splits whose number of records differs from the official number."""
    counts = Counter(record.split for record in records)
    for split, expected in official.items():
        if counts[split] != expected:
            sentence = f"Split {split!r} has {format_count(counts[split], 'record')}; officially {expected:,}."
            yield Finding("official counts", CHANGES_SCORES, sentence)


def skipped_annotations(absent: Sequence[Absent]) -> Iterator[Finding]:
    """List annotations that could not be turned into records, each with its reason."""
    cases = [Case((source_id,), reason) for source_id, reason in absent]
    sentence = "{} could not be turned into a record."
    yield from report_cases("absent annotations", WORTH_A_LOOK, sentence, cases, noun="annotation")


def without_records(records: Sequence[Record]) -> Iterator[Finding]:
    """Report data, categories and keypoints without records.

    These are a data set without records, a category without records in some split, and keypoints that no record
    of their category has.
    """
    if not records:
        yield Finding("empty", CHANGES_SCORES, "There are no records.")
    occurring = {(record.category, record.split) for record in records}
    categories, splits = ({pair[axis]: None for pair in sorted(occurring)} for axis in (0, 1))
    for split in splits:
        lacking = [category for category in categories if (category, split) not in occurring]
        if lacking:
            sentence = f"Split {split!r} has no records of {', '.join(map(repr, lacking))}."
            yield Finding("empty categories", WORTH_A_LOOK, sentence)
    has_position: dict[tuple[str, str], bool] = defaultdict(bool)
    for record in records:
        present = ~np.isnan(record.points[:, 0])
        for name, is_present in zip(record.names, present.tolist(), strict=True):
            has_position[record.category, name] |= is_present
    never = [f"{category}: {name}" for (category, name), ever in has_position.items() if not ever]
    if never:
        sentence = f"No record has a position for {', '.join(never)}."
        yield Finding("empty keypoints", WORTH_A_LOOK, sentence)


# A normalizer is the length of a part of the object: a head or the distance between the eyes is a tenth of the
# object or more.
_LEAST_MEDIAN, _MOST_MEDIAN = 0.02, 2.0
# Foreshortening makes a torso a few times shorter, not five times.
_TIMES_MEDIAN = 5.0
_SPREADS = 5.0


def unusual_normalizers(records: Sequence[Record]) -> Iterator[Finding]:
    """Find normalizers that do not fit their object.

    Let r be the normalizer over the longer side of the box. A category is reported if the median of r lies
    outside 0.02 ... 2. An object is reported if its r is more than five times above or below the median of its
    category and log r is more than five robust standard deviations away from the logarithm of the median.
    """
    ratios: dict[str, list[tuple[Record, float]]] = defaultdict(list)
    for record in records:
        if record.box is not None and record.normalizer_px is not None:
            ratios[record.category].append((record, record.normalizer_px / record.box.longer_side))
    unusual = []
    for category, pairs in ratios.items():
        logs = np.log([ratio for _, ratio in pairs])
        median = float(np.median(logs))
        usual = float(np.exp(median))
        if not _LEAST_MEDIAN <= usual <= _MOST_MEDIAN:
            sentence = (
                f"The normalizer of {category!r} is {usual:.3g} times the longer side of the box, by the "
                "median: it seems to be in other units than the box."
            )
            yield Finding("normalizers", CHANGES_SCORES, sentence)
        least = max(np.log(_TIMES_MEDIAN), _SPREADS * robust_spread(logs - median))
        for record, ratio in pairs:
            if abs(np.log(ratio) - median) > least:
                note = f"{ratio:.3g} times the box's longer side; {usual:.3g} is usual"
                unusual.append(Case((record.source_id,), note))
    sentence = "The normalizer does not fit the box in {}."
    yield from report_cases("normalizers", WORTH_A_LOOK, sentence, unusual)
