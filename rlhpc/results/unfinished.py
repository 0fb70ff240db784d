"""How far a training without a result is."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

from rlhpc.files import is_set_aside, is_temporary
from rlhpc.results import progress
from rlhpc.results.holder import Holder, known_to_live, this_process
from rlhpc.results.lease import EXPIRY_SECONDS, read_lease
from rlhpc.results.progress import Progress
from rlhpc.results.store import CHECKPOINT, read_attempts
from rlhpc.words import count


class RecordState(StrEnum):
    """What a training of a grid is, as its folder shows."""

    STORED = "stored"  # its result verifies and belongs to its folder
    DAMAGED = "damaged"  # there is a result, or something in its place, that does not
    FAILED = "failed"  # no result, and the last attempt failed and was not to be followed by another
    RUNNING = "running"  # no result, and a supervisor holds it, or was killed a moment ago
    STOPPED = "stopped"  # no result, but a checkpoint that it continues from
    BEGUN = "begun"  # a folder and nothing to continue from
    NEVER_BEGUN = "never_begun"  # no folder


def how_far(folder: Path) -> tuple[RecordState, str]:
    """Tell how far a training without a result is: its state, and why it is no further."""
    inside = [path.name for path in folder.iterdir() if not is_temporary(path.name) and not is_set_aside(path.name)]
    attempts = read_attempts(folder)
    last = [attempts[-1]["reason"]] if attempts else []
    holder = _holder(folder)
    if holder is not None:  # also after a failure: the next attempt
        return RecordState.RUNNING, "; before: ".join([f"running, or left by a killed supervisor: {holder}", *last])
    if has_given_up(attempts):
        n_failures = sum(not attempt.get("forgiven") for attempt in attempts)
        return RecordState.FAILED, f"{last[0]} ({count(n_failures, 'attempt')})"
    if any(name.startswith(CHECKPOINT) for name in inside):
        return RecordState.STOPPED, "; ".join([*last, "it will continue from its checkpoint"])
    return RecordState.BEGUN, "; ".join([*last, "no checkpoint is there: it will begin anew"])


def _holder(folder: Path) -> Holder | None:
    """Return who holds the lease of a training; None if nobody does, or one that has ended or whose lease has expired."""
    lease = read_lease(folder)
    if lease is None:
        return None
    holder, renewed_at = lease
    lives = known_to_live(holder, this_process())
    if lives is None and renewed_at is not None:
        told = progress.read(folder)
        offset = (clock_offset(*told) if told else None) or 0.0
        # The offset is ours too if the file system's clock is off, and not if that machine's is. So it counts only where it makes
        # the lease younger: a dead holder that is believed to live for a while does less harm than the reverse.
        lives = time.time() + min(offset, 0.0) - renewed_at < EXPIRY_SECONDS
    return None if lives is False else holder


def clock_offset(told: Progress, written_at: float) -> float | None:
    """Return the seconds by which the file system's clock is ahead of that of a training's machine; None if it was edited.

    Parameters
    ----------
    told : Progress
        Which holds the time by that machine's clock.
    written_at : float
        When it was written by the file system's; seconds since the epoch.
    """
    try:
        return written_at - dt.datetime.fromisoformat(told.at).timestamp()
    except ValueError:
        return None


def has_given_up(attempts: Sequence[Mapping[str, Any]], since: str = "") -> bool:
    """Tell whether a training failed for good: its last ending was its own fault, and was not to be tried again.

    Records of earlier versions do not say whether a try was left; there an own fault counts as the last one.

    Parameters
    ----------
    attempts : sequence of mapping
        From `read_attempts`.
    since : str
        ISO 8601; a failure before then does not count: the training was launched again.
    """
    if not attempts or attempts[-1].get("forgiven") or attempts[-1].get("will_retry", False):
        return False
    try:
        return not since or dt.datetime.fromisoformat(str(attempts[-1].get("at"))) >= dt.datetime.fromisoformat(since)
    except (ValueError, TypeError):  # not recorded, or edited
        return False
