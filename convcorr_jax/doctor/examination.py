"""All checks on one data set."""

from collections.abc import Callable, Mapping, Sequence

from convcorr_jax.datasets.records import Absent, Record
from convcorr_jax.doctor import counts, duplicates, frames, lengths, missing, outside, sides
from convcorr_jax.doctor.findings import CHANGES_SCORES, Finding
from convcorr_jax.doctor.thumbnails import compute_thumbnails


def examine(
    records: Sequence[Record],
    *,
    official_counts: Mapping[str, int] | None = None,
    absent: Sequence[Absent] = (),
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Finding, ...]:
    """Run every check and return the findings, those that change scores first.

    Each image is decoded once, and only its thumbnail stays in memory. Records are read once, in order.

    Args:
        records: records of all splits.
        official_counts: the official number of records by split; a split without records is reported too.
        absent: annotations that made no record.
        progress: called with the number of records examined so far, and the number of all.
    """
    annotations, thumbnails = compute_thumbnails(records, progress=progress)
    findings = (
        *duplicates.unreadable(annotations, thumbnails),
        *duplicates.shared_by_splits(annotations, thumbnails),
        *duplicates.exact(annotations, thumbnails),
        *duplicates.near(annotations, thumbnails),
        *counts.repeated_ids(annotations),
        *counts.wrong_counts(annotations, official_counts or {}),
        *counts.absences(absent),
        *counts.empty(annotations),
        *outside.image(annotations),
        *outside.box(annotations),
        *missing.repeated_positions(annotations),
        *frames.shifted_points(annotations),
        *frames.shifted_boxes(annotations),
        *sides.swaps(annotations),
        *lengths.normalizers(annotations),
    )
    return tuple(sorted(findings, key=lambda finding: finding.severity != CHANGES_SCORES))
