"""The progress of a training that runs: a small file that it renews, and loses when its result is stored."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from rlhpc.files import TEMPORARY_SUFFIX, write_json

PROGRESS = "progress.json"


class Phase(StrEnum):
    """What a training is busy with."""

    LEARNING = "learning"
    EVALUATING = "evaluating"  # of the random agent: all it does


@dataclass(frozen=True)
class Progress:
    """How far a training was at some time.

    Attributes
    ----------
    attempt : int
    timesteps : int
        Agent steps made, over all attempts and parallel environments.
    total_timesteps : int
        Budget; 0 for the random agent.
    may_end_early : bool
        Whether a rule may end it before its budget is used up.
    phase : Phase
    steps_per_second : float or None
        Of this attempt, over the last minutes; None while it is too young to tell.
    at, started_at : str
        When this was written, and when the attempt began; ISO 8601, UTC.
    gpu : str or None
        As ``CUDA_VISIBLE_DEVICES`` of its supervisor names it; None where nobody said which.
    host : str
    job : str
        As in `Holder`.
    """

    attempt: int
    timesteps: int
    total_timesteps: int
    may_end_early: bool
    phase: Phase
    steps_per_second: float | None
    at: str
    started_at: str
    gpu: str | None
    host: str
    job: str

    @property
    def percent(self) -> float | None:
        """How much of the budget is used up; None where there is no budget. The last rollout may go beyond it."""
        return min(100 * self.timesteps / self.total_timesteps, 100.0) if self.total_timesteps else None


_TYPES = {"attempt": int, "timesteps": int, "total_timesteps": int, "at": str, "started_at": str, "host": str, "job": str}


def write(folder: Path, progress: Progress) -> None:
    """Write the progress of the training whose folder it is; not durably, since it is written again soon.

    Raises
    ------
    OSError
    """
    write_json(folder / PROGRESS, dataclasses.asdict(progress), durable=False)


def read(folder: Path) -> tuple[Progress, float] | None:
    """Read the progress of a training, and when it was written by the clock of the file system; None if there is no sound one."""
    try:
        with (folder / PROGRESS).open("rb") as stream:
            written_at = os.fstat(stream.fileno()).st_mtime
            fields = json.loads(stream.read())
        progress = Progress(**{**fields, "phase": Phase(fields["phase"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None
    rate = progress.steps_per_second
    is_sound = all(type(fields[name]) is kind for name, kind in _TYPES.items()) and (rate is None or type(rate) in {int, float})
    return (progress, written_at) if is_sound else None


def remove(folder: Path) -> None:
    """Remove the progress of a training, and what killed writers of it left; what cannot be removed says nothing wrong."""
    with contextlib.suppress(OSError):
        for path in [folder / PROGRESS, *folder.glob(f".{PROGRESS}.*{TEMPORARY_SUFFIX}")]:
            path.unlink(missing_ok=True)
