"""Words: how numbers of things are spelled."""

from __future__ import annotations


def count(n: int, noun: str) -> str:
    """Spell a number of things: 1 result, 2 results."""
    return f"{n} {noun}{'s' * (n != 1)}"
