"""What a supervisor tells: while it works, and in the end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from rlhpc.records import Training


class Listener(Protocol):
    """What a supervisor tells while it works."""

    def started(self, training: Training, attempt: int, timesteps: int) -> None:
        """Hear that an attempt has begun, from a checkpoint at some agent steps; 0 without one."""

    def stored(self, training: Training) -> None:
        """Hear that a result is stored."""

    def failed(self, training: Training, reason: str, *, will_retry: bool) -> None:
        """Hear that an attempt has ended without a result."""

    def said(self, training: Training, sentence: str) -> None:
        """Hear something else that a user should know of a training."""

    def stopping(self, n_running: int, seconds: float) -> None:
        """Hear that what runs is told to save and leave, within some seconds."""


@dataclass
class Outcome:
    """What became of a node's trainings.

    Attributes
    ----------
    stored : list of Training
    failed : list of (Training, str)
        With the reason of the last attempt.
    stopped : list of Training
        To be continued: the supervisor was told to stop.
    elsewhere : list of (Training, str)
        In the hands of another supervisor that lives, which is named.
    """

    stored: list[Training] = field(default_factory=list)
    failed: list[tuple[Training, str]] = field(default_factory=list)
    stopped: list[Training] = field(default_factory=list)
    elsewhere: list[tuple[Training, str]] = field(default_factory=list)


def describe(outcome: Outcome) -> dict[str, Any]:
    """Put an outcome into words that JSON knows."""
    return {
        "stored": [training.name for training in outcome.stored],
        "failed": [{"training": training.name, "reason": reason} for training, reason in outcome.failed],
        "stopped": [training.name for training in outcome.stopped],
        "elsewhere": [{"training": training.name, "holder": holder} for training, holder in outcome.elsewhere],
    }
