"""The child: the process that carries out one attempt at one training, and ends with its supervisor."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import sys
import threading
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from rlhpc.errors import STOPPED, AlreadyStoredError
from rlhpc.records import Training
from rlhpc.results import progress
from rlhpc.results.store import Store
from rlhpc.training import endings, stop
from rlhpc.training.checkpoint import Checkpoints
from rlhpc.training.settings import TrainSettings

if TYPE_CHECKING:
    from rlhpc.training.saving import Saver

OUTPUT_LOG = "output.log"


@dataclass(frozen=True)
class Attempt:
    """One attempt at a training; what a child is told.

    Attributes
    ----------
    training : Training
    number : int
        From 1, over all launches.
    gpu : str or None
        The one that it may see; None: whatever there is.
    cores : tuple of int
        Those that it may run on; empty: all that its supervisor may.
    variables : mapping
        Of the environment, by which it sees that one alone.
    store : Store
    settings : TrainSettings
    """

    training: Training
    number: int
    gpu: str | None
    cores: tuple[int, ...]
    variables: Mapping[str, str]
    store: Store
    settings: TrainSettings


def carry_out(attempt: Attempt, supervisor: Connection) -> None:
    """Carry out one attempt; the body of a process.

    What it sends to its supervisor: sentences that a user should read, and an `Ending` as the last thing, unless it stores a
    result.
    What it hears: in how many seconds it is to have left; the end of the connection, with which it ends at once.
    """
    # Ended by the kernel with the process that it was forked from, as that is with the supervisor; the connection alone would
    # do where that is stopped and cannot end.
    stop.leave_with_parent(signal.SIGKILL)
    os.setsid()  # a group of its own: signals to the supervisor's are the supervisor's to pass on; all in it ends with it
    folder = attempt.store.folder(attempt.training)
    os.environ.update(attempt.variables)  # before torch looks for GPUs
    exit_code = 0
    try:
        if attempt.cores:
            os.sched_setaffinity(0, attempt.cores)
        folder.mkdir(parents=True, exist_ok=True)
        _redirect_output(folder / OUTPUT_LOG)
        _train(attempt, folder, supervisor)
    except (Exception, SystemExit) as error:  # noqa: BLE001  # whatever it is, it is recorded, and ends this training alone
        _tell_ending(supervisor, error)
        exit_code = 1
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    # An ordinary end would wait for threads that an environment has left, and flush again what a full disk does not take.
    os._exit(exit_code)


def _train(attempt: Attempt, folder: Path, supervisor: Connection) -> None:
    """Train, and store the result; leave if told to stop."""
    from rlhpc.training.saving import Saver, Stopped  # noqa: PLC0415  # the forkserver has it; a supervisor needs no torch
    from rlhpc.training.train import train  # noqa: PLC0415  # likewise

    def say(sentence: str) -> None:
        print(sentence, flush=True)
        supervisor.send(sentence)

    tell_ending = functools.partial(_tell_ending, supervisor)
    saver = Saver(attempt.training, folder, attempt.settings, attempt.number, say, tell_ending)
    for signum in stop.SIGNALS:
        seconds = stop.seconds_after(signum, attempt.settings.stop_seconds)
        signal.signal(signum, lambda *_, seconds=seconds: saver.request_stop(seconds))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, stop.SIGNALS)
    threading.Thread(target=_listen, args=(supervisor, saver), daemon=True).start()
    try:
        result, curves = train(attempt.training, folder, attempt.settings, attempt.number, saver)
    except Stopped:
        tell_ending(None)
        os._exit(STOPPED)
    if attempt.store.read(attempt.training) is None:  # else another supervisor's attempt was faster, and came to the same
        curves.write(folder)
        with contextlib.suppress(AlreadyStoredError):
            attempt.store.write(result)
    Checkpoints(folder).clear()
    progress.remove(folder)


def _tell_ending(supervisor: Connection, error: BaseException | None) -> None:
    """Tell a supervisor what this process ends by; None: it was told to stop."""
    if error is None:
        ending, report = endings.Ending(endings.Kind.STOPPED, "stopped, to be continued"), ""
    else:
        report = "".join(traceback.format_exception(error))
        ending = endings.of_exception(error, report)
    with contextlib.suppress(OSError):  # it may be gone
        supervisor.send(ending)
    with contextlib.suppress(OSError):  # the disk may be full
        print(report, end="", file=sys.stderr)


def _listen(supervisor: Connection, saver: Saver) -> None:
    """Pass on requests to stop; end this process when its supervisor is gone, however that ended."""
    try:
        while True:
            saver.request_stop(supervisor.recv())
    except (EOFError, OSError):
        with contextlib.suppress(OSError):
            os.killpg(os.getpid(), signal.SIGKILL)  # with all that its environment has started
        os._exit(1)


def _redirect_output(path: Path) -> None:
    """Send what this process and its libraries print to the end of a file."""
    sys.stdout.flush()
    sys.stderr.flush()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
