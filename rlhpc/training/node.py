"""The supervisor of one node: one process a training, places refilled, failures retried, none of them ending another.

Whatever is done to it, a training is lost by at most the time since its last checkpoint: it is stored once, or it is continued
by the next supervisor of the same plan.
"""

from __future__ import annotations

import contextlib
import os
import platform
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import Any

from rlhpc.clock import utc_now
from rlhpc.errors import DamagedResultError, RlhpcError, StorageError
from rlhpc.files import is_storage_error, try_writing
from rlhpc.records import Training
from rlhpc.results import progress
from rlhpc.results.holder import Holder
from rlhpc.results.lease import CLAIM, EXPIRY_SECONDS, HEARTBEAT_SECONDS, LEASE, Leases, Standing
from rlhpc.results.store import Store
from rlhpc.training.checkpoint import Checkpoints
from rlhpc.training.child import OUTPUT_LOG, Attempt
from rlhpc.training.endings import Ending, Kind
from rlhpc.training.gpu_sharing import GpuSharing
from rlhpc.training.outcome import Listener, Outcome
from rlhpc.training.places import FreePlaces, Place
from rlhpc.training.process import AttemptProcess, preload_of
from rlhpc.training.settings import TrainSettings
from rlhpc.training.stop import Stop

MAX_TRIES = 2  # a training that fails is tried once more, then recorded as failed
MAX_INTERRUPTIONS = 10  # so often is it tried again after an ending that was not its fault
MAX_SHARED_GPU_FAULTS = 2  # a fault of a GPU ends all trainings on it, and none can be blamed; after so many it runs alone
POLL_SECONDS = 2.0  # between looks at trainings that another supervisor holds
_LEAST_ROOM_BYTES = 1 << 26  # on the disk; with less, no training gets far
_SECONDS_TO_LEAVE = 3.0  # beyond those that a stop grants, before children are killed
# One thread for every library that would otherwise start one per core in each training.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1")


@dataclass
class _Ticket:
    """A training that waits or runs, and what it may still be granted in this launch."""

    training: Training
    tries_left: int = MAX_TRIES
    interruptions_left: int = MAX_INTERRUPTIONS
    n_shared_gpu_faults: int = 0
    holder: Holder | None = None  # another supervisor that lives, in whose hands it is
    look_again_at: float = 0.0  # of time.monotonic
    was_told: bool = False  # that it has to wait

    @property
    def runs_alone(self) -> bool:
        """Whether it must have a GPU for itself."""
        return self.n_shared_gpu_faults >= MAX_SHARED_GPU_FAULTS


@dataclass(frozen=True)
class _Child:
    """A running attempt."""

    ticket: _Ticket
    attempt: Attempt
    process: AttemptProcess
    places: list[Place]  # that become free with its end; several for one that runs alone


def supervise(  # noqa: PLR0913  # what to do, where, and how it is told
    trainings: Iterable[Training],
    free: Sequence[Place],
    store: Store,
    settings: TrainSettings,
    listener: Listener,
    *,
    stop: Stop | None = None,
    sharing: GpuSharing | None = None,
) -> Outcome:
    """Carry out trainings, each in a process of its own, from its last checkpoint if it has one.

    Parameters
    ----------
    trainings : iterable of Training
        Started in this order; those stored already are passed over, those that another supervisor holds are left to it.
    free : sequence of Place
        From `places`; as many trainings run at once as there are places.
    store : Store
    settings : TrainSettings
    listener : Listener
    stop : Stop, optional
        By which the supervisor can be told to stop: every training saves and leaves, within the time that the request grants.
    sharing : GpuSharing, optional
        How trainings of one GPU share it; else in turn.

    Returns
    -------
    Outcome

    Raises
    ------
    StorageError
        If results can no longer be written; what is stored is intact, and the others continue from their checkpoints.
    RlhpcError
        If no process can be started.
    """
    os.environ.update(_ONE_THREAD)
    with contextlib.nullcontext(stop) if stop is not None else contextlib.closing(Stop()) as heard:
        supervisor = _Supervisor(trainings, free, store, settings, listener, heard, sharing or GpuSharing())
        try:
            supervisor.work()
            supervisor.stop_children()
            supervisor.leave_the_rest()
        finally:
            supervisor.end_children()
    if supervisor.fault is not None:
        raise supervisor.fault
    return supervisor.outcome


def tidy(store: Store, training: Training) -> None:
    """Remove what a supervisor that was killed has left beside a stored result."""
    folder = store.folder(training)
    Checkpoints(folder).clear()
    progress.remove(folder)
    for name in (LEASE, CLAIM):  # of a training that is stored it says nothing more
        with contextlib.suppress(OSError):
            (folder / name).unlink()


class _Supervisor:
    """The state of `supervise`."""

    def __init__(  # noqa: PLR0913, PLR0917  # what `supervise` is given
        self,
        trainings: Iterable[Training],
        free: Sequence[Place],
        store: Store,
        settings: TrainSettings,
        listener: Listener,
        stop: Stop,
        sharing: GpuSharing,
    ) -> None:
        self.outcome = Outcome()
        self.fault: RlhpcError | None = None  # why no training can go on
        self._waiting = deque(_Ticket(training) for training in trainings)
        n_cores = len(os.sched_getaffinity(0))
        self._preload = preload_of([ticket.training for ticket in self._waiting], n_at_once=len(free), n_cores=n_cores)
        self._free = FreePlaces(free)
        self._running: list[_Child] = []
        self._store = store
        self._settings = settings
        self._listener = listener
        self._stop = stop
        self._sharing = sharing
        self._leases = Leases()
        self._next_beat = time.monotonic() + HEARTBEAT_SECONDS

    # --- the loop ---------------------------------------------------------------------------------------------------------

    def work(self) -> None:
        """Work until nothing is left to do here, a stop is requested, or the storage fails."""
        while not self._is_to_stop():
            self._fill_places()
            if not self._running and all(ticket.holder for ticket in self._waiting):
                break  # of what waits, if anything does, another supervisor takes care
            self._listen(POLL_SECONDS if self._free and self._waiting else HEARTBEAT_SECONDS)

    def leave_the_rest(self) -> None:
        """Account for what still waits when the work is over."""
        for ticket in self._waiting:
            if ticket.holder is not None:
                self.outcome.elsewhere.append((ticket.training, str(ticket.holder)))
            else:
                self.outcome.stopped.append(ticket.training)

    def _is_to_stop(self) -> bool:
        return self._stop.requested or self.fault is not None

    def _fill_places(self) -> None:
        """Start as many of the waiting trainings as there are places, in their order; pass over what cannot be started now."""
        passed_over: list[_Ticket] = []
        while self._waiting and self._free and not self._is_to_stop():
            ticket = self._waiting.popleft()
            try:
                is_settled = self._is_due(ticket) and self._settle(ticket)
            except DamagedResultError as error:  # it would be trained for nothing
                self._fail(ticket.training, str(error))
            except OSError as error:  # of one training: the others go on
                self._note(error)
                if self._may_wait_for_its_folder(ticket, error):
                    passed_over.append(ticket)
            else:
                if not is_settled:
                    passed_over.append(ticket)
        self._waiting.extendleft(reversed(passed_over))

    def _may_wait_for_its_folder(self, ticket: _Ticket, error: OSError) -> bool:
        """Record that the folder of a training cannot be used; tell whether that may pass, and is to be tried again later."""
        is_passing = is_storage_error(error)
        ending = Ending(Kind.STORAGE if is_passing else Kind.EXCEPTION, f"its folder cannot be used: {error}")
        will_retry = is_passing and self._charge(ticket, ending)
        number = 0
        with contextlib.suppress(OSError):
            number = self._store.last_attempt(ticket.training) + 1
        reason = ending.reason + self._record(ticket.training, number, ending, will_retry=will_retry)
        if will_retry:
            ticket.look_again_at = time.monotonic() + HEARTBEAT_SECONDS
            self._listener.failed(ticket.training, reason, will_retry=True)
        else:
            self._fail(ticket.training, reason)
        return will_retry

    def _is_due(self, ticket: _Ticket) -> bool:
        """Tell whether to look at a training; before the end once more at those of others, whose holders may have died."""
        return time.monotonic() >= ticket.look_again_at or (ticket.holder is not None and not self._running)

    def _settle(self, ticket: _Ticket) -> bool:
        """Start a training, or find it stored; tell whether either was so."""
        training = ticket.training
        if self._store.read(training) is not None:
            tidy(self._store, training)
            self.outcome.stored.append(training)
            return True
        granted = self._free.take_gpu() if ticket.runs_alone else self._free.take()
        try:
            if granted and self._take_lease(ticket):
                if self._store.read(training) is None:
                    self._start(ticket, granted)
                    return True
                self._release(training)  # its former holder has stored it just now: it is found so next time
        except (OSError, DamagedResultError):
            self._free.give_back(granted)
            self._release(training)
            raise
        self._free.give_back(granted)
        return False

    def _take_lease(self, ticket: _Ticket) -> bool:
        """Take the lease of a training; if a dead supervisor held it, record that its attempt ended without a word."""
        training = ticket.training
        taken = self._leases.take(self._store.folder(training))
        ticket.holder = taken.holder if taken.standing is Standing.HELD else None
        if taken.standing is Standing.HELD:
            ticket.look_again_at = time.monotonic() + HEARTBEAT_SECONDS
        if taken.standing is Standing.WAIT and not ticket.was_told:
            ticket.was_told = True
            holder = taken.holder or "another supervisor"
            minutes = EXPIRY_SECONDS // 60
            self._listener.said(training, f"waits up to {minutes} minutes to see whether {holder} still works on it")
        if taken.former is not None:
            ending = Ending(Kind.LOST, f"its supervisor, {taken.former}, ended without a word")
            self._record(training, self._store.last_attempt(training) + 1, ending)
        return taken.standing is Standing.OURS

    def _start(self, ticket: _Ticket, granted: list[Place]) -> None:
        """Start an attempt."""
        number = self._store.last_attempt(ticket.training) + 1
        timesteps = 0
        with contextlib.suppress(OSError):  # it is only told
            timesteps = Checkpoints(self._store.folder(ticket.training)).timesteps()
        gpu, cores = granted[0].gpu, tuple({core for place in granted for core in place.cores})
        variables = self._sharing.variables(gpu, is_alone=ticket.runs_alone)
        attempt = Attempt(ticket.training, number, gpu, cores, variables, self._store, self._settings)
        try:
            process = AttemptProcess(attempt, self._preload)
        except ChildProcessError as error:
            self._release(ticket.training)
            self.fault = RlhpcError(
                f"{error}. What runs is stopped and saved. Allow more processes (ulimit -u), open files (ulimit -n) or memory,"
                " and launch again."
            )
            self._waiting.append(ticket)
        else:
            self._running.append(_Child(ticket, attempt, process, granted))
            self._listener.started(ticket.training, number, timesteps)

    def _listen(self, timeout: float) -> None:
        """Wait until a child ends or says something, a stop is requested, or it is time for the next beat."""
        sources = [source for child in self._running for source in child.process.sources]
        wait([*sources, self._stop.fileno()], max(min(self._next_beat - time.monotonic(), timeout), 0.0))
        self._stop.hear()
        for child in list(self._running):
            has_ended = child.process.has_ended()  # asked first, so that its last words are heard
            for sentence in child.process.hear():
                self._listener.said(child.ticket.training, sentence)
                self._record(child.ticket.training, child.attempt.number, Ending(Kind.CHECKPOINT, sentence))
            if has_ended:
                self._reap(child)
        if time.monotonic() >= self._next_beat:
            self._beat()

    def _beat(self) -> None:
        """Renew the leases; end the children whose lease another supervisor has taken over."""
        self._next_beat = time.monotonic() + HEARTBEAT_SECONDS
        try:
            lost = set(self._leases.beat())
        except OSError:  # of a file server that is away for a moment; the leases expire after several beats
            return
        for child in [child for child in self._running if self._store.folder(child.ticket.training) in lost]:
            self._end(child)
            self._waiting.append(child.ticket)

    # --- endings ----------------------------------------------------------------------------------------------------------

    def _reap(self, child: _Child) -> None:
        """Note the end of a child, and what follows from it."""
        exit_code = self._end(child)
        ticket, training = child.ticket, child.ticket.training
        if self._store.has(training):
            tidy(self._store, training)  # of a child that was killed just behind its result
            self._release(training)
            self.outcome.stored.append(training)
            self._listener.stored(training)
            return
        ending = child.process.ending()
        will_retry = self._may_try_again(child, ending)
        if ending.kind is Kind.GPU and not self._is_to_stop():
            self._sharing.mend()
            ticket.look_again_at = time.monotonic() + self._sharing.recovery_seconds
        unrecorded = self._record(training, child.attempt.number, ending, exit_code, will_retry=will_retry)
        self._release(training)
        if ending.kind is Kind.STORAGE:
            self._note_fault_of_storage(ending.reason, training)
        if self._is_to_stop():
            self.outcome.stopped.append(training)
            self._listener.said(training, ending.reason + unrecorded)
        elif will_retry:
            self._waiting.appendleft(ticket)
            self._listener.failed(training, ending.reason + unrecorded, will_retry=True)
        else:
            self._fail(training, ending.reason + unrecorded)

    def _fail(self, training: Training, reason: str) -> None:
        self.outcome.failed.append((training, reason))
        self._listener.failed(training, reason, will_retry=False)

    def _may_try_again(self, child: _Child, ending: Ending) -> bool:
        """Charge an ending to whose fault it was; tell whether the training may be tried again."""
        ticket = child.ticket
        if ending.kind is Kind.REFUSED:
            return False
        if ending.kind is Kind.GPU and not ticket.runs_alone and self._free.is_shared(child.attempt.gpu):
            ticket.n_shared_gpu_faults += 1
            return True
        will_retry = self._charge(ticket, ending)
        if ending.kind is Kind.GPU and ticket.runs_alone and not will_retry:
            self._acquit_neighbours()
        return will_retry

    def _acquit_neighbours(self) -> None:
        """Let trainings share a GPU again: who has made it fail is found."""
        for ticket in [*self._waiting, *(child.ticket for child in self._running)]:
            ticket.n_shared_gpu_faults = 0

    @staticmethod
    def _charge(ticket: _Ticket, ending: Ending) -> bool:
        """Take off an interruption or a try; tell whether one was left."""
        if ending.is_forgiven:
            ticket.interruptions_left -= 1
            return ticket.interruptions_left >= 0
        ticket.tries_left -= 1
        return ticket.tries_left > 0

    def _record(
        self, training: Training, number: int, ending: Ending, exit_code: int | None = None, *, will_retry: bool = True
    ) -> str:
        """Add to the record of a training's attempts; return what is to be said if that cannot be written.

        Tried again: here, or by the next launch if this one is told to stop before.
        """
        folder = self._store.folder(training)
        record: dict[str, Any] = {
            "attempt": number,
            "kind": ending.kind.value,
            "forgiven": ending.is_forgiven,
            "will_retry": will_retry,
            "reason": ending.reason,
            "remedy": ending.remedy,
            "exit_code": exit_code,
            "traceback": ending.traceback,
            "log": str(folder / OUTPUT_LOG),
            "at": utc_now(),
            "host": platform.node(),
        }
        try:
            record["continues_at"] = Checkpoints(folder).timesteps()
            self._store.write_attempts(training, [*self._store.read_attempts(training), record])
        except OSError as error:  # told all the same; the other trainings go on
            self._note(error)
            return f" (which could not be recorded: {error})"
        return ""

    def _note(self, error: OSError) -> None:
        """Stop if an error means that nothing can be written any more."""
        if is_storage_error(error):
            self._note_fault_of_storage(str(error))

    def _note_fault_of_storage(self, reason: str, training: Training | None = None) -> None:
        """Stop if nothing can be written any more, or not as much as a training must save: it is tried.

        One training with an error of that kind proves nothing: it may come from its environment, or lie in its folder alone.
        """
        n_bytes = _LEAST_ROOM_BYTES
        if training is not None:
            with contextlib.suppress(OSError):  # of its folder alone
                n_bytes += 2 * Checkpoints(self._store.folder(training)).largest()
        try:
            try_writing(self._store.root, n_bytes)
        except OSError:
            self.fault = self.fault or StorageError(
                f"results can no longer be written to '{self._store.root}': {reason}. What is stored is intact, and the other"
                " trainings wait at their last checkpoints. Free space, or mend the file system, and launch again."
            )

    def _end(self, child: _Child) -> int | None:
        """Make sure that a child has ended, free what it held, and return its exit code."""
        exit_code = child.process.end()
        self._running.remove(child)
        self._free.give_back(child.places)
        return exit_code

    def _release(self, training: Training) -> None:
        """Let go of a training, when all is recorded that another supervisor could write over."""
        with contextlib.suppress(OSError):  # on a broken file system it expires
            self._leases.release(self._store.folder(training))

    # --- stopping ---------------------------------------------------------------------------------------------------------

    def stop_children(self) -> None:
        """Have every child save and leave; kill those that do not leave in time. After an ordinary end there is none."""
        if self.fault is not None:
            self._stop.request(self._settings.stop_seconds)
        told = float("inf")
        if self._running:
            self._listener.stopping(len(self._running), max(self._stop.deadline - time.monotonic(), 0.0))
        while self._running and time.monotonic() < self._stop.deadline + _SECONDS_TO_LEAVE:
            if self._stop.deadline < told:
                told = self._stop.deadline
                for child in self._running:
                    child.process.tell_to_stop(max(told - time.monotonic(), 0.0))
            self._listen(self._stop.deadline + _SECONDS_TO_LEAVE - time.monotonic())
        for child in list(self._running):
            exit_code = self._end(child)
            ending = Ending(Kind.STOPPED, "told to stop, and killed because it did not leave in time")
            self._record(child.ticket.training, child.attempt.number, ending, exit_code)
            self._release(child.ticket.training)
            self.outcome.stopped.append(child.ticket.training)

    def end_children(self) -> None:
        """Kill what is still running, and let go of every lease; after an ordinary end there is nothing."""
        for child in list(self._running):
            self._end(child)
        with contextlib.suppress(OSError):
            self._leases.release_all()
