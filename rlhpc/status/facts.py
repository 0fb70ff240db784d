"""Facts: what the folder of one training tells, as it lies there now."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlhpc.errors import DamagedResultError
from rlhpc.files import is_set_aside, is_temporary
from rlhpc.records import Training
from rlhpc.results import progress
from rlhpc.results.holder import Holder, known_to_live, this_process
from rlhpc.results.lease import EXPIRY_SECONDS, LEASE, read_lease
from rlhpc.results.progress import PROGRESS, Progress
from rlhpc.results.store import ATTEMPTS, CHECKPOINT, RESULT, Store, read_attempts


@dataclass(frozen=True)
class Facts:
    """What the folder of one training tells.

    Attributes
    ----------
    name : str
    folder : Path
    is_stored : bool
        Whether its result verifies; then nothing else is looked at.
    damage : str
        What is wrong with its result or folder; blank if nothing is.
    has_begun : bool
        Whether it has a folder.
    checkpoint : int or None
        Agent steps of the newest checkpoint.
    attempts : sequence of mapping
        Those that left no result, oldest first.
    progress : Progress or None
    progress_at, lease_at : float or None
        When they were renewed; seconds since the epoch, by the clock of the file system.
    holder : Holder or None
        Who holds its lease; None if nobody does, or a process of this machine that has ended.
    is_known_to_live : bool
        Whether that is a process of this machine that lives, or one whose lease we have seen to be renewed, not long ago.
    """

    name: str
    folder: Path
    is_stored: bool = False
    damage: str = ""
    has_begun: bool = False
    checkpoint: int | None = None
    attempts: Sequence[Mapping[str, Any]] = ()
    progress: Progress | None = None
    progress_at: float | None = None
    lease_at: float | None = None
    holder: Holder | None = None
    is_known_to_live: bool = False

    def quiet_seconds(self, file_system_now: float) -> float | None:
        """Return for how long its lease was not renewed, by the clock of the file system; None where that is not known."""
        return None if self.lease_at is None else file_system_now - self.lease_at

    def is_held(self, file_system_now: float) -> bool:
        """Tell whether a supervisor that lives works on it: one that is known to, or has renewed its lease not long ago."""
        quiet = self.quiet_seconds(file_system_now)
        return self.holder is not None and (self.is_known_to_live or (quiet is not None and quiet < EXPIRY_SECONDS))


@dataclass(frozen=True)
class _Beats:
    """The newest lease of a training that we have seen, and when it was last seen to be renewed, in monotonic seconds."""

    lease: tuple[Holder, float | None]
    renewed_at: float | None = None


class Reader:
    """Read facts, again and again; a result that has been verified is not read again while its file is the same.

    Parameters
    ----------
    store : Store
    quiet_seconds : float
        A lease that was seen to be renewed within this time is that of a living holder, whatever any clock says.
    """

    def __init__(self, store: Store, quiet_seconds: float) -> None:
        self._store = store
        self._quiet_seconds = quiet_seconds
        self._here = this_process()
        self._verified: dict[str, tuple[int, int, int]] = {}  # training -> its result's file
        self._beats: dict[str, _Beats] = {}

    def read(self, training: Training) -> Facts:
        """Read the facts of one training."""
        folder = self._store.folder(training)
        try:
            if self._is_stored(training, folder / RESULT):
                return Facts(training.name, folder, is_stored=True, has_begun=True)
            return self._unfinished(training.name, folder)
        except DamagedResultError as error:
            return Facts(training.name, folder, damage=str(error), has_begun=True)
        except FileNotFoundError:
            return Facts(training.name, folder)
        except OSError as error:
            return Facts(training.name, folder, damage=f"the folder '{folder}' cannot be read: {error.strerror or error}")

    def _is_stored(self, training: Training, path: Path) -> bool:
        """Tell whether a result is stored and verifies."""
        try:
            status = os.stat(path)  # noqa: PTH116  # a third of the time of Path.stat, ten thousand times
        except OSError:  # none, or one of which reading will tell what is wrong
            return self._store.read(training) is not None
        file = (status.st_ino, status.st_mtime_ns, status.st_size)
        if self._verified.get(training.name) == file:
            return True
        if self._store.read(training) is None:
            return False
        self._verified[training.name] = file
        return True

    def _unfinished(self, name: str, folder: Path) -> Facts:
        """Read all that a folder without a result tells."""
        inside = set(os.listdir(folder))  # noqa: PTH208  # names alone are enough
        checkpoints = [
            each for each in inside if each.startswith(CHECKPOINT) and not is_set_aside(each) and not is_temporary(each)
        ]
        told = progress.read(folder) if PROGRESS in inside else None
        lease = read_lease(folder) if LEASE in inside else None
        lives = known_to_live(lease[0], self._here) if lease else False
        if lease and lives is None:
            lives = self._has_been_renewed(name, lease) or None
        return Facts(
            name,
            folder,
            has_begun=True,
            checkpoint=max(map(_timesteps, checkpoints), default=None),
            attempts=read_attempts(folder) if ATTEMPTS in inside else (),
            progress=told[0] if told else None,
            progress_at=told[1] if told else None,
            lease_at=lease[1] if lease else None,
            holder=lease[0] if lease and lives is not False else None,
            is_known_to_live=lives is True,
        )

    def _has_been_renewed(self, name: str, lease: tuple[Holder, float | None]) -> bool:
        """Tell whether a lease has changed between two of our looks, the last time not long ago."""
        now, before = time.monotonic(), self._beats.get(name)
        if before is None or before.lease != lease:
            self._beats[name] = _Beats(lease, None if before is None else now)
        renewed_at = self._beats[name].renewed_at
        return renewed_at is not None and now - renewed_at < self._quiet_seconds


def _timesteps(checkpoint: str) -> int:
    """Return the agent steps that a checkpoint's name tells; 0 where somebody has given it another name."""
    digits = checkpoint.removeprefix(CHECKPOINT)
    return int(digits) if digits.isdecimal() else 0
