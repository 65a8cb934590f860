"""A place that stands for "missing": the same coordinates, exactly, over and over."""

from collections.abc import Iterator, Sequence

import numpy as np

from convcorr_jax.datasets.records import Record
from convcorr_jax.doctor.findings import CHANGES_SCORES, WORTH_A_LOOK, Case, Finding
from convcorr_jax.doctor.present import present_points

# Written by formats that have no other way to say "not there", before and after 1 is subtracted.
_KNOWN_MARKERS = {(0.0, 0.0), (-1.0, -1.0), (-2.0, -2.0)}
_LEAST_OFTEN, _LEAST_OFTEN_KNOWN = 5, 2
# Whole-number coordinates repeat by chance, but then those around them do too.
_NEIGHBOURHOOD_PX = 3.0
_TIMES_NEIGHBOURS = 5


def repeated_places(records: Sequence[Record]) -> Iterator[Finding]:
    """Coordinates that repeat exactly, five times as often as any others within three pixels."""
    points = present_points(records)
    places, which, times = np.unique(points.place, axis=0, return_inverse=True, return_counts=True)
    often = np.flatnonzero(times >= _LEAST_OFTEN_KNOWN)
    for place in often[np.argsort(-times[often])].tolist():
        x, y = places[place].tolist()
        if times[place] < _LEAST_OFTEN and (x, y) not in _KNOWN_MARKERS:
            continue
        # Places are sorted by x.
        x_range = [x - _NEIGHBOURHOOD_PX, x + _NEIGHBOURHOOD_PX]
        column = slice(*np.searchsorted(places[:, 0], x_range).tolist())
        near = np.abs(places[column, 1] - y) <= _NEIGHBOURHOOD_PX
        near[place - column.start] = False
        others = int(times[column][near].max(initial=0))
        if times[place] < _TIMES_NEIGHBOURS * others:
            continue
        here = which.reshape(-1) == place
        visible = bool(points.visible[here].any())
        cases = tuple(
            Case((records[record].source_id,), records[record].names[index])
            for record, index in zip(points.record[here], points.index[here], strict=True)
        )
        kind = "keypoints, some visible," if visible else "hidden keypoints"
        sentence = (
            f"{len(cases):,} {kind} lie at exactly ({x:g}, {y:g}), and at most {others} at any one "
            "place around it: they are probably missing."
        )
        severity = CHANGES_SCORES if visible else WORTH_A_LOOK
        yield Finding("missing marked as present", severity, sentence, cases)
