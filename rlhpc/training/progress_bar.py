"""The progress bar of a launch on this machine: a bar on a terminal, plain lines in a log."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time

from tqdm import tqdm

from rlhpc.records import Training
from rlhpc.words import count

_BAR = "{n_fmt} of {total_fmt} trainings |{bar}| {elapsed}{postfix}"
_COLUMNS, _ROWS = 80, 24
_TICK_SECONDS = 1.0


class ProgressBar:
    """Tell what a supervisor does, on standard error.

    Parameters
    ----------
    n_trainings : int
        Trainings that are to be done.
    """

    def __init__(self, n_trainings: int) -> None:
        self._started = time.monotonic()
        self._n_trainings = n_trainings
        self._n_ended = 0
        self._running: set[str] = set()
        self._on_terminal = sys.stderr.isatty()
        is_sized = self._on_terminal and os.get_terminal_size(sys.stderr.fileno()).columns > 0  # some do not know their width
        width = {"dynamic_ncols": True} if is_sized else {"ncols": _COLUMNS, "nrows": _ROWS}
        self._bar = tqdm(total=n_trainings, bar_format=_BAR, disable=not self._on_terminal, **width)
        self._is_closed = threading.Event()
        self._clock = threading.Thread(target=self._tick, daemon=True)
        if self._on_terminal:
            self._clock.start()

    def started(self, training: Training, attempt: int, timesteps: int) -> None:
        """Hear that an attempt has begun, from a checkpoint at some agent steps; 0 without one."""
        self._running.add(training.name)
        if not self._on_terminal:
            rest = f"; its newest checkpoint: {timesteps:,} agent steps" if timesteps else ""
            self._say(f"started {training.name}" + (f" (attempt {attempt}{rest})" if attempt > 1 else ""))

    def stored(self, training: Training) -> None:
        """Hear that a result is stored."""
        self._running.discard(training.name)
        self._end(f"stored  {training.name}", is_news=not self._on_terminal)

    def failed(self, training: Training, reason: str, *, will_retry: bool) -> None:
        """Hear that an attempt has failed."""
        self._running.discard(training.name)
        line = f"failed  {training.name}: {reason}"
        if will_retry:
            self._say(f"{line}; trying again")
        else:
            self._end(line, is_news=True)

    def said(self, training: Training, sentence: str) -> None:
        """Hear something else that a user should know of a training."""
        self.tell(f"{training.name}: {sentence}")

    def stopping(self, n_running: int, seconds: float) -> None:
        """Hear that what runs is told to save and leave, within some seconds."""
        who = f"{count(n_running, 'training')} {'saves' if n_running == 1 else 'save'}"
        again = "; Ctrl-C again kills what has not left" if self._on_terminal else ""
        self.tell(f"told to stop: {who}, up to {seconds:.0f} s{again}")

    def tell(self, sentence: str) -> None:
        """Tell something that concerns all trainings."""
        self._say(sentence)

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._is_closed.set()
        if self._on_terminal:
            self._clock.join()
        self._bar.set_postfix_str("", refresh=False)  # nothing runs any more, also of what was stopped
        self._bar.close()

    def _tick(self) -> None:
        """Paint the bar anew each second: trainings take long, and a clock that stands still looks like a program that does."""
        while not self._is_closed.wait(_TICK_SECONDS):
            with contextlib.suppress(OSError):  # of a terminal that is gone
                self._bar.set_postfix_str(f"{len(self._running)} running")

    def _end(self, line: str, *, is_news: bool) -> None:
        self._n_ended += 1
        self._bar.update()
        if is_news:
            self._say(line)

    def _say(self, line: str) -> None:
        elapsed = int(time.monotonic() - self._started)
        with contextlib.suppress(OSError):  # a full disk or a reader that has left is no reason to end any training
            self._bar.write(f"[{self._n_ended}/{self._n_trainings} {elapsed // 60}:{elapsed % 60:02d}] {line}", file=sys.stderr)
