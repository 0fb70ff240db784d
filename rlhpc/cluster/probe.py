"""Probe: a job of seconds that looks around on a node of a partition, for what can be seen there alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rlhpc.cluster.programs import ask, outside_of_jobs
from rlhpc.errors import SlurmError

START_SECONDS = 10  # a node that is free starts it at once; later than this, the cluster is busy
_END_SECONDS = 45.0
_LONG_END_SECONDS = 240.0  # where nothing can mount an image, it is unpacked first
_OPTIONS = ("account", "qos", "reservation", "constraint", "nodelist", "exclude", "cluster-constraint", "licenses")


def run(
    words: Sequence[str],
    partition: str | None,
    options: Mapping[str, object] | None = None,
    *,
    asked: Sequence[str] = (),
    memory_gb: int = 0,
) -> str:
    """Run a command on a node of a partition; return what it prints.

    Parameters
    ----------
    words : sequence of str
        The command.
    partition : str or None
        None: the site's default.
    options : mapping, optional
        What the user gives to sbatch, without dashes, such as ``account``; what says where a job runs, and for whom, holds.
    asked : sequence of str
        More options of srun.
    memory_gb : int
        That it takes, and minutes; 0: next to nothing, and a second.

    Raises
    ------
    SlurmError
        If no node could be asked at once.
    """
    size = ("--time=5", f"--mem={memory_gb}G") if memory_gb else ("--time=1", "--mem=50M")
    manners = (f"--immediate={START_SECONDS}", "--input=none", "--chdir=/", "--job-name=rlhpc-probe", "--quiet")
    where = _where(partition, options or {})
    try:
        with outside_of_jobs():
            return ask(
                *("srun", "--nodes=1", "--ntasks=1", *size, *manners, *where, *asked, *words),
                timeout_seconds=_LONG_END_SECONDS if memory_gb else _END_SECONDS,
            )
    except SlurmError as error:
        raise SlurmError(f"no node answered, which is given {START_SECONDS} seconds to start ({_reason(error)}).") from error


def _where(partition: str | None, options: Mapping[str, object]) -> Iterator[str]:
    """Spell where a job runs, and for whom."""
    if partition:
        yield f"--partition={partition}"
    yield from (f"--{name}={options[name]}" for name in _OPTIONS if name in options)


def _reason(error: SlurmError) -> str:
    """Return the last that srun said."""
    said = str(error).rpartition("' failed: ")[2].strip().splitlines()[-1]
    return said.lstrip("' ").removeprefix("srun: ").removeprefix("error: ")
