"""Submissions: the record of what was handed to Slurm, by which a training's place in the queue is found.

It is written before sbatch is called. The name of the job stands for both: whatever dies in between, a job in the queue has a
record, and a record without a job in the queue is one that has ended or never began.
"""

from __future__ import annotations

import dataclasses
import json
import re
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rlhpc.clock import utc_now
from rlhpc.cluster.queue import QueuedElement, read_queue
from rlhpc.files import write_json

SLURM = "slurm"  # the folder of a grid's submissions, below logs/<name>
_SUFFIX = ".json"


@dataclass(frozen=True)
class Submission:
    """One array, or plain job, of nodes.

    Attributes
    ----------
    job_name : str
        As squeue shows it; no two submissions share one.
    elements : tuple of tuple of str
        The names of each element's trainings.
    submitted_at : str
        ISO 8601, UTC.
    job_id : str
        Slurm's; blank while sbatch has not answered.
    """

    job_name: str
    elements: tuple[tuple[str, ...], ...]
    submitted_at: str
    job_id: str = ""

    def folder(self, root: Path) -> Path:
        """Return where submitit's files and the output of its jobs lie."""
        return root / SLURM / self.job_name

    def logs(self, root: Path) -> str:
        """Return the path of its elements' output, with Slurm's ``%a`` for their index."""
        return str(self.folder(root) / (f"{self.job_id}_%a_0_log.out" if len(self.elements) > 1 else f"{self.job_id}_0_log.out"))


def begin(grid_name: str, elements: Iterable[Sequence[str]]) -> Submission:
    """Name a new submission."""
    unique = f"{re.sub(r'[^A-Za-z0-9._-]', '_', grid_name)}-{uuid.uuid4().hex[:8]}"
    return Submission(unique, tuple(tuple(names) for names in elements), utc_now())


def write(root: Path, submission: Submission) -> Path:
    """Record a submission below ``logs/<name>``, replacing its earlier record."""
    return write_json(_path(root, submission.job_name), dataclasses.asdict(submission))


def remove(root: Path, submission: Submission) -> None:
    """Remove the record of a submission that sbatch refused."""
    _path(root, submission.job_name).unlink(missing_ok=True)


def read_all(root: Path) -> list[Submission]:
    """Read all submissions below ``logs/<name>``, oldest first; other files of that folder are passed over.

    Raises
    ------
    OSError
        If one cannot be read now: what it says may be in the queue.
    """
    found = []
    for path in (root / SLURM).glob(f"*{_SUFFIX}"):
        text = path.read_bytes()
        try:
            fields = json.loads(text)
            found.append(Submission(**{**fields, "elements": tuple(tuple(names) for names in fields["elements"])}))
        except (ValueError, TypeError, KeyError):
            continue
    return sorted(found, key=lambda each: (each.submitted_at, each.job_name))


def last_submitted(submissions: Iterable[Submission]) -> dict[str, str]:
    """Return when each training was last handed to Slurm, by its name; ISO 8601, UTC.

    Parameters
    ----------
    submissions : iterable of Submission
        The oldest first.
    """
    return {name: each.submitted_at for each in submissions for names in each.elements for name in names}


def in_queue(submissions: Sequence[Submission]) -> dict[str, QueuedElement]:
    """Ask Slurm once which trainings wait or run; return the element of each, by the training's name.

    Raises
    ------
    SlurmError
    """
    return place(submissions, read_queue([each.job_name for each in submissions]))


def place(submissions: Sequence[Submission], queue: Iterable[QueuedElement]) -> dict[str, QueuedElement]:
    """Find the element of each training that waits or runs; one that runs goes before one that waits."""
    by_name = {each.job_name: each for each in submissions}
    found: dict[str, QueuedElement] = {}
    for element in sorted(queue, key=lambda each: each.is_waiting):
        submission = by_name.get(element.job_name)
        if submission is not None and element.index < len(submission.elements):
            for name in submission.elements[element.index]:
                found.setdefault(name, element)
    return found


def _path(root: Path, job_name: str) -> Path:
    return root / SLURM / f"{job_name}{_SUFFIX}"
