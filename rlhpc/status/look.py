"""A look at a grid: its files read, Slurm asked if it may be, every training judged."""

from __future__ import annotations

import dataclasses
import datetime as dt
import time
from collections.abc import Iterable, Sequence

from rlhpc.cluster import submission
from rlhpc.cluster.queue import array_of
from rlhpc.cluster.recent import RecentQueue
from rlhpc.cluster.submission import Submission
from rlhpc.errors import InputError
from rlhpc.results import node_load
from rlhpc.results.audit import launched
from rlhpc.results.lease import EXPIRY_SECONDS
from rlhpc.results.store import Store
from rlhpc.results.wrong_folder import refuse_other_folders
from rlhpc.status.clock import file_system_now
from rlhpc.status.facts import Facts, Reader
from rlhpc.status.overview import Overview, overview
from rlhpc.status.state import Queue, judge


class Looker:
    """Look at a grid, again and again.

    Parameters
    ----------
    store : Store
    recent : RecentQueue
    """

    def __init__(self, store: Store, recent: RecentQueue) -> None:
        self._store = store
        self._recent = recent
        self._reader = Reader(store, EXPIRY_SECONDS)

    def look(self) -> Overview:
        """Look at every training that was ever launched.

        Raises
        ------
        InputError
            If the folder is no folder of results, or cannot be read.
        OSError
            If the file server fails in the middle of it.
        """
        refuse_other_folders(self._store.root)
        trainings, grid_fault = launched(self._store)
        queue = self._queue(self._submissions())  # before the files: what runs by then has its lease
        found = [self._reader.read(training) for training in trainings]
        now = dt.datetime.now(dt.UTC)
        there = file_system_now(found, time.time())
        others = _other_launch(found, queue, there)
        statuses = (judge(facts, queue, now, there, others) for facts in found)
        loads = node_load.read(self._store.root, since=there - EXPIRY_SECONDS)
        return overview(self._store.root, now, statuses, queue, grid_fault, loads)

    def look_again(self, before: Overview) -> Overview:
        """Look once more; while the folder cannot be read, return what was seen before, with the reason."""
        try:
            return self.look()
        except (InputError, OSError) as error:
            cause = error.__cause__ or error
            reason = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)
            since = f"all else is as of {before.at.astimezone():%H:%M:%S}"
            return dataclasses.replace(before, folder_fault=f"the folder cannot be read just now ({reason}); {since}")

    def _submissions(self) -> list[Submission]:
        """Return what was submitted; nothing while the file server does not answer: this is no more than a look."""
        try:
            return submission.read_all(self._store.root)
        except OSError:
            return []

    def _queue(self, submissions: Sequence[Submission]) -> Queue:
        """Find the place of each training that was submitted."""
        if not submissions:
            return Queue()
        answer = self._recent.read([each.job_name for each in submissions])
        arrays = [*(array_of(each.job_id) for each in submissions), *(each.array_id for each in answer.elements)]
        return Queue(
            places=submission.place(submissions, answer.elements),
            submitted_at=submission.last_submitted(submissions),
            running_jobs=frozenset(each.job_id for each in answer.elements if each.is_running),
            job_ids=frozenset(array for array in arrays if array),
            fault=answer.fault,
            age_seconds=None if answer.fault else max(answer.age_seconds, 0.0),
        )


def _other_launch(found: Iterable[Facts], queue: Queue, file_system_now: float) -> str:
    """Name a launch that lives and works on the grid outside of its submissions; blank if there is none."""
    holders = (facts.holder for facts in found if facts.holder is not None and facts.is_held(file_system_now))
    return next((str(holder) for holder in holders if not queue.is_ours(holder.job)), "")
