"""The queue: which of our jobs wait or run, and why they wait, in plain words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rlhpc.cluster.programs import ANSWER_SECONDS, ask, lines

PENDING = "PENDING"
RUNNING = "RUNNING"
ENDING = "COMPLETING"
_FORMAT = "%i|%K|%j|%T|%r|%S"  # squeue(1): job, array index, name, state, reason, (expected) start
# squeue(1), "JOB REASON CODES". What begins with one of these is explained so; the longest that fits counts. Without "it" or
# "they": the same words are said of one training and of many.
_REASONS = {
    "None": "just submitted; Slurm decides soon",
    "Priority": "behind jobs of higher priority",
    "Resources": "next, as soon as a node is free",
    "JobArrayTaskLimit": "as many elements run as slurm.array_parallelism allows",
    "BeginTime": "requeued, to start again in a moment",
    "Dependency": "waiting for another job to end",
    "DependencyNeverSatisfied": "waiting for a job that has failed: scancel JOB",
    "JobHeldUser": "held by you: scontrol release JOB",
    "JobHeldAdmin": "held by an administrator: ask them",
    "JobHoldMaxRequeue": "requeued too often, and held: see the log, then scontrol release JOB",
    "AccountNotAllowed": "the partition does not take this account: scancel JOB, launch with another slurm.options.account",
    "QOSNotAllowed": "the partition does not take this quality of service: scancel JOB, launch with another slurm.options.qos",
    "JobLaunchFailure": "could not be started, because of files or the node: scontrol show job JOB says more",
    "launch failed requeued held": "could not be started, and held: mend the cause, then scontrol release JOB",
    "PartitionDown": "the partition is down",
    "PartitionInactive": "the partition takes no jobs to start",
    "PartitionTimeLimit": "the time limit is over the partition's: scancel JOB, launch with a smaller slurm.timeout_min",
    "PartitionNodeLimit": "more nodes are asked for than the partition gives to one job",
    "ReqNodeNotAvail": "a node that is needed is down, drained or reserved",
    "NodeDown": "the node is down",
    "BadConstraints": "no node fits what is asked for: scancel JOB, launch with other slurm.options",
    "Reservation": "waiting for the reservation",
    "ReservationDeleted": "the reservation is gone: scancel JOB",
    "Licenses": "waiting for a licence",
    "Cleaning": "requeued, while the last run is being cleaned up",
    "InvalidAccount": "the account is not valid: scancel JOB, launch with another slurm.options.account",
    "InvalidQOS": "the quality of service is not valid: scancel JOB, launch with another slurm.options.qos",
    "QOS": "your quality of service grants no more at a time ({reason})",
    "MaxCpuPerAccount": "your account is granted no more cores at a time",
    "MaxGRESPerAccount": "your account is granted no more GPUs at a time",
    "MaxMemPerLimit": "more memory is asked for than one job is granted",
    "Assoc": "your account is granted no more at a time ({reason})",
    "Prolog": "the node is being prepared",
    "NonZeroExitCode": "ended with an error",
    "TimeLimit": "reached the time limit",
}
_NEVER = ("PerJob", "MaxWall")  # in a limit's name: of one job, which no waiting mends


@dataclass(frozen=True)
class QueuedElement:
    """One element of an array, or one plain job, that waits or runs.

    Attributes
    ----------
    job_id : str
        As scancel and scontrol take it: ``12`` or ``12_3``.
    job_name : str
        By which its `Submission` is found.
    index : int
        Of the element; 0 of a plain job.
    state, reason : str
        In Slurm's words.
    starts_at : str
        When it began, or when Slurm expects it to; blank where that is not told.
    """

    job_id: str
    job_name: str
    index: int
    state: str
    reason: str
    starts_at: str

    @property
    def is_waiting(self) -> bool:
        """Whether it has not begun."""
        return self.state == PENDING

    @property
    def is_running(self) -> bool:
        """Whether it has begun, and not ended."""
        return self.state == RUNNING

    @property
    def is_ending(self) -> bool:
        """Whether it was cancelled or has ended, and is only being cleared away."""
        return self.state == ENDING

    @property
    def array_id(self) -> str:
        """The job id of its array, or its own if it is of none."""
        return array_of(self.job_id)


def array_of(job_id: str) -> str:
    """Return the job id of an element's array: ``12`` of ``12_3``; that of a plain job is its own."""
    return job_id.partition("_")[0]


def read_queue(job_names: Sequence[str], timeout_seconds: float = ANSWER_SECONDS) -> list[QueuedElement]:
    """Ask Slurm once for all jobs of these names that have not ended.

    Raises
    ------
    SlurmError
    """
    if not job_names:
        return []
    wanted = f"--name={','.join(job_names)}"
    told = ask("squeue", "--all", "--array", "--noheader", wanted, f"--format={_FORMAT}", timeout_seconds=timeout_seconds)
    return list(parse_queue(told))


def count_own_jobs() -> int:
    """Ask Slurm how many jobs of this user, elements of arrays counted each, have not ended.

    Raises
    ------
    SlurmError
    """
    return len(list(lines(ask("squeue", "--all", "--me", "--array", "--noheader", "--format=%i"))))


def parse_queue(text: str) -> Iterator[QueuedElement]:
    """Read what squeue prints in the format above."""
    for line in lines(text):
        job_id, index, job_name, state, reason, starts_at = line.strip().split("|")
        yield QueuedElement(
            job_id,
            job_name,
            int(index) if index.isdecimal() else 0,
            state,
            reason,
            "" if starts_at == "N/A" else starts_at,
        )


def explain(reason: str) -> str:
    """Say in plain words why an element waits."""
    plain = reason.strip("()")
    if any(mark in plain for mark in _NEVER):
        return f"more is asked for than one job is granted ({plain}), and never starts: scancel JOB, launch with less"
    fitting = [begins for begins in _REASONS if plain.startswith(begins)]
    return _REASONS[max(fitting, key=len)].format(reason=plain) if fitting else f"Slurm says '{plain}'"
