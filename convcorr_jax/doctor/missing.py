"""A check for a position that stands for "missing": the same coordinates, exactly, many times."""

from collections.abc import Iterator, Sequence

import numpy as np

from convcorr_jax.datasets.records import Record
from convcorr_jax.doctor.findings import CHANGES_SCORES, WORTH_A_LOOK, Case, Finding, counted
from convcorr_jax.doctor.keypoint_table import keypoint_table

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
    positions, group, counts = np.unique(
        points.position, axis=0, return_inverse=True, return_counts=True
    )
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
        more_than = f" more than {counted(others, 'time')}" if others else ""
        sentence = (
            f"{len(cases):,} {kind} lie at exactly ({x:g}, {y:g}); no other position within "
            f"{_NEIGHBOURHOOD_PX:g} pixels occurs{more_than}. These keypoints are probably missing."
        )
        severity = CHANGES_SCORES if visible else WORTH_A_LOOK
        yield Finding("missing marked as present", severity, sentence, cases)
