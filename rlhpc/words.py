"""Words: how numbers of things and durations are spelled."""

from __future__ import annotations

_UNITS = {"year": 31_557_600, "day": 86_400, "hour": 3_600, "minute": 60}  # in seconds
_FROM = {"day": 96 * 3_600}  # clusters count in hours
_DIGITS_BELOW = 10  # of a unit, one decimal is told


def count(n: int, noun: str) -> str:
    """Spell a number of things: 1 result, 2,000 results."""
    return f"{n:,} {noun}{'s' * (n != 1)}"


def duration(seconds: float) -> str:
    """Spell a duration: 45 seconds, 90 minutes, 2.5 hours, 72 hours, 5 days.

    In the largest unit that it is twice as long as, or exactly as long; days from four on.
    """
    for unit, length in _UNITS.items():
        if seconds >= _FROM.get(unit, 2 * length) or (seconds == length and unit not in _FROM):
            return _spell(seconds / length, unit)
    return _spell(seconds, "second") if seconds >= 1 else "less than a second"


def _spell(n: float, unit: str) -> str:
    rounded = round(n, 1) if n < _DIGITS_BELOW else round(n)
    return f"{rounded:,.1f}".removesuffix(".0") + f" {unit}{'s' * (rounded != 1)}"
