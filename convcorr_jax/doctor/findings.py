"""The results of checks."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

Severity = Literal["changes scores", "worth a look"]
CHANGES_SCORES: Severity = "changes scores"
"""The fault makes a score on these data wrong."""
WORTH_A_LOOK: Severity = "worth a look"
"""The fault may be harmless; a person should decide."""


class Case(NamedTuple):
    """One occurrence of a finding: an object, or objects that belong together, and what was observed."""

    source_ids: tuple[str, ...]
    note: str = ""


class Finding(NamedTuple):
    """One fault of a data set in one sentence, with its cases; the clearest first, if a number measures it."""

    check: str
    severity: Severity
    sentence: str
    cases: tuple[Case, ...] = ()

    @property
    def source_ids(self) -> tuple[str, ...]:
        """Ids of all objects concerned, each once."""
        return tuple(dict.fromkeys(source_id for case in self.cases for source_id in case.source_ids))


def changes_scores(findings: Iterable[Finding]) -> bool:
    """Return whether one of the findings has the severity `CHANGES_SCORES`."""
    return any(finding.severity == CHANGES_SCORES for finding in findings)


def report_cases(
    check: str, severity: Severity, sentence: str, cases: Sequence[Case], *, noun: str = "record"
) -> Iterator[Finding]:
    """Yield a finding if there are cases; ``{}`` in the sentence is replaced by their number with its noun."""
    if cases:
        yield Finding(check, severity, sentence.format(format_count(len(cases), noun)), tuple(cases))


def format_count(count: int, noun: str) -> str:
    """Format a number with its noun.

    >>> format_count(1, "image"), format_count(20, "image")
    ('1 image', '20 images')
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
