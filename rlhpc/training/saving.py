"""Saving: when an unfinished training writes a checkpoint: on a clock, and when it is told to stop."""

from __future__ import annotations

import contextlib
import os
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, Protocol

from rlhpc.clock import utc_now
from rlhpc.errors import STOPPED
from rlhpc.records import Training
from rlhpc.training import checkpoint, machine, snapshot
from rlhpc.training.settings import TrainSettings
from rlhpc.training.stop import Stop

# A stop may have to wait for the end of a rollout. Where rollouts take longer than this, the state at the beginning of each is
# kept in memory, ready to be written. That takes 0.1 s, and so under 1 % of the time; 1 s where a replay buffer of a million
# rows is collected by whole episodes.
LONG_ROLLOUT_SECONDS = 15.0
# How long the next rollout may take is judged by the longest of so many of its kind before it: of all, those of a process that
# was paused once would have it save at every boundary for ever.
_REMEMBERED = 10
CANNOT_BE_SAVED = "This training cannot be saved"
_LONGEST_WAIT_SECONDS = 3600.0  # poll(2) knows no endless time in milliseconds
_SECONDS_TO_WRITE = 2.0  # of those that a stop grants, kept back for writing what is in memory; half of them at most


class Stopped(Exception):  # noqa: N818  # no error: the training was told to stop, and is saved
    """End a training that was told to stop."""


class Unfinished(Protocol):
    """The state of a training that can be saved where a rollout begins."""

    resumes: list[Mapping[str, Any]]
    learned: bool

    @property
    def timesteps(self) -> int:
        """Agent steps made."""


class Saver:
    """Save one training, and continue it.

    Parameters
    ----------
    training : Training
    folder : Path
        The training's folder.
    settings : TrainSettings
    attempt : int
    say : callable
        Told, in a sentence, what a user should know: a damaged checkpoint, a training that cannot be saved.
    before_leaving : callable, optional
        Told, as the last thing, that this process leaves in the middle of a rollout, with what kept it from saving, if anything.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # what a child has
        self,
        training: Training,
        folder: Path,
        settings: TrainSettings,
        attempt: int,
        say: Callable[[str], None],
        before_leaving: Callable[[Exception | None], None] = lambda fault: traceback.print_exception(fault) if fault else None,
    ) -> None:
        self._stop = Stop()
        self._training = training
        self._checkpoints = checkpoint.Checkpoints(folder)
        self._interval_seconds = settings.checkpoint_minutes * 60
        self._device_kind = settings.device
        self._attempt = attempt
        self._say = say
        self._before_leaving = before_leaving
        self._saved = (0, False)  # timesteps and learned of the newest checkpoint
        self._saved_at = self._boundary_at = time.monotonic()
        self._may_be_long = False  # of the rollout that is under way
        self._seconds = {kind: deque[float](maxlen=_REMEMBERED) for kind in (False, True)}  # by whether it might have been long
        self._in_memory: tuple[checkpoint.Header, bytes] | None = None
        self._writing = threading.Lock()
        self._can_be_saved = True
        # Started here and not by a request: a signal handler may interrupt whoever holds the locks that a start needs.
        threading.Thread(target=self._leave_in_time, daemon=True).start()

    def resume(self) -> Any | None:
        """Return the state of the newest checkpoint, the random generators set; None if there is none.

        Raises
        ------
        ForeignCheckpointError
            If it is of another training, or was made with other packages or on another kind of device.
        """
        device = self._device

        def fits(path: Path, header: checkpoint.Header) -> None:
            checkpoint.refuse_foreign(path, header, self._training, self._versions, device["type"])

        self._checkpoints.sweep()
        found = self._checkpoints.read(fits, snapshot.load, self._say)
        self._saved_at = self._boundary_at = time.monotonic()
        if found is None:
            return None
        header, state = found
        self._saved = (header.timesteps, header.learned)
        differs = {name: [header.device.get(name), device[name]] for name in machine.ROUNDING}
        record = {
            "timesteps": header.timesteps,
            "attempt": self._attempt,
            "at": utc_now(),
            "host": device["host"],
            "differs": {name: values for name, values in differs.items() if values[0] != values[1]},
        }
        state.resumes.append(record)
        print(f"continues from its checkpoint at {header.timesteps:,} agent steps")
        return state

    def at_boundary(self, state: Unfinished, *, may_be_long: bool = False) -> None:
        """Save if it is time to; call it where a rollout begins, with whether it may be much longer than others.

        It is time when the next boundary would come after the end of the interval, if it is as far away as the farthest of its
        kind lately. So a kill at any instant costs one interval at most, or one rollout, if that is longer; and where a rollout
        takes longer than those of its kind before it, up to as much more.

        Raises
        ------
        Stopped
            If the training was told to stop; it is saved then.
        """
        now = time.monotonic()
        self._seconds[self._may_be_long].append(now - self._boundary_at)
        self._boundary_at, self._may_be_long = now, may_be_long
        rollout_seconds = max(self._seconds[may_be_long], default=0.0)
        if self._stop.requested:
            self._save(state)
            raise Stopped
        if now - self._saved_at + rollout_seconds >= self._interval_seconds:
            self._save(state)
        elif may_be_long or rollout_seconds > LONG_ROLLOUT_SECONDS:
            self._keep_in_memory(state)

    def after_learning(self, state: Unfinished) -> None:
        """Save the trained agent, before it is evaluated."""
        self._save(state)

    def request_stop(self, seconds: float) -> None:
        """Have the training leave within some seconds, saved; may be called from any thread or signal handler, and again.

        At the next boundary it is saved and leaves. If none comes in time, what is in memory is written, if anything is; else
        the last checkpoint is what it continues from.
        """
        self._stop.request(seconds - min(_SECONDS_TO_WRITE, seconds / 2))

    def _leave_in_time(self) -> None:
        while (left := self._stop.deadline - time.monotonic()) > 0:
            wait([self._stop.fileno()], min(left, _LONGEST_WAIT_SECONDS))  # a request, which may only shorten the time, wakes it
            self._stop.hear()
        try:
            self._before_leaving(self._fault_of_writing())
        finally:
            os._exit(STOPPED)

    def _fault_of_writing(self) -> Exception | None:
        """Write what is in memory, if it is newer than what is on the disk; return what has prevented that."""
        try:
            with self._writing:
                if self._in_memory is not None and self._in_memory[0].timesteps > self._saved[0]:
                    self._checkpoints.write_encoded(*self._in_memory)
        except Exception as error:  # noqa: BLE001  # it is told
            return error
        return None

    def _save(self, state: Unfinished) -> None:
        """Write a checkpoint, unless the newest one says the same."""
        if self._can_be_saved and self._saved != (state.timesteps, state.learned):
            with self._writing, self._telling_what_cannot_be_saved():
                self._checkpoints.write(self._header(state), lambda stream: snapshot.dump(state, stream))
                self._saved = (state.timesteps, state.learned)
        self._in_memory = None
        self._saved_at = time.monotonic()

    def _keep_in_memory(self, state: Unfinished) -> None:
        if self._can_be_saved:
            with self._telling_what_cannot_be_saved():
                header = self._header(state)
                self._in_memory = header, checkpoint.encode(header, lambda stream: snapshot.dump(state, stream))

    @contextlib.contextmanager
    def _telling_what_cannot_be_saved(self) -> Iterator[None]:
        """Go on without checkpoints where the state cannot be pickled: a training that may be lost is better than none."""
        try:
            yield
        except snapshot.UnsavableError as error:
            self._can_be_saved = False
            traceback.print_exc()
            self._say(
                f"{CANNOT_BE_SAVED} ({error}); if it is stopped, it begins anew. Its log says which object it was. An environment"
                " can be saved where pickle.dumps(env) works and brings back all of its state."
            )

    def _header(self, state: Unfinished) -> checkpoint.Header:
        return checkpoint.Header(
            self._training, state.timesteps, state.learned, self._attempt, versions=self._versions, device=self._device
        )

    @cached_property
    def _device(self) -> dict[str, Any]:
        return machine.device(machine.device_kind(self._device_kind))

    @cached_property
    def _versions(self) -> dict[str, str]:
        return machine.versions()
