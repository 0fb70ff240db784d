"""Limits: how a site's limits and nodes shape a launch that it takes. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator

from rlhpc.cluster.checks import Request, fitting_nodes, named_partitions
from rlhpc.cluster.finding import Finding, Severity
from rlhpc.cluster.site import GPU, Partition, Site
from rlhpc.words import count, duration

_SHOWN = 5  # nodes by name


def findings(site: Site, request: Request, max_submit: int | None = None, n_queued: int = 0) -> list[Finding]:
    """Find what the limits of a site, its partitions and nodes mean for a launch.

    Parameters
    ----------
    site : Site
    request : Request
    max_submit : int or None
        How many jobs this user may have in the queue; None: no limit that is told.
    n_queued : int
        How many they have.
    """
    found = [*_of_arrays(site, request), *_of_queue(request, max_submit, n_queued)]
    for partition in named_partitions(site, request):
        found += [*_of_time(partition, request), *_of_access(partition, request), *_of_nodes(site, partition, request)]
        found += [*_of_sharing_nodes(site, partition, request), *_of_memory(site, partition, request)]
    return found


def _of_arrays(site: Site, request: Request) -> Iterator[Finding]:
    """Yield how many elements the site takes."""
    n = request.n_elements
    n_arrays = math.ceil(n / max(site.max_array_size, 1))
    if n_arrays > 1:
        yield Finding(
            "max_array_size",
            Severity.NOTE,
            f"An array of this site has at most {site.max_array_size} elements (MaxArraySize), and the plan has {n}.",
            f"The launch submits {n_arrays} arrays; packing.max_nodes={site.max_array_size} makes it one.",
        )
    else:
        yield Finding(
            "max_array_size", Severity.GOOD, f"One array takes all {count(n, 'element')} (MaxArraySize={site.max_array_size})."
        )
    if n > site.max_job_count:
        yield Finding(
            "max_job_count",
            Severity.REFUSED,
            f"The queue of the whole site holds at most {site.max_job_count} jobs (MaxJobCount), and this plan has {n}.",
            f"Pack the trainings into fewer elements: --max-nodes {max(site.max_job_count // 2, 1)}.",
        )


def _of_queue(request: Request, max_submit: int | None, n_queued: int) -> Iterator[Finding]:
    """Yield how many elements this user may submit."""
    if max_submit is None:
        return
    n, room = request.n_elements, max_submit - n_queued
    what = f"You may have {max_submit} jobs in the queue at a time (MaxSubmitJobs), and {n_queued} are there"
    if room <= 0:
        remedy = "Wait until some have ended, or scancel some."
        yield Finding("max_submit_jobs", Severity.REFUSED, f"{what}: nothing more is taken.", remedy)
    elif n > room:
        remedy = f"The launch packs the trainings into {count(room, 'element')}, which refill their places."
        yield Finding("max_submit_jobs", Severity.NOTE, f"{what}; the plan has {count(n, 'element')}.", remedy)
    else:
        yield Finding("max_submit_jobs", Severity.GOOD, f"{what}: the {n} elements of the plan are taken.")


def _of_time(partition: Partition, request: Request) -> Iterator[Finding]:
    """Yield how often an element will reach its time limit."""
    limit, longest = request.timeout_min, request.longest_hours * 60
    longest_allowed = "none" if partition.max_minutes is None else duration(60 * partition.max_minutes)
    if longest <= limit:
        what = (
            f"All is estimated to end within the time limit of {duration(60 * limit)} (limit of '{partition.name}':"
            f" {longest_allowed})."
        )
        yield Finding("time_limit_reached", Severity.GOOD, what)
        return
    n_times = math.ceil(longest / limit) - 1
    more = partition.max_minutes is None or partition.max_minutes > limit
    yield Finding(
        "time_limit_reached",
        Severity.NOTE,
        f"The longest element is estimated to take {duration(60 * longest)} and its time limit is {duration(60 * limit)}: it will"
        f" be saved, requeued and continued {count(n_times, 'time')}.",
        f"A longer slurm.timeout_min is possible (limit of '{partition.name}': {longest_allowed})." if more else "",
    )


def _of_access(partition: Partition, request: Request) -> Iterator[Finding]:
    """Yield for whom a partition is."""
    for key, option in (("AllowAccounts", "account"), ("AllowQos", "qos")):
        allowed = partition.fields.get(key, "ALL")
        if allowed != "ALL" and option not in request.has_options:
            yield Finding(
                f"allow_{option}",
                Severity.WARNING,
                f"The partition '{partition.name}' takes only jobs of {key}={allowed}, and none is named.",
                f"If your default is not among them, set slurm.options.{option}=NAME.",
            )
    if partition.fields.get("ReqResv") == "YES" and "reservation" not in request.has_options:
        what = f"The partition '{partition.name}' takes only jobs of a reservation (ReqResv=YES), and none is named."
        yield Finding("reservation", Severity.REFUSED, what, "Set slurm.options.reservation=NAME.")


def _of_nodes(site: Site, partition: Partition, request: Request) -> Iterator[Finding]:
    """Yield how many nodes can carry out an element."""
    fitting = fitting_nodes(site, partition, request)
    down = [node for node in fitting if not node.is_usable]
    if not fitting:
        return
    gpus = ", ".join(
        sorted(
            {
                " ".join(filter(None, (str(each.n), each.kind, "GPU")))
                for node in fitting
                for each in node.gres
                if each.name == GPU
            }
        )
    )
    n_up = len(fitting) - len(down)
    what = f"{n_up} of {len(fitting)} nodes of '{partition.name}' that fit an element are up{f' ({gpus})' if gpus else ''}"
    if not down:
        yield Finding("nodes", Severity.GOOD, f"{what}.")
        return
    named = ", ".join(f"{node.name} {node.state}{f' ({node.reason})' if node.reason else ''}" for node in down[:_SHOWN])
    more = f" and {len(down) - _SHOWN} more" if len(down) > _SHOWN else ""
    yield Finding(
        "nodes_down",
        Severity.NOTE if n_up else Severity.WARNING,
        f"{what}; down: {named}{more}.",
        "Elements go where there is room." if n_up else "Elements wait until one is back; `sinfo -R` says why they are down.",
    )


def _of_sharing_nodes(site: Site, partition: Partition, request: Request) -> Iterator[Finding]:
    """Yield how nodes are divided among jobs."""
    fitting = fitting_nodes(site, partition, request)
    spare = max((node.count(GPU) for node in fitting), default=0)
    if _gives_whole_nodes(site, partition) and request.gpus_per_node < spare:
        yield Finding(
            "whole_nodes",
            Severity.WARNING,
            f"A job in '{partition.name}' has its node to itself, and an element asks for {request.gpus_per_node} of up to"
            f" {spare} GPUs: the others stay idle.",
            f"Use all of them: --gpus-per-node {spare}.",
        )


def _of_memory(site: Site, partition: Partition, request: Request) -> Iterator[Finding]:
    """Yield how memory and cores are counted."""
    parameters = partition.fields.get("SelectTypeParameters", "NONE").upper()
    parameters = site.config.get("SelectTypeParameters", "").upper() if parameters == "NONE" else parameters
    if "MEMORY" not in parameters and not _gives_whole_nodes(site, partition):
        yield Finding(
            "memory",
            Severity.WARNING,
            f"Slurm does not share out memory here (SelectTypeParameters={parameters or 'none'}): other jobs on a node may"
            " use up what an element needs.",
            "Take whole nodes (slurm.options.exclusive=true), or watch for trainings that run out of memory.",
        )
    threaded = any(node.threads_per_core > 1 for node in fitting_nodes(site, partition, request))
    if threaded and "CR_CORE" in parameters and "cpus-per-task" not in request.has_options:
        yield Finding(
            "hyper_threads",
            Severity.NOTE,
            f"The nodes count hyper-threads as CPUs: {request.cpus_per_node} of them are"
            f" {count(math.ceil(request.cpus_per_node / 2), 'core')}.",
            "Set slurm.cpus_per_training=2 for a core each, where nodes have that many.",
        )


def _gives_whole_nodes(site: Site, partition: Partition) -> bool:
    """Tell whether every job has its nodes to itself."""
    return partition.fields.get("OverSubscribe", "") == "EXCLUSIVE" or site.config.get("SelectType") == "select/linear"
