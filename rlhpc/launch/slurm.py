"""A launch on Slurm: what still has to be submitted, what is asked for it, and how the site's limits bound it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from rlhpc import __version__
from rlhpc.cluster import array, checks, image, sharing, submission
from rlhpc.cluster.array import Demand, Share
from rlhpc.cluster.image import Image
from rlhpc.cluster.queue import QueuedElement, count_own_jobs
from rlhpc.cluster.site import Site, max_submit_jobs
from rlhpc.cluster.submission import Submission
from rlhpc.config import CONFIGS
from rlhpc.errors import InputError, RlhpcError
from rlhpc.launch.assignment import Assignment
from rlhpc.launch.config import LaunchConfig
from rlhpc.records import Training
from rlhpc.results.store import Store
from rlhpc.results.unfinished import has_given_up
from rlhpc.training import footprint
from rlhpc.training.estimate import Hours
from rlhpc.training.plan import TRAININGS_PER_GPU, NodePlan, makespan, pack_array
from rlhpc.words import count

_AMPLE = 4  # a time limit of so many times the estimate; schedulers start short jobs in gaps before long ones
_FOR_CPUS = "+cpu"  # in a version of torch
_SUPERVISOR = ("-u", "-m", "rlhpc.launch.assignment")  # of a node, as words behind Python


@dataclass(frozen=True)
class SlurmPlan:
    """What a launch submits.

    Attributes
    ----------
    nodes : tuple of NodePlan
        One an element.
    needs : Demand
        Of each.
    array_size : int
        Elements that an array of this site may have.
    notes : tuple of str
        What the site's limits have changed, in words.
    at_once : int
        Trainings that an element carries out at a time, at most.
    """

    nodes: tuple[NodePlan, ...]
    needs: Demand
    array_size: int
    notes: tuple[str, ...]
    at_once: int


def in_queue(store: Store, trainings: Sequence[Training]) -> dict[str, QueuedElement]:
    """Find which trainings wait or run in the queue already, by name; not those that their supervisor has given up.

    Raises
    ------
    SlurmError, OSError
        If Slurm does not answer, or a record cannot be read: nothing may be submitted then, as it could be there twice.
    """
    submissions = submission.read_all(store.root)
    placed, submitted = submission.in_queue(submissions), submission.last_submitted(submissions)
    return {
        training.name: placed[training.name]
        for training in trainings
        if training.name in placed and not has_given_up(store.read_attempts(training), since=submitted[training.name])
    }


def plan(trainings: Sequence[Training], config: LaunchConfig, hours: Hours, site: Site | None) -> SlurmPlan:
    """Pack trainings into elements, as many as the site takes.

    Parameters
    ----------
    trainings : sequence of Training
    config : LaunchConfig
    hours : callable
        How long a training takes.
    site : Site or None
        None where there is no Slurm to ask, and the plan is only to be looked at.

    Raises
    ------
    InputError
        If the queue of this user is full.
    """
    packing, notes = config.packing, []
    nodes = pack_array(trainings, packing, hours)
    room = _room(site, config.slurm.option("account"))
    if room is not None and len(nodes) > room:
        nodes = pack_array(trainings, replace(packing, max_nodes=room), hours)
        notes.append(
            f"The site lets you have {room} more jobs in its queue (MaxSubmitJobs), so the trainings are packed into"
            f" {count(len(nodes), 'element')}, which refill their places."
        )
    array_size = max(site.max_array_size, 1) if site else len(nodes)
    if len(nodes) > array_size:
        n_arrays = -(-len(nodes) // array_size)
        notes.append(f"An array of this site has {array_size} elements at most (MaxArraySize): these are {n_arrays} arrays.")
        if (at_once := config.slurm.array_parallelism) and at_once < n_arrays:
            notes.append(f"One element of each of them may run at a time: more than slurm.array_parallelism={at_once}.")
    partition = site.partition(config.slurm.partition) if site else None
    most = max((len(node.trainings) for node in nodes), default=0)  # a small grid needs less than a node's worth
    n_gpus = min(packing.gpus_per_node, most)
    at_once = min(max(packing.gpus_per_node, 1) * (packing.trainings_per_gpu or TRAININGS_PER_GPU), most)
    needs = array.demand(
        config.slurm,
        gpus=n_gpus,
        trainings_at_once=at_once,
        stop_seconds=config.stop_seconds,
        max_minutes=partition.max_minutes if partition else None,
    )
    if n_gpus and config.device == "cpu":
        notes.append("device=cpu leaves the GPUs unused that are asked for: packing.gpus_per_node=0 asks for none.")
    longest = max((makespan(node, hours) for node in nodes), default=0.0) * 60
    if nodes and config.slurm.timeout_min is None and longest * _AMPLE < needs.timeout_min:
        notes.append("Shorter elements start earlier: give a slurm.timeout_min that suits them; what is not done then continues.")
    return SlurmPlan(tuple(replace(node, n_gpus=n_gpus) for node in nodes), needs, array_size, tuple(notes), at_once)


def _room(site: Site | None, account: str | None) -> int | None:
    """Return how many more jobs this user may submit; None: any number."""
    limit = max_submit_jobs(site, account) if site else None
    if limit is None:
        return None
    n_there = count_own_jobs()
    if n_there >= limit:
        raise InputError(
            f"the site lets you have {limit} jobs in its queue (MaxSubmitJobs), and {n_there} are there. Wait until some have"
            " ended, or scancel some, and launch again."
        )
    return limit - n_there


def request(planned: SlurmPlan, config: LaunchConfig, hours: Hours) -> checks.Request:
    """Say what a plan asks of the site, for `rlhpc.cluster.checks`."""
    trainings = [training for node in planned.nodes for training in node.trainings]
    return checks.Request(
        partition=config.slurm.partition,
        n_elements=len(planned.nodes),
        gpus_per_node=planned.needs.gpus,
        cpus_per_node=planned.needs.cpus,
        memory_gb=planned.needs.memory_gb,
        timeout_min=planned.needs.timeout_min,
        checkpoint_minutes=config.checkpoint_minutes,
        signal_seconds=planned.needs.signal_seconds,
        longest_hours=max((makespan(node, hours) for node in planned.nodes), default=0.0),
        gres=config.slurm.option("gres"),
        n_files=footprint.n_files(trainings, has_wandb=config.wandb.mode != "disabled"),
        gigabytes=footprint.gigabytes(trainings),
        has_options=frozenset(config.slurm.sbatch_options),
        needs_internet=config.wandb.mode == "online",
        has_image=config.container.image is not None,
        at_once=planned.at_once,
        buffers_gb=max((footprint.buffers_gb(node.trainings, planned.at_once) for node in planned.nodes), default=0.0),
    )


def refuse(site: Site | None, asked: checks.Request) -> None:
    """Refuse what the site cannot give, before anything is submitted or written.

    Raises
    ------
    InputError
        With every fault.
    """
    if faults := checks.refusals(site, asked):
        raise InputError(*faults)


def refuse_unshared(store: Store, config: LaunchConfig, site: Site, container: Image | None = None) -> Sequence[str]:
    """Refuse a folder of results, or an image, that the nodes do not see or cannot run; return what could not be told, in words.

    Raises
    ------
    InputError
    """
    tried = to_try(config, container)
    told = sharing.refuse_unshared(store.root.resolve(), config.slurm.partition, site, config.slurm.sbatch_options, tried)
    return [told] if told else []


def to_try(config: LaunchConfig, container: Image | None) -> Image | None:
    """Return the image if a job may try it on a node: not where ``slurm.setup`` may load what runs it, as that job does not."""
    return None if config.slurm.setup else container


def refuse_submitted(store: Store, planned: SlurmPlan) -> None:
    """Refuse to submit what another launch has submitted since this one asked, which may take a minute.

    Raises
    ------
    RlhpcError
    """
    trainings = [training for node in planned.nodes for training in node.trainings]
    if queued := in_queue(store, trainings):
        raise RlhpcError(
            f"{count(len(queued), 'training')} of these have just been submitted by another launch, and nothing by this one."
            " Launch again, for what is left."
        )


def look_at_image(trainings: Sequence[Training], config: LaunchConfig, writes: Sequence[Path]) -> tuple[Image | None, str]:
    """Look at the image that trainings are to run in, from inside; return it, None without one, and what to warn of.

    Parameters
    ----------
    trainings : sequence of Training
        Whose environments must be there.
    config : LaunchConfig
    writes : sequence of Path
        Folders that are written to.

    Raises
    ------
    InputError
        If it cannot be used, was made for another rlhpc, or can make nothing of the GPUs that are asked for.
    """
    if config.container.image is None:
        return None, ""
    modules = sorted({training.env_id.rpartition(":")[0] for training in trainings} - {""})
    found = image.look(config.container, writes, modules=modules)
    if _cannot_use_gpus(config, found.torch):
        raise InputError(
            f"the image '{found.path}' holds torch for CPUs ({found.torch}), and its trainings are to have GPUs. Build one with"
            " torch for CUDA, or ask for no GPUs: packing.gpus_per_node=0."
        )
    return found, image.refuse_other(found, __version__, CONFIGS.parent)


def refuse_torch(config: LaunchConfig) -> None:
    """Refuse to train on GPUs by a torch for CPUs, where trainings are to run by the Python that runs this, as it is here.

    Raises
    ------
    InputError
    """
    found = version("torch")
    is_here = config.container.image is None and not config.slurm.setup  # which may load another
    if is_here and _cannot_use_gpus(config, found):
        raise InputError(
            f"the torch of this Python is for CPUs ({found}), and the trainings are to have GPUs: install torch for CUDA, train"
            " in an image that holds it (--container), or ask for no GPUs (packing.gpus_per_node=0)."
        )


def _cannot_use_gpus(config: LaunchConfig, torch: str) -> bool:
    return config.planned_device == "cuda" and torch.endswith(_FOR_CPUS)


def submit(planned: SlurmPlan, config: LaunchConfig, store: Store, container: Image | None = None) -> Iterator[Submission]:
    """Submit a plan; yield each array when Slurm has taken it.

    Raises
    ------
    SlurmError
    """
    root = str(store.root.resolve())
    settings = config.settings(config.device)
    shares = [
        Share(tuple(training.name for training in node.trainings), Assignment(node, root, settings).to_json())
        for node in planned.nodes
    ]
    command: Sequence[str] = (sys.executable, *_SUPERVISOR)
    if container:
        command = container.command((*image.PYTHON, *_SUPERVISOR), has_gpus=planned.needs.gpus > 0)
    return array.submit(store.root.resolve(), config.name, array.split(shares, planned.array_size), command, planned.needs)


def describe(planned: SlurmPlan, config: LaunchConfig, queued: Mapping[str, QueuedElement]) -> dict[str, object]:
    """Put a plan into words that JSON knows."""
    return {
        "n_in_queue": len(queued),
        "n_ending": sum(element.is_ending for element in queued.values()),
        "in_queue": {name: element.job_id for name, element in queued.items()},
        "element": {**array.described(planned.needs), "image": config.container.image},
        "notes": list(planned.notes),
    }
