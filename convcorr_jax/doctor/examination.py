"""All checks on one data set."""

from collections.abc import Callable, Mapping, Sequence

from convcorr_jax.datasets.records import Absent, Record
from convcorr_jax.doctor import (
    counts,
    duplicates,
    frames,
    missing,
    normalizers,
    outside,
    sides,
    unreadable,
)
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
        absent: annotations that could not be turned into records.
        progress: called with the number of records examined so far, and the number of all.
    """
    records_without_pixels, thumbnails = compute_thumbnails(records, progress=progress)
    findings = (
        *unreadable.unreadable_images(records_without_pixels, thumbnails),
        *duplicates.shared_by_splits(records_without_pixels, thumbnails),
        *duplicates.exact(records_without_pixels, thumbnails),
        *duplicates.near(records_without_pixels, thumbnails),
        *counts.repeated_ids(records_without_pixels),
        *counts.wrong_counts(records_without_pixels, official_counts or {}),
        *counts.skipped_annotations(absent),
        *counts.empty(records_without_pixels),
        *outside.points_outside_image(records_without_pixels),
        *outside.points_outside_box(records_without_pixels),
        *missing.repeated_positions(records_without_pixels),
        *frames.shifted_points(records_without_pixels),
        *frames.shifted_boxes(records_without_pixels),
        *sides.swaps(records_without_pixels),
        *normalizers.unusual_normalizers(records_without_pixels),
    )
    return tuple(sorted(findings, key=lambda finding: finding.severity != CHANGES_SCORES))
