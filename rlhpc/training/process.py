"""The process of an attempt, as its supervisor holds it: started from a preloaded server, heard, and ended for certain."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess

from rlhpc.training import endings
from rlhpc.training.child import Attempt, carry_out
from rlhpc.training.endings import Ending
from rlhpc.training.stop import blocked

_START_TRIES = 5  # the server may be dying just now; it is then started again
# What was killed runs none of its code any more, but a file server that is away may keep it from ending.
_SECONDS_TO_END = 10.0
_SECONDS_TO_TELL = 5.0  # how it ended, by the server, which may be stopped


class AttemptProcess:
    """A running attempt.

    Parameters
    ----------
    attempt : Attempt

    Raises
    ------
    ChildProcessError
        If no process can be started.
    """

    def __init__(self, attempt: Attempt) -> None:
        self._n_memory_kills = endings.count_memory_kills()
        self._process, self._connection = _start(attempt)
        self._pid: int = self._process.pid  # type: ignore[assignment]  # it has been started
        self._pidfd = _pidfd(self._pid)
        self._ending: Ending | None = None  # as it told itself

    @property
    def sources(self) -> list[Connection | int]:
        """What becomes readable when it has said something or ended, for `multiprocessing.connection.wait`."""
        return [self._connection, self._process.sentinel]

    def has_ended(self) -> bool:
        """Tell whether it has ended, or whether its server has, so that it can no longer be known."""
        return bool(wait([self._process.sentinel], 0))

    def hear(self) -> Iterator[str]:
        """Yield the sentences that it has said, and keep why it fails, if it has told."""
        with contextlib.suppress(EOFError, OSError):  # it has ended, or its last message was cut by its death
            while self._connection.poll():
                message = self._connection.recv()
                if isinstance(message, Ending):
                    self._ending = message
                else:
                    yield message

    def tell_to_stop(self, seconds: float) -> None:
        """Tell it to leave within some seconds."""
        with contextlib.suppress(OSError):  # it has just ended
            self._connection.send(seconds)

    def end(self) -> int | None:
        """Kill it if it lives, and all that it has started; return its exit code, None if that is not known. May be called again.

        A child that its server no longer knows, because that has died, may still live: it must not write beside its successor.
        """
        if self._pidfd is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            wait([self._pidfd], _SECONDS_TO_END)
            os.close(self._pidfd)
            self._pidfd = None
        elif not self.has_ended():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError, PermissionError):  # what its environment has started: the rest of its group
            os.killpg(self._pid, signal.SIGKILL)
        self._process.join(_SECONDS_TO_TELL)
        self._connection.close()
        return self._process.exitcode

    def ending(self) -> Ending:
        """Say why it ended without a result; call it after `end`."""
        n_memory_kills = endings.count_memory_kills() - self._n_memory_kills
        return self._ending or endings.of_exit_code(self._process.exitcode, n_memory_kills)


def _pidfd(pid: int) -> int | None:
    """Return a descriptor that stands for a process, whoever gets its number later; None if it has ended.

    None too where the system has no such thing: Linux before 5.3, some containers, Pythons built for older systems.
    """
    if not hasattr(os, "pidfd_open") or not hasattr(signal, "pidfd_send_signal"):
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None


def _start(attempt: Attempt) -> tuple[ForkServerProcess, Connection]:
    """Fork a child from the server, which is started with the first one, and again if it has died."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["rlhpc.training.preload"])
    with blocked():  # started with the server, it would undo its `blocked`
        resource_tracker.ensure_running()
    for tries_left in reversed(range(_START_TRIES)):
        try:
            ours, theirs = context.Pipe()
        except OSError as error:
            raise _cannot_start(error) from error
        process = context.Process(target=carry_out, args=(attempt, theirs), name=attempt.training.name)
        try:
            with blocked():
                process.start()
        except (EOFError, OSError) as error:
            ours.close()
            if not tries_left or not isinstance(error, (EOFError, ConnectionError, FileNotFoundError)):
                raise _cannot_start(error) from error
            time.sleep(0.2)
        else:
            return process, ours
        finally:
            theirs.close()
    raise AssertionError("unreachable")


def _cannot_start(error: Exception) -> ChildProcessError:
    return ChildProcessError(f"no process can be started: {type(error).__name__}: {error}")
