"""Policies: what a site does to jobs that wait or run, and what that costs a launch. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rlhpc.cluster.checks import Request, named_partitions
from rlhpc.cluster.element import SECONDS_TO_BE_KILLED
from rlhpc.cluster.finding import Finding, Severity
from rlhpc.cluster.site import Partition, Site
from rlhpc.words import duration

_SAVE_SECONDS = 20  # between SIGTERM and our last breath; KillWait, after which Slurm kills, is 30 unless the site says otherwise
_SPARE_SECONDS = 5
_PREEMPT_USER_SIGNAL = "preempt_send_user_signal"
_SIGNAL_ALL = ("linuxproc", "pgid")


def findings(site: Site, request: Request) -> list[Finding]:
    """Find what a site's settings mean for the elements of a launch."""
    found = [*_of_requeueing(site), *_of_killing(site, request), *_of_records(site), *_of_internet(request)]
    return found + [each for partition in named_partitions(site, request) for each in _of_preemption(site, partition, request)]


def _of_requeueing(site: Site) -> Iterator[Finding]:
    """Yield what stands in the way of a requeue."""
    if site.config.get("JobRequeue") == "0":
        yield Finding(
            "job_requeue",
            Severity.WARNING,
            "This site requeues no job unless asked to (JobRequeue=0): every launch asks (--requeue), but such sites often"
            " forbid it, and then an element that is preempted, reaches its time limit or loses its node does not come back.",
            "Look with `scontrol show job JOB` that it says Requeue=1; if it says 0, launch again when the queue is empty:"
            " what is not stored continues from its checkpoints.",
        )
    codes = {name: _exit_codes(site.config.get(name, "")) for name in ("RequeueExit", "RequeueExitHold")}
    for name, listed in codes.items():
        if 1 in listed:
            yield Finding(
                "requeue_exit",
                Severity.WARNING,
                f"This site {'holds' if name.endswith('Hold') else 'requeues'} jobs that end with exit code 1 ({name}), as"
                " an element does when a training fails for good: it would be started over and over, or held.",
                "If an element comes back without work, scancel it; jobs/launch_training.py submits what is missing.",
            )


def _of_preemption(site: Site, partition: Partition, request: Request) -> Iterator[Finding]:
    """Yield what preemption does to elements of a partition."""
    if site.config.get("PreemptType", "preempt/none").endswith("none"):
        yield Finding("preemption", Severity.GOOD, "No job of this site preempts another (PreemptType).")
        return
    if site.config["PreemptType"].endswith("partition_prio") and not _is_below_another(site, partition):
        yield Finding("preemption", Severity.GOOD, f"No partition has priority over '{partition.name}' on its nodes.")
        return
    modes = set(partition.fields.get("PreemptMode", site.config.get("PreemptMode", "OFF")).upper().split(","))
    lost = (
        f"at most {duration(60 * request.checkpoint_minutes)} of each training"
        if request.checkpoint_minutes
        else "at most a rollout"
    )
    if "CANCEL" in modes:
        yield Finding(
            "preempt_mode",
            Severity.WARNING,
            f"What is preempted in the partition '{partition.name}' is cancelled (PreemptMode=CANCEL), whatever --requeue"
            " says: an element that is preempted does not come back by itself.",
            f"Launch again with the same configuration whenever that happens: what is not stored continues, and {lost} are lost.",
        )
    elif "SUSPEND" in modes:
        yield Finding(
            "preempt_mode",
            Severity.WARNING,
            f"What is preempted in the partition '{partition.name}' is suspended (PreemptMode=SUSPEND): its trainings stand"
            " still and keep the memory of their GPU.",
            "If the GPU of the job that preempts is the same, ask the site for a partition whose jobs are requeued.",
        )
    elif "REQUEUE" in modes:
        yield Finding("preempt_mode", Severity.GOOD, f"What is preempted in '{partition.name}' is requeued, and continues.")
        yield from _of_notice(site, partition)
    else:
        yield Finding("preempt_mode", Severity.GOOD, f"Jobs in '{partition.name}' are not preempted (PreemptMode=OFF).")


def _is_below_another(site: Site, partition: Partition) -> bool:
    """Tell whether another partition has priority on some of a partition's nodes."""
    above = {each.name for each in site.partitions if _tier(each) > _tier(partition)}
    return any(above & set(node.partitions) for node in site.nodes_of(partition.name))


def _tier(partition: Partition) -> int:
    return int(partition.fields.get("PriorityTier", "1"))


def _of_notice(site: Site, partition: Partition) -> Iterator[Finding]:
    """Yield how elements are told before they are preempted."""
    grace = partition.fields.get("GraceTime", "0")
    if grace != "0" and _PREEMPT_USER_SIGNAL not in site.config.get("SlurmctldParameters", ""):
        # Tried on Slurm 22.05: a job whose step ends on that SIGTERM is COMPLETED, and one whose step goes on is requeued.
        is_long = (_number(grace) or 0) > SECONDS_TO_BE_KILLED
        yield Finding(
            "preempt_signal",
            Severity.WARNING if is_long else Severity.NOTE,
            f"An element that is preempted gets SIGTERM {grace} seconds before (GraceTime); it saves, and waits to be killed, as"
            f" Slurm would not requeue one that ends by itself{', but for 10 minutes only' if is_long else ''}.",
            f"Administrators can set SlurmctldParameters={_PREEMPT_USER_SIGNAL}: then it leaves, and is requeued, at once.",
        )


def _of_killing(site: Site, request: Request) -> Iterator[Finding]:
    """Yield how jobs are killed."""
    kill_wait = _number(site.config.get("KillWait", ""))
    if kill_wait is not None and kill_wait < _SAVE_SECONDS + _SPARE_SECONDS:
        yield Finding(
            "kill_wait",
            Severity.WARNING,
            f"Slurm kills {kill_wait} seconds after SIGTERM (KillWait), and saving may take {_SAVE_SECONDS}: what is preempted or"
            " requeued from outside may lose all since its last checkpoint.",
            "Set a smaller checkpoint_minutes. Time limits are not concerned: their warning comes earlier.",
        )
    tracked = site.config.get("ProctrackType", "").partition("/")[2]
    if tracked in _SIGNAL_ALL and request.has_image:
        yield Finding(
            "proctrack",
            Severity.WARNING,
            f"Signals of Slurm reach every process of a job (ProctrackType=proctrack/{tracked}), also the one that mounts the"
            " image. It is kept deaf to them (containers/fuse), unless Apptainer here brings a squashfuse of its own.",
            "If elements end with 'Bus error' when they are to save, unpack the image (apptainer build --sandbox FOLDER IMAGE)"
            " and give the folder in its place.",
        )


def _of_records(site: Site) -> Iterator[Finding]:
    """Yield whether Slurm remembers what has ended."""
    if site.has_accounting:
        yield Finding(
            "accounting", Severity.GOOD, "Slurm keeps accounts (AccountingStorageType): sacct says why a job has ended."
        )
        return
    yield Finding(
        "accounting",
        Severity.NOTE,
        "Slurm keeps no accounts here (AccountingStorageType): sacct cannot say why a job has ended, and no limits of users"
        " are told.",
        "What is done is decided from result files; why an element ended is in its log.",
    )


def _of_internet(request: Request) -> Iterator[Finding]:
    """Yield what nodes without a way out mean."""
    if request.needs_internet:
        yield Finding(
            "internet",
            Severity.NOTE,
            "Nodes often reach no server outside: W&B then waits a minute at the start of each training, and goes on offline.",
            "Set wandb.mode=offline, and send the runs later with the command that each result names.",
        )


def _exit_codes(spelled: str) -> set[int]:
    """Read a list of exit codes, such as ``1,3-5``."""
    codes: set[int] = set()
    for low, high in re.findall(r"(\d+)(?:-(\d+))?", spelled):
        codes |= set(range(int(low), int(high or low) + 1))
    return codes


def _number(spelled: str) -> int | None:
    """Read a number with its unit, such as ``30 sec``."""
    word = spelled.partition(" ")[0]
    return int(word) if word.isdecimal() else None
