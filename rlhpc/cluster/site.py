"""The site: what Slurm says of its own settings, partitions and nodes."""

from __future__ import annotations

import getpass
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rlhpc.cluster.programs import ask, fields, lines, minutes
from rlhpc.errors import SlurmError

_DEFAULT_MAX_ARRAY_SIZE, _DEFAULT_MAX_JOB_COUNT = 1001, 10_000  # slurm.conf(5)
GPU = "gpu"  # the name of GPUs among the generic resources
# Words of a node's state, as in IDLE+DRAIN or DOWN*+CLOUD; a node that saves power (POWERED_DOWN) starts when it is needed.
_UNUSABLE_STATES = {
    "DOWN",
    "DRAIN",
    "DRAINED",
    "DRAINING",
    "FAIL",
    "FAILING",
    "ERROR",
    "UNKNOWN",
    "FUTURE",
    "INVAL",
    "INVALID_REG",
}
_UNUSABLE_STATES |= {"NO_RESPOND", "NOT_RESPONDING"}
_NOT_RESPONDING = "*"
_NUMBER, _UNITS, _NO_CONSUME = re.compile(r"(?P<n>\d+)(?P<unit>[kKmMgGtTpP]?)"), ("", "K", "M", "G", "T", "P"), "no_consume"
_SOCKETS = re.compile(r"\([^)]*\)")


@dataclass(frozen=True)
class Gres:
    """A number of generic resources, as in ``gpu:a100:4``.

    Attributes
    ----------
    name : str
        ``gpu`` of GPUs.
    kind : str
        Blank where none is named.
    n : int
    """

    name: str
    kind: str
    n: int


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
    name : str
    partitions : tuple of str
    n_cpus, memory_mb : int
        What jobs can have of it.
    is_usable : bool
        Whether it is up and takes jobs.
    state, reason : str
        In Slurm's and its administrators' words.
    gres : tuple of Gres
        GPUs among them.
    threads_per_core : int
        More than 1 where each "CPU" of Slurm's is half a core.
    """

    name: str
    partitions: tuple[str, ...]
    n_cpus: int
    memory_mb: int
    is_usable: bool = True
    state: str = ""
    reason: str = ""
    gres: tuple[Gres, ...] = ()
    threads_per_core: int = 1

    def count(self, name: str, kind: str = "") -> int:
        """Return how many generic resources it has of a name and, if given, a kind."""
        return sum(each.n for each in self.gres if each.name == name and kind in ("", each.kind))


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
    def max_job_count(self) -> int:
        """Number of jobs, elements of arrays counted each, that the whole site may have in its queue."""
        return int(self.config.get("MaxJobCount") or _DEFAULT_MAX_JOB_COUNT)

    @property
    def has_accounting(self) -> bool:
        """Whether ``sacct`` and ``sacctmgr`` can answer."""
        kind = self.config.get("AccountingStorageType", "")  # where there is none: accounting_storage/none, or (null)
        return kind.startswith("accounting_storage/") and not kind.endswith("/none")

    @property
    def enforces_limits(self) -> bool:
        """Whether the controller holds users to the limits of their accounts."""
        enforced = self.config.get("AccountingStorageEnforce", "").split(",")
        return any(word.strip() in ("limits", "safe", "qos", "all") for word in enforced)

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
        tuple(parse_partitions(ask("scontrol", "--all", "--oneliner", "show", "partition"))),
        tuple(parse_nodes(ask("scontrol", "--all", "--oneliner", "show", "node"))),
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
            gres = tuple(parse_gres(found.get("Gres", "")))
            state = found.get("State", "").upper()
            yield Node(
                name=name,
                partitions=tuple(part for part in found.get("Partitions", "").split(",") if part),
                n_cpus=int(found.get("CPUEfctv") or found.get("CPUTot") or 0),  # what the system keeps for itself left out
                memory_mb=int(found.get("RealMemory", 0)) - int(found.get("MemSpecLimit", 0)),
                is_usable=_is_usable(state),
                state=state,
                reason=found.get("Reason", ""),
                gres=gres,
                threads_per_core=int(found.get("ThreadsPerCore", 1)),
            )


def parse_gres(text: str) -> Iterator[Gres]:
    """Read generic resources, as nodes have them or as users ask: ``gpu:a100:4(S:0-1),gpu:1g.10gb:7,disk:10G``, ``gpu``."""
    for spelled in _SOCKETS.sub("", text).split(","):
        name, *rest = spelled.strip().split(":")
        number = _NUMBER.fullmatch(rest[-1]) if rest else None
        n = int(number["n"]) * 1024 ** _UNITS.index(number["unit"].upper()) if number else 1
        kind = ":".join(word for word in (rest[:-1] if number else rest) if word != _NO_CONSUME)
        if name:
            yield Gres(name, kind, n)


def _is_usable(state: str) -> bool:
    """Tell whether a node of this state takes jobs, be it after it has been woken up."""
    words = state.split("+")
    return not (words[0].endswith(_NOT_RESPONDING) or _UNUSABLE_STATES & {word.rstrip("*~#!%$@^-") for word in words})


def max_submit_jobs(site: Site, account: str | None = None) -> int | None:
    """Return how many jobs, elements of arrays counted each, this user may have in the queue; None: no limit that is told.

    It is what the controller enforces for an account, the user's default one for None; a quality of service may have a limit
    of its own, which sbatch then tells.
    """
    if not site.enforces_limits:
        return None
    try:
        told = ask("scontrol", "--oneliner", "show", "assoc_mgr", "flags=assoc", f"users={getpass.getuser()}")
    except SlurmError:  # sites may keep it from their users
        return None
    return parse_max_submit_jobs(told, account)


def parse_max_submit_jobs(text: str, account: str | None = None) -> int | None:
    """Read ``scontrol --oneliner show assoc_mgr flags=assoc``: the least limit of a user's association with an account."""
    limits = []
    for line in lines(text):
        found = fields(line)
        is_wanted = found.get("Account") == account if account else found.get("DefAssoc") == "Yes"
        if found.get("UserName") and is_wanted:
            limits += [found.get(name, "").partition("(")[0] for name in ("MaxSubmitJobs", "GrpSubmitJobs")]
    return min((int(limit) for limit in limits if limit.isdecimal()), default=None)
