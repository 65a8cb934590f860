"""Counting: what is twice, what is missing, what is empty."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from convcorr_jax.datasets.records import Absent, Record
from convcorr_jax.doctor.findings import CHANGES_SCORES, WORTH_A_LOOK, Case, Finding, counted


def repeated_ids(records: Sequence[Record]) -> Iterator[Finding]:
    """Source ids that several records have."""
    times = Counter(record.source_id for record in records)
    cases = [Case((name,), f"{count} times") for name, count in times.items() if count > 1]
    if cases:
        sentence = f"Several records share {counted(len(cases), 'source id')}."
        yield Finding("repeated ids", CHANGES_SCORES, sentence, tuple(cases))


def wrong_counts(records: Sequence[Record], official: Mapping[str, int]) -> Iterator[Finding]:
    """Splits with another number of records than they have officially."""
    here = Counter(record.split for record in records)
    for split, expected in official.items():
        if here[split] != expected:
            sentence = (
                f"Split {split!r} has {counted(here[split], 'record')}; officially {expected:,}."
            )
            yield Finding("official counts", CHANGES_SCORES, sentence)


def absences(absent: Sequence[Absent]) -> Iterator[Finding]:
    """Annotations that made no record, each with its reason."""
    if absent:
        sentence = f"{counted(len(absent), 'annotation')} made no record."
        cases = tuple(Case((name,), reason) for name, reason in absent)
        yield Finding("absent annotations", WORTH_A_LOOK, sentence, cases)


def empty(records: Sequence[Record]) -> Iterator[Finding]:
    """A data set without records; categories that a split lacks; keypoints that no record of a category has."""
    if not records:
        yield Finding("empty", CHANGES_SCORES, "There are no records.")
    here = {(record.category, record.split) for record in records}
    categories, splits = ({pair[axis]: None for pair in sorted(here)} for axis in (0, 1))
    for split in splits:
        lacking = [category for category in categories if (category, split) not in here]
        if lacking:
            sentence = f"Split {split!r} has no records of {', '.join(map(repr, lacking))}."
            yield Finding("empty categories", WORTH_A_LOOK, sentence)
    seen: dict[tuple[str, str], bool] = defaultdict(bool)
    for record in records:
        present = ~np.isnan(record.points[:, 0])
        for name, there in zip(record.names, present.tolist(), strict=True):
            seen[record.category, name] |= there
    never = [f"{category}: {name}" for (category, name), there in seen.items() if not there]
    if never:
        sentence = f"No record has a position for {', '.join(never)}."
        yield Finding("empty keypoints", WORTH_A_LOOK, sentence)
