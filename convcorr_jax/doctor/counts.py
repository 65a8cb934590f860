"""Checks that count records: repeated ids, wrong numbers of records, and empty splits or keypoints."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from convcorr_jax.datasets.records import Absent, Record
from convcorr_jax.doctor.findings import CHANGES_SCORES, WORTH_A_LOOK, Case, Finding, counted


def repeated_ids(records: Sequence[Record]) -> Iterator[Finding]:
    """Find source ids that several records share."""
    occurrences = Counter(record.source_id for record in records)
    cases = [
        Case((source_id,), f"{count} times")
        for source_id, count in occurrences.items()
        if count > 1
    ]
    if cases:
        sentence = f"Several records share {counted(len(cases), 'source id')}."
        yield Finding("repeated ids", CHANGES_SCORES, sentence, tuple(cases))


def wrong_counts(records: Sequence[Record], official: Mapping[str, int]) -> Iterator[Finding]:
    """Find splits whose number of records differs from the official number.

    Args:
        records: records of all splits.
        official: the official number of records by split.
    """
    counts = Counter(record.split for record in records)
    for split, expected in official.items():
        if counts[split] != expected:
            sentence = (
                f"Split {split!r} has {counted(counts[split], 'record')}; officially {expected:,}."
            )
            yield Finding("official counts", CHANGES_SCORES, sentence)


def skipped_annotations(absent: Sequence[Absent]) -> Iterator[Finding]:
    """List annotations that could not be turned into records, each with its reason."""
    if absent:
        sentence = f"{counted(len(absent), 'annotation')} could not be turned into a record."
        cases = tuple(Case((source_id,), reason) for source_id, reason in absent)
        yield Finding("absent annotations", WORTH_A_LOOK, sentence, cases)


def empty(records: Sequence[Record]) -> Iterator[Finding]:
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
