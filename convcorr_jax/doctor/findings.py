"""What a check says."""

from collections.abc import Iterable
from typing import Literal, NamedTuple

Severity = Literal["changes scores", "worth a look"]
CHANGES_SCORES: Severity = "changes scores"
WORTH_A_LOOK: Severity = "worth a look"


class Case(NamedTuple):
    """One place where a finding holds: an object, or objects that belong together."""

    source_ids: tuple[str, ...]
    note: str = ""
    """What was seen there, with its numbers."""


class Finding(NamedTuple):
    """One thing that is wrong, and everywhere it was seen."""

    check: str
    """What was looked for, such as ``"near duplicates"``."""
    severity: Severity
    sentence: str
    cases: tuple[Case, ...] = ()
    """The clearest first, where something measures it."""

    @property
    def source_ids(self) -> tuple[str, ...]:
        """The objects concerned, each once."""
        return tuple(dict.fromkeys(name for case in self.cases for name in case.source_ids))


def changes_scores(findings: Iterable[Finding]) -> bool:
    """Whether a score computed from this data would be another one without the faults."""
    return any(finding.severity == CHANGES_SCORES for finding in findings)


def counted(count: int, noun: str) -> str:
    """A number with its noun.

    >>> counted(1, "image"), counted(20, "image")
    ('1 image', '20 images')
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
