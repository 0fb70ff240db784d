"""Checks: whether what a launch asks of Slurm can be had at a site; before anything is submitted. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from rlhpc.cluster.finding import Finding, Severity
from rlhpc.cluster.site import GPU, Gres, Node, Partition, Site, parse_gres
from rlhpc.errors import nearest
from rlhpc.words import count, duration

GPU_OPTIONS = {"gpus", "gpus-per-node", "gpus-per-task"}
_CPU_OPTIONS = {"cpus-per-task", "cpus-per-gpu"}
MEMORY_OPTIONS = {"mem", "mem-per-cpu", "mem-per-gpu"}
_TIME_OPTIONS = {"qos"}  # a quality of service may grant more time than the partition
_MB_PER_GB = 1024
# Memory of a training: 12 packed ones take 1.0 (vectors) to 2.4 GB (frames) in all, where pages are shared.
_BESIDE_BUFFERS_GB = 0.5


@dataclass(frozen=True)
class Request:
    """What a launch asks of Slurm.

    Attributes
    ----------
    partition : str or None
        A name, or several with commas, of which Slurm takes the first that has room; None: the site's default.
    n_elements : int
    gpus_per_node, cpus_per_node : int
        Of each element, which is one node.
    memory_gb : float
        Of each.
    timeout_min : int
    checkpoint_minutes : float
    signal_seconds : float
        How long before the time limit an element is told to save.
    longest_hours : float
        Of the longest element, as estimated.
    gres : str or None
        Generic resources as the user asks for them himself (``gpu:a100:2``), in place of `gpus_per_node`.
    n_files : int
        That will be written.
    gigabytes : float
        Size of them.
    has_options : frozenset of str
        Options of sbatch, without dashes, that the user gives himself; what they decide is not checked.
    needs_internet : bool
        Whether trainings talk to a server outside.
    has_image : bool
        Whether trainings run in an Apptainer image.
    at_once : int
        Trainings that an element carries out at a time, at most.
    buffers_gb : float
        What their replay buffers come to in memory, once full.
    """

    partition: str | None
    n_elements: int
    gpus_per_node: int
    cpus_per_node: int
    memory_gb: float
    timeout_min: int
    checkpoint_minutes: float
    signal_seconds: float
    longest_hours: float
    gres: str | None = None
    n_files: int = 0
    gigabytes: float = 0.0
    has_options: frozenset[str] = frozenset()
    needs_internet: bool = False
    has_image: bool = False
    at_once: int = 1
    buffers_gb: float = 0.0

    def wanted_gres(self) -> tuple[Gres, ...]:
        """Return the generic resources that an element asks for, as far as they are known."""
        if self.gres:
            return tuple(parse_gres(self.gres))
        if self.gpus_per_node and not self.has_options & GPU_OPTIONS:
            return (Gres(GPU, "", self.gpus_per_node),)
        return ()


def refusals(site: Site | None, request: Request) -> list[str]:
    """Return every reason why a launch cannot work, each with what to do; none if it can, or could at some site."""
    return [str(finding) for finding in (unfit(site, request) if site else _by_itself(request))]


def unfit(site: Site, request: Request) -> list[Finding]:
    """Find what a site cannot give: partitions, GPUs, cores, memory, time."""
    faults = list(_of_partitions(site, request))
    per_partition = [list(_of_nodes(site, each, request)) for each in named_partitions(site, request)]
    if all(per_partition):  # else one of them can carry it out
        faults += [fault for found in per_partition for fault in found]
    return [*faults, *_by_itself(request)]


def named_partitions(site: Site, request: Request) -> list[Partition]:
    """Return the partitions that a request names and that are there; the default one if it names none."""
    found = [site.partition(name) for name in _names(request)] if request.partition else [site.partition(None)]
    return [each for each in found if each is not None]


def fitting_nodes(site: Site, partition: Partition, request: Request) -> list[Node]:
    """Return the nodes of a partition that have the generic resources that an element asks for."""
    return [node for node in site.nodes_of(partition.name) if _has_gres(node, request.wanted_gres())]


def _refuse(name: str, what: str, remedy: str) -> Finding:
    return Finding(name, Severity.REFUSED, what, remedy)


def _names(request: Request) -> list[str]:
    return [name for name in (request.partition or "").split(",") if name]


def _of_partitions(site: Site, request: Request) -> Iterator[Finding]:
    """Yield what is wrong with the partitions by themselves."""
    known = [each.name for each in site.partitions]
    if not request.partition and site.partition(None) is None:
        yield _refuse(
            "no_default_partition",
            "This site has no default partition, and none was named.",
            f"Name one with --partition (slurm.partition): {', '.join(known)}.",
        )
    for name in _names(request):
        if name not in known:
            yield _refuse("unknown_partition", f"This site has no partition '{name}' (slurm.partition).", nearest(name, known))
    named = named_partitions(site, request)
    if named and not any(each.is_up for each in named):
        others = [each.name for each in site.partitions if each.is_up]
        yield _refuse(
            "partition_down",
            f"The partition {_either(named)} is {named[0].fields.get('State', 'not UP')}: no job in it starts.",
            f"Wait until it is up, or name another with --partition: {', '.join(others) or 'none is up'}.",
        )


def _of_nodes(site: Site, partition: Partition, request: Request) -> Iterator[Finding]:
    """Yield what one partition cannot give to an element."""
    if (
        partition.max_minutes is not None
        and request.timeout_min > partition.max_minutes
        and not request.has_options & _TIME_OPTIONS
    ):
        yield _refuse(
            "time_limit",
            f"The time limit of {count(request.timeout_min, 'minute')} is longer than the {partition.max_minutes:,} that the"
            f" partition '{partition.name}' takes.",
            f"Set slurm.timeout_min={partition.max_minutes}: what is not done by then is saved, requeued and continued.",
        )
    nodes = site.nodes_of(partition.name)
    if not nodes:
        yield _refuse("no_nodes", f"The partition '{partition.name}' has no node.", "Name another with --partition.")
        return
    lacking = list(_lacking_gres(site, partition, nodes, request))
    yield from lacking or _lacking_size(partition, fitting_nodes(site, partition, request), request)


def _lacking_gres(site: Site, partition: Partition, nodes: Sequence[Node], request: Request) -> Iterator[Finding]:
    """Yield what generic resources no single node of a partition has."""
    wanted = request.wanted_gres()
    for each in wanted:
        most = max(node.count(each.name, each.kind) for node in nodes)
        if most >= each.n:
            continue
        untyped = max(node.count(each.name) for node in nodes)
        if untyped and not most:
            kinds = sorted({found.kind for node in nodes for found in node.gres if found.name == each.name and found.kind})
            yield _refuse(
                "gres",
                f"No node of the partition '{partition.name}' has a {each.name} of type '{each.kind}'.",
                nearest(each.kind, kinds) if kinds else f"They have no types there: gres={each.name}:{min(each.n, untyped)}.",
            )
        elif most:
            spelled = (
                f"a gres of {':'.join(filter(None, (each.name, each.kind, str(most))))}"
                if request.gres
                else f"--gpus-per-node {most}"
            )
            yield _refuse(
                "gpus_per_node",
                f"An element asks for {_counted(each)}, and no node of the partition '{partition.name}' has more than {most}.",
                f"Ask for no more: {spelled} (packing.gpus_per_node).",
            )
        else:
            yield _refuse(
                "gpus_per_node", f"No node of the partition '{partition.name}' has {_any(each)}.", _elsewhere(site, each)
            )
    on_some = all(max(node.count(each.name, each.kind) for node in nodes) >= each.n for each in wanted)
    if on_some and not any(_has_gres(node, wanted) for node in nodes):
        yield _refuse(
            "gres", f"No single node of the partition '{partition.name}' has all of {request.gres}.", "Ask for less of it."
        )


def _lacking_size(partition: Partition, nodes: Sequence[Node], request: Request) -> Iterator[Finding]:
    """Yield what cores and memory none of the nodes has beside its GPUs."""
    cpus = 0 if request.has_options & _CPU_OPTIONS else request.cpus_per_node
    memory = 0.0 if request.has_options & MEMORY_OPTIONS else request.memory_gb
    beside = f" with {' and '.join(map(_counted, request.wanted_gres()))}" if request.wanted_gres() else ""
    cores_of, memory_of = _capped(partition, "MaxCPUsPerNode", _cores), _capped(partition, "MaxMemPerNode", _megabytes)
    most_cpus, most_memory = max(map(cores_of, nodes)), max(map(memory_of, nodes)) / _MB_PER_GB
    if cpus > most_cpus:
        yield _refuse(
            "cpus_per_node",
            f"An element asks for {count(cpus, 'core')}, and no node of the partition '{partition.name}'{beside} gives"
            f" more than {most_cpus}.",
            "Ask for no more: lower slurm.cpus_per_training, or carry out fewer trainings at once (--trainings-per-gpu).",
        )
    if memory > most_memory:
        yield _refuse(
            "memory_per_node",
            f"An element asks for {memory:g} GB of memory, and no node of the partition '{partition.name}'{beside}"
            f" gives more than {most_memory:.1f}.",
            "Ask for no more: lower slurm.memory_gb_per_training, or carry out fewer trainings at once (--trainings-per-gpu).",
        )
    fits = any(cores_of(node) >= cpus and memory_of(node) >= memory * _MB_PER_GB for node in nodes)
    if not fits and cpus <= most_cpus and memory <= most_memory:
        yield _refuse(
            "node_size",
            f"No single node of the partition '{partition.name}'{beside} gives both {count(cpus, 'core')} and {memory:g} GB of"
            " memory.",
            "Carry out fewer trainings at once (--trainings-per-gpu).",
        )


def _by_itself(request: Request) -> list[Finding]:
    """Find what cannot work at any site."""
    return [*_of_buffers(request), *_of_time(request)]


def _of_buffers(request: Request) -> Iterator[Finding]:
    """Yield that replay buffers will not fit into the memory that is asked for: trainings would be killed as they fill."""
    if request.has_options & MEMORY_OPTIONS:
        return
    wanted = request.buffers_gb + request.at_once * _BESIDE_BUFFERS_GB
    if request.buffers_gb and wanted > request.memory_gb:
        yield _refuse(
            "replay_buffers",
            f"An element carries out {count(request.at_once, 'training')} at once, which take about {wanted:.1f} GB of memory,"
            f" {request.buffers_gb:.1f} of them in replay buffers once full; {request.memory_gb:g} GB are asked for.",
            f"Set slurm.memory_gb_per_training={math.ceil(10 * wanted / request.at_once) / 10:g}, or take smaller buffers"
            " ('hyperparameters={dqn: {all: {buffer_size: 10_000}}}').",
        )


def _of_time(request: Request) -> Iterator[Finding]:
    """Yield what is wrong with the time limit by itself."""
    if request.timeout_min <= request.checkpoint_minutes:
        yield _refuse(
            "checkpoint_interval",
            f"The time limit of {duration(60 * request.timeout_min)} (slurm.timeout_min) is no longer than the"
            f" {duration(60 * request.checkpoint_minutes)} between checkpoints: what is killed would begin anew for ever.",
            f"Raise slurm.timeout_min, or set checkpoint_minutes={request.timeout_min / 4:g}.",
        )
    if request.timeout_min * 60 <= request.signal_seconds:
        yield _refuse(
            "stop_time",
            f"The time limit of {duration(60 * request.timeout_min)} (slurm.timeout_min) is no longer than the"
            f" {request.signal_seconds:g} seconds before it at which everything is told to save: nothing would be trained.",
            f"Set slurm.timeout_min={int(request.signal_seconds / 60) * 2 + 10} or more, or lower stop_seconds.",
        )


def _has_gres(node: Node, wanted: Sequence[Gres]) -> bool:
    return all(node.count(each.name, each.kind) >= each.n for each in wanted)


def _cores(node: Node) -> int:
    return node.n_cpus


def _megabytes(node: Node) -> int:
    return node.memory_mb


def _capped(partition: Partition, limit: str, of: Callable[[Node], int]) -> Callable[[Node], int]:
    """Return what a node gives, where its partition may give less of it to one job."""
    most = partition.fields.get(limit, "")
    return (lambda node: min(of(node), int(most))) if most.isdecimal() and int(most) else of


def _elsewhere(site: Site, wanted: Gres) -> str:
    """Say which partitions have what one lacks."""
    having = [
        part.name for part in site.partitions if any(node.count(wanted.name, wanted.kind) for node in site.nodes_of(part.name))
    ]
    name_one = f"Name a partition that has: --partition {' or '.join(having)}" if having else ""
    on_cores = "train on cores: packing.gpus_per_node=0" if wanted.name == GPU else ""
    if not (name_one or on_cores):
        return f"No node of this site has {_any(wanted)}: leave it out of slurm.options.gres."
    remedy = "; or ".join(filter(None, (name_one, on_cores)))
    return f"{remedy[0].upper()}{remedy[1:]}."


def _counted(gres: Gres) -> str:
    spelled = _word(gres)
    return f"{gres.n} {spelled}{'s' if gres.n != 1 and gres.name == GPU else ''}"


def _any(gres: Gres) -> str:
    return f"{_word(gres)}s" if gres.name == GPU else _word(gres)


def _word(gres: Gres) -> str:
    return " ".join(filter(None, (gres.kind, "GPU" if gres.name == GPU else gres.name)))


def _either(partitions: Sequence[Partition]) -> str:
    return " or ".join(f"'{each.name}'" for each in partitions)
