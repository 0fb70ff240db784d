"""Progress: a bar on a terminal, plain lines in a log."""

from __future__ import annotations

import contextlib
import sys
import time

from tqdm import tqdm

from rlhpc.records import Training


class Progress:
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
        self._on_terminal = sys.stderr.isatty()
        self._bar = tqdm(total=n_trainings, unit="training", disable=not self._on_terminal, dynamic_ncols=True)

    def started(self, training: Training, attempt: int) -> None:
        """Hear that an attempt has begun."""
        if self._on_terminal:
            self._bar.set_postfix_str(training.name)
        else:
            self._say(f"started {training.name}" + (f" (attempt {attempt})" if attempt > 1 else ""))

    def stored(self, training: Training) -> None:
        """Hear that a result is stored."""
        self._end(f"stored  {training.name}", is_news=not self._on_terminal)

    def failed(self, training: Training, reason: str, *, will_retry: bool) -> None:
        """Hear that an attempt has failed."""
        line = f"failed  {training.name}: {reason}"
        if will_retry:
            self._say(f"{line}; trying again")
        else:
            self._end(line, is_news=True)

    def said(self, training: Training, sentence: str) -> None:
        """Hear something else that a user should know of a training."""
        self.tell(f"{training.name}: {sentence}")

    def tell(self, sentence: str) -> None:
        """Tell something that concerns all trainings."""
        self._say(sentence)

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._bar.close()

    def _end(self, line: str, *, is_news: bool) -> None:
        self._n_ended += 1
        self._bar.update()
        if is_news:
            self._say(line)

    def _say(self, line: str) -> None:
        elapsed = int(time.monotonic() - self._started)
        with contextlib.suppress(OSError):  # a full disk or a reader that has left is no reason to end any training
            self._bar.write(f"[{self._n_ended}/{self._n_trainings} {elapsed // 60}:{elapsed % 60:02d}] {line}", file=sys.stderr)
