"""A reduction: how pickle is told to save an object: how to make it, with which arguments, its state, and who sets the state."""

from typing import Any

Reduction = tuple[Any, ...]


def bare(kind: Any) -> Any:
    """Make an object without initialising it."""
    return kind.__new__(kind)
