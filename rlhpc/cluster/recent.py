"""The queue as it was a moment ago: however many of us look, and how often, Slurm is asked once in half a minute at most.

Its answer is kept in the user's cache folder, ``$XDG_CACHE_HOME/rlhpc`` or ``~/.cache/rlhpc``, one small file for each set of
submissions and each cluster; where nothing can be written there, each process keeps its own.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rlhpc.cluster.queue import QueuedElement, read_queue
from rlhpc.errors import SlurmError
from rlhpc.files import digest, write_json

FRESH_SECONDS = 30.0  # the queue is planned anew about as often: sched_interval and bf_interval of slurm.conf(5)
ANSWER_SECONDS = 10.0  # who looks is not kept waiting longer
_KEPT_SECONDS = 24 * 3600.0  # then the answer of a set of submissions that nobody looks at is removed
_POLL_SECONDS = 0.05
_NO_ANSWER_YET = "it was asked less than half a minute ago, and has not answered yet"


@dataclass(frozen=True)
class Answer:
    """What Slurm said, or why it said nothing.

    Attributes
    ----------
    elements : tuple of QueuedElement
    answered_at : float
        Seconds since the epoch.
    fault : str
        Blank if it answered.
    """

    elements: tuple[QueuedElement, ...]
    answered_at: float
    fault: str = ""

    @property
    def age_seconds(self) -> float:
        """Seconds since then."""
        return time.time() - self.answered_at


class RecentQueue:
    """The queue as it was at most half a minute ago.

    Parameters
    ----------
    folder : Path, optional
        Where answers are kept for other processes; None: nowhere.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._own: dict[str, Answer] = {}

    def read(self, job_names: Sequence[str]) -> Answer:
        """Return the jobs of these names that have not ended; ask Slurm only if nobody has in the last half minute."""
        if shutil.which("squeue") is None:
            return Answer((), time.time(), "'squeue' is not on PATH")
        key = digest([sorted(job_names), os.environ.get("SLURM_CONF", "")])[:16]
        kept = self._kept(key)
        if kept is None or kept.fault == _NO_ANSWER_YET:
            with self._turn(key):
                kept = self._kept(key) or self._ask(key, job_names)  # another may have asked while we waited for our turn
        return kept

    def _ask(self, key: str, job_names: Sequence[str]) -> Answer:
        """Ask Slurm. That it is asked is kept first, so that nobody asks again at once if this process is killed meanwhile."""
        self._keep(key, Answer((), time.time(), _NO_ANSWER_YET))
        try:
            elements, fault = tuple(read_queue(job_names, timeout_seconds=ANSWER_SECONDS)), ""
        except SlurmError as error:
            elements, fault = (), str(error)
        except ValueError as error:
            elements, fault = (), f"its answer cannot be read: {error}"
        answer = Answer(elements, time.time(), fault)
        self._keep(key, answer)
        self._own[key] = answer
        return answer

    def _kept(self, key: str) -> Answer | None:
        """Return the answer that is young enough, of this process or another."""
        found = [answer for answer in (self._own.get(key), self._read(key)) if answer is not None]
        return max(
            (each for each in found if 0 <= each.age_seconds < FRESH_SECONDS), key=lambda each: each.answered_at, default=None
        )

    def _read(self, key: str) -> Answer | None:
        if self._folder is None:
            return None
        try:
            fields = json.loads((self._folder / f"{key}.json").read_bytes())
            elements = tuple(QueuedElement(**each) for each in fields["elements"])
            return Answer(elements, float(fields["answered_at"]), str(fields["fault"]))
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def _keep(self, key: str, answer: Answer) -> None:
        if self._folder is None:
            return
        with contextlib.suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_json(self._folder / f"{key}.json", dataclasses.asdict(answer), durable=False)
            for path in self._folder.iterdir():
                with contextlib.suppress(OSError):  # another has removed it just now
                    if time.time() - path.stat().st_mtime > _KEPT_SECONDS:
                        path.unlink()

    @contextlib.contextmanager
    def _turn(self, key: str) -> Iterator[None]:
        """Wait while another process asks the same; where files cannot be locked, or for longer than it may take, go on."""
        stream = None
        if self._folder is not None:
            with contextlib.suppress(OSError):
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                stream = (self._folder / f"{key}.lock").open("wb")
        try:
            deadline = time.monotonic() + ANSWER_SECONDS + 1
            while stream is not None and time.monotonic() < deadline and not _is_locked(stream.fileno()):
                time.sleep(_POLL_SECONDS)
            yield
        finally:
            if stream is not None:
                stream.close()


def _is_locked(descriptor: int) -> bool:
    """Lock a file if nobody has; tell whether it is locked, or cannot be."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
