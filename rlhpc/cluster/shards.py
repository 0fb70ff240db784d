"""The shards of a search: one array of them, and the job that merges them when all have ended."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rlhpc.cluster.image import HOME, Image
from rlhpc.cluster.image import PYTHON as IMAGE_PYTHON
from rlhpc.cluster.programs import ask, outside_of_jobs
from rlhpc.cluster.site import Site, parse_config
from rlhpc.errors import InputError, SlurmError
from rlhpc.files import writable_folder

_DEFAULT_MEMORY = "--mem=2G"  # of the order of what a shard takes; some sites give a job that asks for none a whole node's
_SUBMIT_SECONDS = 600.0  # sbatch tries again by itself where the controller is busy
_SHARD, _MERGE = "shard", "merge"
_PYTHON, _AGAIN = "RLHPC_SEARCH_PYTHON", "RLHPC_SEARCH_AGAIN"


@dataclass(frozen=True)
class Shards:
    """A search in shards, as Slurm is to carry it out.

    Attributes
    ----------
    script : Path
        slurm/subset_search.sh, which all jobs run.
    job : Path
        jobs/subset_search.py, which it starts.
    python : str
        With this interpreter.
    folder : Path
        In this folder, to which the words' paths may be relative.
    words : tuple of str
        Of the job's command line, for every shard and for the merge.
    n_shards : int
    missing : str
        The shards to search, as ``--array`` takes them; blank: all are stored.
    at_once : int or None
        How many run at a time; None: all.
    logs : Path
        The folder for what jobs print.
    driver : tuple of str or None
        Options of the job that submits, from `rlhpc.cluster.driver`; None where no job does.
    image : Image or None
        That jobs run in, with its own Python and its own copy of the job; None: on the host.
    """

    script: Path
    job: Path
    python: str
    folder: Path
    words: tuple[str, ...]
    n_shards: int
    missing: str
    at_once: int | None
    logs: Path
    driver: tuple[str, ...] | None = None
    image: Image | None = None

    @property
    def start(self) -> tuple[str, ...]:
        """The words that start the job on a node; they go before those of its command line."""
        if self.image is None:
            return (self.python, str(self.job))
        return self.image.command((*IMAGE_PYTHON, str(HOME / "jobs" / self.job.name)))

    def shard_log(self, array_id: str, index: str = "*") -> Path:
        """Return the path of what a shard prints."""
        return self.logs / f"shard-{array_id}_{index}.out"

    def merge_log(self, merge_id: str) -> Path:
        """Return the path of what the merge prints."""
        return self.logs / f"merge-{merge_id}.out"


@dataclass(frozen=True)
class SubmittedJobs:
    """What Slurm has taken.

    Attributes
    ----------
    array_id : str or None
        None where all shards are stored.
    merge_id : str
    """

    array_id: str | None
    merge_id: str


def submit(shards: Shards) -> SubmittedJobs:
    """Submit the array of what is missing, and the merge; both or none.

    Raises
    ------
    InputError
        If the folder for output cannot be written, or there are more shards than the site takes.
    SlurmError
        With sbatch's own words, if it refuses one.
    """
    writable_folder(shards.logs)  # Slurm makes none: the jobs would end without a word
    with outside_of_jobs():
        array_id = _submit_array(shards) if shards.missing else None
        with _cancelled_on_failure(array_id):
            return SubmittedJobs(array_id, _sbatch(merge_command(shards, array_id, os.environ), environment(shards, _MERGE)))


def array_command(shards: Shards, environ: Mapping[str, str]) -> list[str]:
    """Spell the submission of the missing shards.

    Parameters
    ----------
    shards : Shards
    environ : mapping
        In which sbatch is called: memory may be asked for there.
    """
    at_once = f"%{shards.at_once}" if shards.at_once else ""
    return [
        *_options(shards, environ),
        "--job-name=subset_search",
        f"--array={shards.missing}{at_once}",
        f"--output={_pattern(shards)}/{shards.shard_log('%A', '%a').name}",
        str(shards.script),
        *shards.words,
    ]


def merge_command(shards: Shards, array_id: str | None, environ: Mapping[str, str]) -> list[str]:
    """Spell the submission of the merge, which waits until all shards of an array have ended, be it well or not."""
    return [
        *_options(shards, environ),
        "--job-name=subset_search_merge",
        f"--output={_pattern(shards)}/{shards.merge_log('%j').name}",
        *([f"--dependency=afterany:{array_id}"] if array_id else []),
        str(shards.script),
        *shards.words,
    ]


def environment(shards: Shards, phase: str) -> dict[str, str]:
    """Return what the script goes by in a job."""
    return {
        "RLHPC_SEARCH_PHASE": phase,
        "RLHPC_SEARCH_FOLDER": str(shards.folder),
        _PYTHON: shards.python,
        "RLHPC_SEARCH_START": "\n".join(shards.start),
        "SHARDS": str(shards.n_shards),
        _AGAIN: f"What shards printed is in '{shards.logs}'. To search what is missing, and merge, call again in "
        f"'{shards.folder}': {command_again(shards)}",
    }


def describe(shards: Shards, taken: SubmittedJobs) -> str:
    """Say which jobs there are, what they do, and where they print."""
    merge = f"Merge job {taken.merge_id} does the rest; it prints to {shards.merge_log(taken.merge_id)}"
    if taken.array_id is None:
        return merge
    logs = shards.shard_log(taken.array_id)
    return f"Array job {taken.array_id} searches shards {shards.missing}; they print to {logs}\n{merge}"


def command_again(shards: Shards) -> str:
    """Spell the command line that submits the same once more, by a driver where there was one."""
    if shards.driver is None:
        return _command_here(shards)
    at_once = f"PARALLEL={shards.at_once} " if shards.at_once else ""
    container = f"CONTAINER={shlex.quote(str(shards.image.path))} " if shards.image else ""
    words = shlex.join(["sbatch", *shards.driver, str(shards.script), *shards.words])
    return f"SHARDS={shards.n_shards} {at_once}{container}{words}"


def interpreter() -> str:
    """Return the Python for all jobs: the one that the script was told to take, else ours."""
    return os.environ.get(_PYTHON, sys.executable)


def remedy() -> str:
    """Say what to do where shards are missing in the merge that we may be; blank where no `submit` has made us."""
    return os.environ.get(_AGAIN, "")


def _command_here(shards: Shards) -> str:
    """Spell the command line that submits the same without a driver."""
    at_once = [f"--at-once={shards.at_once}"] if shards.at_once else []
    container = [f"--container={shards.image.path}"] if shards.image else []
    flags = ["--submit", f"--n-shards={shards.n_shards}", *at_once, *container]
    return shlex.join([shards.python, str(shards.job), *flags, *shards.words])


def _options(shards: Shards, environ: Mapping[str, str]) -> list[str]:
    """Spell what holds for all jobs."""
    given = shards.driver or ()
    asks_for_memory = any(option.startswith("--mem") for option in given) or any(
        name in environ for name in ("SBATCH_MEM_PER_CPU", "SBATCH_MEM_PER_NODE")
    )
    memory = [] if asks_for_memory else [_DEFAULT_MEMORY]
    return ["sbatch", *given, *memory, "--parsable", "--export=ALL", "--requeue", "--open-mode=append"]


def _pattern(shards: Shards) -> str:
    """Spell the folder for output in a file name pattern, where a % of its own is not one of Slurm's."""
    return str(shards.logs).replace("%", "%%")


def _submit_array(shards: Shards) -> str:
    """Submit the array; where Slurm refuses it, say why it may have done so."""
    try:
        return _sbatch(array_command(shards, os.environ), environment(shards, _SHARD))
    except SlurmError as error:
        for empty in (shards.logs, shards.logs.parent):
            with contextlib.suppress(OSError):
                empty.rmdir()
        most, last = _max_array_size(), int(re.split("[-,]", shards.missing)[-1])
        if most is not None and last >= most:
            raise InputError(
                f"{error}\n{shards.n_shards} shards are too many for this cluster, whose MaxArraySize is {most}. Give "
                f"SHARDS={most} or fewer (--n-shards of the job)."
            ) from error
        here = f"\nWhere jobs may not submit jobs, call this from a login node: {_command_here(shards)}"
        raise SlurmError(f"{error}\nNothing else was submitted.{'' if shards.driver is None else here}") from error


def _sbatch(command: list[str], env: Mapping[str, str]) -> str:
    """Submit, and return the job's id."""
    said = ask(*command, timeout_seconds=_SUBMIT_SECONDS, env=env)
    job_ids = re.findall(r"^(\d+)(?:;.*)?$", said, re.MULTILINE)  # behind it stands the cluster, where there are several
    if not job_ids:
        raise SlurmError(f"'{shlex.join(command)}' printed '{said.strip()}', which is no job's id. Look for it with squeue.")
    return str(job_ids[-1])


def _max_array_size() -> int | None:
    try:
        return Site(parse_config(ask("scontrol", "show", "config")), (), ()).max_array_size
    except SlurmError:
        return None


@contextlib.contextmanager
def _cancelled_on_failure(array_id: str | None) -> Iterator[None]:
    """Cancel the array if its merge cannot be submitted: shards without a merge are no search."""
    try:
        yield
    except SlurmError as error:
        if array_id is None:
            raise
        raise SlurmError(f"{error}\nThere is no merge, so the array {array_id} {_cancel(array_id)}.") from error
    except BaseException:  # Ctrl-C
        if array_id is not None:
            _cancel(array_id)
        raise


def _cancel(array_id: str) -> str:
    try:
        ask("scancel", array_id)
    except SlurmError as error:
        return f"was to be cancelled, but {error}"
    return "is cancelled"
