"""Stopping: how a supervisor is told to have its trainings save and leave."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any

# Slurm sends SIGTERM a fixed time before SIGKILL (KillWait, 30 s by default), whatever was asked for.
SECONDS_AFTER_SIGTERM = 20.0
SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)  # what schedulers send before they kill
_PR_SET_PDEATHSIG = 1  # of prctl(2)
# What runs us, such as Apptainer, may pass on a Ctrl-C that we have had ourselves; nobody is so quick to press it again.
_ECHO_SECONDS = 0.5


def leave_with_parent(signum: int) -> None:
    """Have the kernel send this process a signal when the one that started it has ended, however that came about."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signum)


def seconds_after(signum: int, stop_seconds: float) -> float:
    """Return how long trainings may take to leave after a signal."""
    return min(stop_seconds, SECONDS_AFTER_SIGTERM) if signum == signal.SIGTERM else stop_seconds


class Stop:
    """A request to stop, which may be made from a signal handler or another thread, and wakes who waits for it."""

    def __init__(self) -> None:
        self.deadline = float("inf")  # of time.monotonic
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)

    def request(self, seconds: float) -> None:
        """Ask to leave within some seconds; a second request may only shorten the time."""
        self.deadline = min(self.deadline, time.monotonic() + seconds)
        with contextlib.suppress(BlockingIOError):  # a full pipe wakes as well
            os.write(self._writer, b"!")

    @property
    def requested(self) -> bool:
        """Whether it was asked for."""
        return self.deadline < float("inf")

    def fileno(self) -> int:
        """Return what becomes readable at each request, for `multiprocessing.connection.wait`."""
        return self._reader

    def hear(self) -> None:
        """Make it unreadable until the next request."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self._reader, 1024):
                pass

    def close(self) -> None:
        """Free the descriptors."""
        os.close(self._reader)
        os.close(self._writer)


@contextlib.contextmanager
def on_signals(stop_seconds: float) -> Iterator[Stop]:
    """Turn the signals of a scheduler, and the first Ctrl-C, into a request to stop; a second Ctrl-C interrupts as ever.

    So is a hang-up, of a terminal that was closed; unless it is ignored, as under nohup.

    Parameters
    ----------
    stop_seconds : float
        Time that the trainings are given; after SIGTERM `SECONDS_AFTER_SIGTERM` at most.
    """
    stop = Stop()
    echoes_until = 0.0  # of time.monotonic

    def request(signum: int, _frame: FrameType | None) -> None:
        nonlocal echoes_until
        if signum == signal.SIGINT and stop.requested and time.monotonic() > echoes_until:
            raise KeyboardInterrupt
        if signum == signal.SIGINT and not echoes_until:
            echoes_until = time.monotonic() + _ECHO_SECONDS
        stop.request(seconds_after(signum, stop_seconds))

    heard = {*SIGNALS, signal.SIGINT, signal.SIGHUP}
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        heard.remove(signal.SIGHUP)
    before: dict[int, Any] = {signum: signal.signal(signum, request) for signum in heard}
    signal.pthread_sigmask(signal.SIG_UNBLOCK, heard)  # whoever started us may have kept them back until they can be heard
    try:
        yield stop
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
        stop.close()


@contextlib.contextmanager
def blocked() -> Iterator[None]:
    """Keep signals from processes that are started meanwhile: those of a scheduler until they are ready to hear them.

    Ctrl-C, which goes to all processes of a terminal, is for the supervisor alone.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {*SIGNALS, signal.SIGINT, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
