"""Slurm's programs: the one place that runs them, and how their answers are spelled."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Collection, Iterator, Mapping

from rlhpc.errors import SlurmError

ANSWER_SECONDS = 60.0  # a busy controller answers late; later than this, it does not
_PAIR = re.compile(r"(\S+?)=")
_CONTROLLER = {"SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_JWT"}  # whom we ask, and as whom
# What the environment may tell sbatch whatever is submitted: where it runs, how long, on whose account. All other variables of
# sbatch are of one job (its array, name, output, signal, GPUs), and sbatch puts them above what a script says: they would break
# ours.
SETTINGS = {
    "SBATCH_ACCOUNT",
    "SBATCH_CLUSTERS",
    "SBATCH_COMMENT",
    "SBATCH_CONSTRAINT",
    "SBATCH_MEM_PER_CPU",
    "SBATCH_MEM_PER_NODE",
    "SBATCH_PARTITION",
    "SBATCH_QOS",
    "SBATCH_RESERVATION",
    "SBATCH_TIMELIMIT",
    "SBATCH_WCKEY",
}
# SLURM_EXPORT_ENV=NONE keeps from a job's step what the job was told; the other replaces the signal that submitit is to hear.
_MISLEADING = {"SLURM_EXPORT_ENV", "SUBMITIT_PREEMPT_SIGNAL"}
_OF_ANSWERS = ("SQUEUE_", "SCONTROL_", "SINFO_")  # a user's wishes for what these programs show would hide jobs from us


def is_there() -> bool:
    """Tell whether this machine can submit to Slurm."""
    return shutil.which("sbatch") is not None


def ask(*command: str, timeout_seconds: float = ANSWER_SECONDS, env: Mapping[str, str] | None = None) -> str:
    """Run one of Slurm's programs and return what it prints.

    Parameters
    ----------
    *command : str
    timeout_seconds : float
    env : mapping, optional
        Laid over our environment.

    Raises
    ------
    SlurmError
        If it is missing, fails or does not answer; with its own words.
    """
    spelled = " ".join(command)
    plain = {name: value for name, value in os.environ.items() if not name.startswith(_OF_ANSWERS)} | dict(env or {})
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=timeout_seconds, check=False, env=plain)
    except FileNotFoundError as error:
        raise SlurmError(f"'{command[0]}' is not on PATH. Log in to a node of the cluster, or load its Slurm module.") from error
    except subprocess.TimeoutExpired as error:
        raise SlurmError(f"'{spelled}' did not answer within {timeout_seconds:.0f} seconds. Try again later.") from error
    if ran.returncode:
        raise SlurmError(f"'{spelled}' failed: {ran.stderr.strip() or f'exit code {ran.returncode}'}")
    return ran.stdout


@contextlib.contextmanager
def outside_of_jobs(settings: Collection[str] = SETTINGS) -> Iterator[None]:
    """Forget what describes other jobs, for the time of a submission.

    The job that we may be in, whose array and cores would leak into what is submitted from inside it; what submitit and srun
    would do otherwise than we expect; and all variables of sbatch but some.

    Parameters
    ----------
    settings : collection of str
        The variables of sbatch that hold.
    """
    before = dict(os.environ)
    ours = ("SLURM_", "SLURMD_", "SRUN_") if "SLURM_JOB_ID" in before else ()  # outside of a job they are the user's, for srun
    for name in before.keys() - _CONTROLLER - set(settings):
        if name.startswith(("SBATCH_", *ours)) or name in _MISLEADING:
            del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(before)


def fields(line: str) -> dict[str, str]:
    """Read a line of ``scontrol --oneliner``: ``NodeName=n1 Arch=x86_64 OS=Linux 6.1 ...``; values may hold blanks."""
    starts = [match for match in _PAIR.finditer(line) if match.start() == 0 or line[match.start() - 1] == " "]
    ends = [*(match.start() for match in starts[1:]), len(line)]
    return {match[1]: line[match.end() : end].strip() for match, end in zip(starts, ends, strict=False)}  # a heading has none


def minutes(spelled: str) -> int | None:
    """Read a time as Slurm spells it, in minutes, rounded up; None where there is none, as in ``UNLIMITED``.

    It is ``minutes``, ``minutes:seconds``, ``hours:minutes:seconds``, or ``days-hours[:minutes[:seconds]]``.
    """
    match = re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", spelled.strip())
    if match is None:
        return None
    days, *rest = (int(part) if part is not None else None for part in match.groups())
    given = [part for part in rest if part is not None]
    if days is not None or len(given) == 3:  # from the hours on
        hours, mins, seconds = [*given, 0, 0][:3]
    else:
        hours, (mins, seconds) = 0, [*given, 0][:2]
    return (days or 0) * 24 * 60 + hours * 60 + mins + (seconds > 0)


def lines(text: str) -> Iterator[str]:
    """Yield the lines that say something."""
    return (line for line in text.splitlines() if line.strip())
