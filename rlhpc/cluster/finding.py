"""Findings: what a check of a site found, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

_MINUTES_PER_HOUR = 60


class Severity(StrEnum):
    """How bad a finding is, the worst first."""

    REFUSED = "refused"
    WARNING = "warning"
    NOTE = "note"
    GOOD = "good"


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes
    ----------
    name : str
        Of the check; it stays the same from version to version.
    severity : Severity
        REFUSED: the launch cannot work.
    what : str
        What there is and, unless it is good, what will go wrong; one sentence.
    remedy : str
        What to do, with the key or command; blank where nothing is to be done.
    """

    name: str
    severity: Severity
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.what} {self.remedy}".rstrip()


def duration(minutes: float) -> str:
    """Spell a duration for a reader: ``90 minutes``, ``24 hours``."""
    hours = minutes / _MINUTES_PER_HOUR
    if minutes < 2 * _MINUTES_PER_HOUR:
        return f"{minutes:g} minute{'' if minutes == 1 else 's'}"
    return f"{hours:.0f} hours" if hours == round(hours) or hours >= 10 else f"{hours:.1f} hours"
