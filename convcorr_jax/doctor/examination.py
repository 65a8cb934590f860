"""All checks on one data set."""

from collections.abc import Callable, Mapping, Sequence

from convcorr_jax.datasets import Absent, Record
from convcorr_jax.doctor import duplicates, keypoints, sides
from convcorr_jax.doctor.duplicates import compute_thumbnails
from convcorr_jax.doctor.findings import CHANGES_SCORES, Finding


def examine(
    records: Sequence[Record],
    *,
    official_counts: Mapping[str, int] | None = None,
    absent: Sequence[Absent] = (),
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Finding, ...]:
    """Run every check and return the findings, those that change scores first.

    Each image is decoded once, and only its thumbnail stays in memory. Records are read once, in order. A split
    of ``official_counts`` without records is reported too; ``absent`` are annotations that could not be turned
    into records; ``progress`` is called with the number of records done, and the number of all.
    """
    records_without_pixels, thumbnails = compute_thumbnails(records, progress=progress)
    findings = (
        *duplicates.unreadable_images(records_without_pixels, thumbnails),
        *duplicates.shared_by_splits(records_without_pixels, thumbnails),
        *duplicates.exact_duplicates(records_without_pixels, thumbnails),
        *duplicates.near_duplicates(records_without_pixels, thumbnails),
        *duplicates.shared_scenes(records_without_pixels, thumbnails),
        *keypoints.repeated_ids(records_without_pixels),
        *keypoints.wrong_counts(records_without_pixels, official_counts or {}),
        *keypoints.skipped_annotations(absent),
        *keypoints.without_records(records_without_pixels),
        *keypoints.points_outside_image(records_without_pixels),
        *keypoints.points_outside_box(records_without_pixels),
        *keypoints.repeated_positions(records_without_pixels),
        *keypoints.shifted_points(records_without_pixels),
        *keypoints.shifted_boxes(records_without_pixels),
        *sides.swapped_sides(records_without_pixels),
        *keypoints.unusual_normalizers(records_without_pixels),
    )
    return tuple(sorted(findings, key=lambda finding: finding.severity != CHANGES_SCORES))
