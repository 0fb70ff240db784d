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
        self._pidfd = None
        with contextlib.suppress(ProcessLookupError):  # it has ended already
            self._pidfd = os.pidfd_open(self._process.pid or 0)
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
        """Kill it if it lives, and return its exit code.

        A child that its server no longer knows, because that has died, may still live: it must not write beside its successor.
        """
        if self._pidfd is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            wait([self._pidfd])
            os.close(self._pidfd)
        self._process.join()
        self._connection.close()
        return self._process.exitcode

    def ending(self) -> Ending:
        """Say why it ended without a result; call it after `end`."""
        n_memory_kills = endings.count_memory_kills() - self._n_memory_kills
        return self._ending or endings.of_exit_code(self._process.exitcode, n_memory_kills)


def _start(attempt: Attempt) -> tuple[ForkServerProcess, Connection]:
    """Fork a child from the server, which is started with the first one, and again if it has died."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["rlhpc.training.preload"])
    with blocked():  # started with the server, it would undo its `blocked`
        resource_tracker.ensure_running()
    for tries_left in reversed(range(_START_TRIES)):
        ours, theirs = context.Pipe()
        process = context.Process(target=carry_out, args=(attempt, theirs), name=attempt.training.name)
        try:
            with blocked():
                process.start()
        except (EOFError, ConnectionError, FileNotFoundError) as error:
            ours.close()
            if not tries_left:
                raise ChildProcessError(f"no process can be started: {type(error).__name__}: {error}") from error
            time.sleep(0.2)
        else:
            return process, ours
        finally:
            theirs.close()
    raise AssertionError("unreachable")
