"""The site: what Slurm says of its own settings, partitions and nodes."""

from __future__ import annotations

import getpass
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rlhpc.cluster.slurm import ask, fields, lines, minutes
from rlhpc.errors import SlurmError

_DEFAULT_MAX_ARRAY_SIZE = 1001  # slurm.conf(5)
_GPUS = re.compile(r"gpu(?::(?P<type>[A-Za-z_][\w.-]*))?:(?P<n>\d+)")
_UNUSABLE_STATES = ("DOWN", "DRAIN", "FAIL", "NO_RESPOND", "NOT_RESPONDING", "POWERED_DOWN*", "UNKNOWN", "FUTURE")


@dataclass(frozen=True)
class Partition:
    """One partition.

    Attributes
    ----------
    name : str
    is_default : bool
    is_up : bool
        Whether jobs in it can start.
    max_minutes : int or None
        Longest time limit of a job; None: no limit.
    fields : mapping
        All that ``scontrol show partition`` says.
    """

    name: str
    is_default: bool
    is_up: bool
    max_minutes: int | None
    fields: Mapping[str, str]


@dataclass(frozen=True)
class Node:
    """One node.

    Attributes
    ----------
    name, host : str
    partitions : tuple of str
    n_gpus, n_cpus, memory_mb : int
    gpu_types : tuple of str
        As ``--gres=gpu:TYPE:N`` spells them; empty where the site has no names.
    is_usable : bool
        Whether it is up and takes jobs.
    """

    name: str
    host: str
    partitions: tuple[str, ...]
    n_gpus: int
    n_cpus: int
    memory_mb: int
    gpu_types: tuple[str, ...] = ()
    is_usable: bool = True


@dataclass(frozen=True)
class Site:
    """What Slurm says of itself.

    Attributes
    ----------
    config : mapping
        ``scontrol show config``.
    partitions : tuple of Partition
    nodes : tuple of Node
    """

    config: Mapping[str, str]
    partitions: tuple[Partition, ...]
    nodes: tuple[Node, ...]

    @property
    def max_array_size(self) -> int:
        """Number of elements that an array may have; Slurm bounds the index, which counts from 0."""
        return int(self.config.get("MaxArraySize") or _DEFAULT_MAX_ARRAY_SIZE)

    @property
    def has_accounting(self) -> bool:
        """Whether ``sacct`` and ``sacctmgr`` can answer."""
        return "none" not in self.config.get("AccountingStorageType", "none")

    def partition(self, name: str | None) -> Partition | None:
        """Return a partition, the default one for None; None if there is none of that name."""
        return next((each for each in self.partitions if (each.name == name if name else each.is_default)), None)

    def nodes_of(self, partition: str) -> tuple[Node, ...]:
        """Return the nodes of a partition."""
        return tuple(node for node in self.nodes if partition in node.partitions)


def read_site() -> Site:
    """Ask Slurm for its settings, partitions and nodes.

    Raises
    ------
    SlurmError
    """
    return Site(
        parse_config(ask("scontrol", "show", "config")),
        tuple(parse_partitions(ask("scontrol", "--oneliner", "show", "partition"))),
        tuple(parse_nodes(ask("scontrol", "--oneliner", "show", "node"))),
    )


def parse_config(text: str) -> dict[str, str]:
    """Read ``scontrol show config``: lines of ``Name = value``."""
    pairs = (line.partition("=") for line in lines(text))
    return {name.strip(): value.strip() for name, equals, value in pairs if equals}


def parse_partitions(text: str) -> Iterator[Partition]:
    """Read ``scontrol --oneliner show partition``."""
    for line in lines(text):
        found = fields(line)
        if name := found.get("PartitionName"):
            limit = minutes(found.get("MaxTime", ""))
            yield Partition(name, found.get("Default") == "YES", found.get("State") == "UP", limit, found)


def parse_nodes(text: str) -> Iterator[Node]:
    """Read ``scontrol --oneliner show node``."""
    for line in lines(text):
        found = fields(line)
        if name := found.get("NodeName"):
            gpus = list(_GPUS.finditer(found.get("Gres", "")))
            state = found.get("State", "").upper()
            yield Node(
                name=name,
                host=found.get("NodeHostName", name),
                partitions=tuple(part for part in found.get("Partitions", "").split(",") if part),
                n_gpus=sum(int(gpu["n"]) for gpu in gpus),
                n_cpus=int(found.get("CPUTot", 0)),
                memory_mb=int(found.get("RealMemory", 0)),
                gpu_types=tuple(gpu["type"] for gpu in gpus if gpu["type"]),
                is_usable=not any(word in state for word in _UNUSABLE_STATES),
            )


def max_submit_jobs(site: Site) -> int | None:
    """Return how many jobs, elements of arrays counted each, this user may have in the queue; None: no limit that is told.

    The least of the limits of the user's associations and of their default qualities of service; another quality of service
    may have its own, which sbatch then enforces.
    """
    if not site.has_accounting:
        return None
    try:
        told = ask(
            "sacctmgr", "--noheader", "--parsable2", "show", "associations", "where", f"user={getpass.getuser()}",
            "format=MaxSubmitJobs,GrpSubmitJobs,DefaultQOS",
        )  # fmt: skip
        found = [line.split("|") for line in lines(told)]
        limits = [value for *values, _ in found for value in values]
        if names := {qos for *_, qos in found if qos}:
            asked = f"name={','.join(sorted(names))}"
            of_qos = "format=MaxSubmitJobsPerUser,MaxSubmitJobsPerAccount,GrpSubmitJobs"
            told = ask("sacctmgr", "--noheader", "--parsable2", "show", "qos", "where", asked, of_qos)
            limits += [value for line in lines(told) for value in line.split("|")]
    except SlurmError:  # sites may keep it from their users; sbatch will tell
        return None
    return min((int(limit) for limit in limits if limit.isdecimal()), default=None)
