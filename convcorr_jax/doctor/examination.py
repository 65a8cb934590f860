"""All checks on one data set."""

from collections.abc import Callable, Mapping, Sequence

from convcorr_jax.datasets.records import Absent, Record
from convcorr_jax.doctor import census, duplicates, frames, lengths, missing, outside, sides
from convcorr_jax.doctor.findings import CHANGES_SCORES, Finding
from convcorr_jax.doctor.glimpses import look


def examine(
    records: Sequence[Record],
    *,
    official_counts: Mapping[str, int] | None = None,
    absent: Sequence[Absent] = (),
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Finding, ...]:
    """Everything that the checks find, what changes scores first.

    Every image is decoded once, and only a thumbnail of it is kept; records are taken in order, once.

    Args:
        records: of all splits.
        official_counts: records that each split has officially; a split named here may be missing.
        absent: annotations that made no record.
        progress: called with the number of records looked at, and of all.
    """
    annotations, glimpses = look(records, progress=progress)
    findings = (
        *duplicates.unreadable(annotations, glimpses),
        *duplicates.shared_by_splits(annotations, glimpses),
        *duplicates.exact(annotations, glimpses),
        *duplicates.near(annotations, glimpses),
        *census.repeated_ids(annotations),
        *census.wrong_counts(annotations, official_counts or {}),
        *census.absences(absent),
        *census.empty(annotations),
        *outside.image(annotations),
        *outside.box(annotations),
        *missing.repeated_places(annotations),
        *frames.shifted_points(annotations),
        *frames.shifted_boxes(annotations),
        *sides.swaps(annotations),
        *lengths.normalizers(annotations),
    )
    return tuple(sorted(findings, key=lambda finding: finding.severity != CHANGES_SCORES))
