"""Arrays: elements handed to Slurm, as many arrays as the site's limits take."""

from __future__ import annotations

import contextlib
import io
import itertools
import math
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from submitit import SlurmExecutor
from submitit.core.utils import FailedJobError, FailedSubmissionError

from rlhpc.cluster import submission
from rlhpc.cluster.element import Element
from rlhpc.cluster.programs import SETTINGS, outside_of_jobs
from rlhpc.cluster.queue import array_of
from rlhpc.cluster.submission import Submission
from rlhpc.errors import SlurmError
from rlhpc.words import count

LONGEST_DEFAULT_MINUTES = 24 * 60  # where neither the user nor the partition says less; longer jobs wait longer
# What a supervisor takes beyond `stop_seconds` until all its processes are gone, and Slurm's own unpunctuality.
_SECONDS_TO_LEAVE = 15.0
_LOOK_AGAIN = "If it has, squeue shows it, and launching again in a minute finds it."
# What the plan decides; else the environment may tell sbatch what the configuration does not.
_OF_THE_PLAN = {f"SBATCH_{name}" for name in ("CLUSTERS", "MEM_PER_CPU", "MEM_PER_NODE", "PARTITION", "TIMELIMIT")}
# Starts what Slurm starts on a node with the warning signal kept back: while Python is still loading it would kill, and the
# element would have failed instead of being requeued. Nothing is kept back by an `env` older than coreutils 8.31.
_KEEPING_BACK = (
    'sh -c \'later="env --block-signal=USR1 --block-signal=USR2"; $later true 2>/dev/null || later=; exec $later "$@"\' sh'
)
# sbatch's options that say the same as one of ours: where the user gives one, ours is left out.
_SAME_AS = {
    "mem": {"mem", "mem-per-cpu", "mem-per-gpu"},
    "gpus_per_node": {"gpus-per-node", "gres", "gpus", "gpus-per-task"},
    "cpus_per_task": {"cpus-per-task", "cpus-per-gpu"},
}
_OURS = {
    "array": "the plan says how many elements there are (packing.max_nodes bounds them)",
    "job-name": "by it a later launch finds the job (it begins with the name of the grid)",
    "output": "the output is found by its place",
    "error": "the output is found by its place",
    "signal": "it is sent as early as saving takes (stop_seconds)",
    "nodes": "an element is one node",
    "ntasks": "an element is one task",
    "ntasks-per-node": "an element is one task",
    "partition": "it has a key of its own: slurm.partition",
    "time": "it has a key of its own: slurm.timeout_min",
    "clusters": "squeue is asked of one cluster: set SLURM_CONF, or load the module of the other",
    **dict.fromkeys(("parsable", "wait", "test-only", "wrap", "quiet"), "it changes what sbatch answers or does"),
}


@dataclass(frozen=True)
class SlurmConfig:
    """What is asked of Slurm.

    Attributes
    ----------
    partition : str or None
        None: the site's default.
    timeout_min : int or None
        Time limit of an element in minutes; None: the partition's, 24 hours at most. What is not done by then is saved, and
        goes on when the element is requeued.
    cpus_per_training : float
        Cores for each training that an element carries out at once.
    memory_gb_per_training : float
        Host memory for each, in gigabytes.
    array_parallelism : int or None
        Elements at once; None: as many as the cluster has room for.
    max_timeouts : int
        How often an element may reach its time limit.
    setup : tuple of str
        Lines of shell before the supervisor starts, such as ``module load cuda``.
    options : dict
        Any other option of sbatch, without its dashes: ``{account: rl, qos: long, gres: "gpu:a100:2"}``; true for one without
        a value.
    """

    partition: str | None = None
    timeout_min: int | None = None
    cpus_per_training: float = 1.0
    memory_gb_per_training: float = 4.0
    array_parallelism: int | None = None
    max_timeouts: int = 1000
    setup: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def sbatch_options(self) -> dict[str, Any]:
        """The options as sbatch spells them; those that were taken back by null or false are left out."""
        return {_dashed(name): value for name, value in self.options.items() if value is not None and value is not False}

    def option(self, name: str) -> str | None:
        """Return the value of an option; None where it is not given."""
        value = self.sbatch_options.get(name)
        return None if value is None else str(value)

    def faults(self) -> Iterator[str]:
        """Yield what is out of range, or not the user's to say."""
        for name, least in (("timeout_min", 1), ("array_parallelism", 1), ("max_timeouts", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                yield f"slurm.{name} = {value} must be at least {least}."
        for name in ("cpus_per_training", "memory_gb_per_training"):
            value = getattr(self, name)
            if not 0 < value < math.inf:
                yield f"slurm.{name} = {value} must be a number above 0."
        for name in self.options:
            if reason := _OURS.get(_dashed(name)):
                yield f"slurm.options.{name} cannot be given: {reason}."


@dataclass(frozen=True)
class Demand:
    """What each element needs, as Slurm is asked for it.

    Attributes
    ----------
    config : SlurmConfig
    gpus : int
        0: none are asked for.
    cpus : int
    memory_gb : float
    timeout_min : int
    stop_seconds : float
        That trainings are given to save and leave.
    """

    config: SlurmConfig
    gpus: int
    cpus: int
    memory_gb: float
    timeout_min: int
    stop_seconds: float

    @property
    def seconds_to_leave(self) -> float:
        """Within which a supervisor that was told to stop has ended."""
        return self.stop_seconds + _SECONDS_TO_LEAVE

    @property
    def signal_seconds(self) -> int:
        """How long before the time limit Slurm gives its warning."""
        return math.ceil(self.seconds_to_leave + _SECONDS_TO_LEAVE)


@dataclass(frozen=True)
class Share:
    """What one element is to carry out.

    Attributes
    ----------
    names : tuple of str
        Of its trainings.
    work : str
        As its supervisor reads it.
    """

    names: tuple[str, ...]
    work: str


def demand(config: SlurmConfig, *, gpus: int, trainings_at_once: int, stop_seconds: float, max_minutes: int | None) -> Demand:
    """Say what an element needs.

    Parameters
    ----------
    config : SlurmConfig
    gpus : int
    trainings_at_once : int
        On all GPUs of an element.
    stop_seconds : float
    max_minutes : int or None
        Longest time limit that the partition takes; None: any.
    """
    return Demand(
        config,
        gpus=gpus,
        cpus=math.ceil(config.cpus_per_training * trainings_at_once),
        memory_gb=config.memory_gb_per_training * trainings_at_once,
        timeout_min=config.timeout_min or min(max_minutes or LONGEST_DEFAULT_MINUTES, LONGEST_DEFAULT_MINUTES),
        stop_seconds=stop_seconds,
    )


def split(shares: Sequence[Share], max_array_size: int) -> list[Sequence[Share]]:
    """Divide elements among arrays that the site takes, as even as can be."""
    n_arrays = -(-len(shares) // max_array_size)
    bounds = [round(index * len(shares) / n_arrays) for index in range(n_arrays + 1)] if n_arrays else []
    return [shares[start:stop] for start, stop in itertools.pairwise(bounds)]


def submit(
    root: Path, grid_name: str, arrays: Sequence[Sequence[Share]], command: Sequence[str], needs: Demand
) -> Iterator[Submission]:
    """Submit arrays of elements, one after the other; yield each when Slurm has taken it.

    Parameters
    ----------
    root : Path
        ``logs/<name>``, on a file system that the nodes share.
    grid_name : str
        With which the names of the jobs begin.
    arrays : sequence of sequence of Share
        From `split`.
    command : sequence of str
        That starts an element's supervisor.
    needs : Demand
        Of each element.

    Raises
    ------
    SlurmError
        With sbatch's own words, if it refuses one; those that were yielded before are in the queue.
    """
    at_once = needs.config.array_parallelism
    for shares in arrays:
        begun = submission.begin(grid_name, [share.names for share in shares])
        submission.write(root, begun)  # before sbatch: what is in the queue is always on record
        elements = [Element(command, share.work, needs.seconds_to_leave, needs.timeout_min * 60) for share in shares]
        made = executor(begun.folder(root), begun.job_name, needs, at_once and max(at_once // len(arrays), 1))
        try:
            with (
                contextlib.redirect_stderr(io.StringIO()),
                outside_of_jobs(SETTINGS - _OF_THE_PLAN - {f"SBATCH_{name.upper()}" for name in needs.config.sbatch_options}),
            ):
                first = made.submit_array(elements)[0]
        except KeyboardInterrupt as error:
            error.add_note(f"The job {begun.job_name} may be in the queue: launching again finds it, and this ends it:")
            error.add_note(f"scancel --name={begun.job_name}")
            raise
        except (FailedJobError, FailedSubmissionError) as error:  # submitit prints sbatch's words, too: once is enough
            what = f"the array of {count(len(shares), 'element')}"
            if isinstance(error, FailedSubmissionError) or "timed out" in str(error):  # it may have taken it
                raise SlurmError(f"sbatch did not say whether it took {what}: {_words_of(error)} {_LOOK_AGAIN}") from error
            submission.remove(root, begun)
            raise SlurmError(f"sbatch refused {what}: {_words_of(error)}") from error
        taken = replace(begun, job_id=array_of(first.job_id))
        submission.write(root, taken)
        yield taken


def executor(folder: Path, job_name: str, needs: Demand, at_once: int | None) -> SlurmExecutor:
    """Set submitit up to submit elements."""
    python = f"{_KEEPING_BACK} {shlex.quote(sys.executable)}"
    made = SlurmExecutor(folder, max_num_timeout=needs.config.max_timeouts, python=python)
    made.update_parameters(**parameters(job_name, needs), array_parallelism=at_once or sys.maxsize)
    return made


def parameters(job_name: str, needs: Demand) -> dict[str, Any]:
    """Spell what is asked of sbatch, and of the srun in its script, for submitit."""
    options = needs.config.sbatch_options
    ours: dict[str, Any] = {
        "mem": f"{math.ceil(needs.memory_gb * 1024)}MB",
        "gpus_per_node": needs.gpus or None,
        "cpus_per_task": needs.cpus,
    }
    ours = {name: None if _SAME_AS[name] & options.keys() else value for name, value in ours.items()}
    cpus = options.get("cpus-per-task", ours["cpus_per_task"])
    return {
        "job_name": job_name,
        "partition": needs.config.partition,
        "time": needs.timeout_min,
        "nodes": 1,
        "ntasks_per_node": 1,  # which supervises all GPUs: submitit saves and requeues for its first task alone
        **ours,
        "signal_delay_s": needs.signal_seconds,
        "stderr_to_stdout": True,
        "setup": list(needs.config.setup) or None,
        # Sites set WaitTime, and then Slurm kills what goes on longer than the first that ends; and since 22.05 srun does not
        # ask for the cores that sbatch was given.
        "srun_args": ["--wait=0", *([f"--cpus-per-task={cpus}"] if cpus else [])],
        "wckey": None,
        # The signal here too: submitit lets a variable of the environment change it.
        "additional_parameters": {"requeue": True, "signal": f"USR2@{needs.signal_seconds}", **options},
    }


def _words_of(error: Exception) -> str:
    """Return what sbatch said."""
    return "; ".join(line.removeprefix("sbatch: ").removeprefix("error: ") for line in str(error).splitlines())


def _dashed(name: str) -> str:
    return name.strip("-").replace("_", "-")


def described(needs: Demand) -> Mapping[str, Any]:
    """Put a demand into words that JSON knows; null is what the user's own options decide."""
    own = needs.config.sbatch_options.keys()
    return {
        "partition": needs.config.partition,
        "gpus": needs.gpus,
        "cpus": None if _SAME_AS["cpus_per_task"] & own else needs.cpus,
        "memory_gb": None if _SAME_AS["mem"] & own else needs.memory_gb,
        "timeout_min": needs.timeout_min,
        "options": needs.config.sbatch_options,
    }
