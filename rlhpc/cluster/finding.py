"""Findings: what a check of a site found, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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
