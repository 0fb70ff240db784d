"""The nodes on which trainings of a grid run, and their GPUs: how many on each, and how fast together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from rlhpc.status.state import State, TrainingStatus


@dataclass(frozen=True)
class NodePart:
    """A GPU of a node, or the cores of one that trains on cores.

    Attributes
    ----------
    host : str
    gpu : str
        As ``CUDA_VISIBLE_DEVICES`` of its supervisor names it; blank for cores.
    jobs : tuple of str
        The Slurm jobs that its trainings belong to; none outside Slurm.
    n_running : int
    steps_per_second : float or None
        Of those that tell, together.
    """

    host: str
    gpu: str
    jobs: tuple[str, ...]
    n_running: int
    steps_per_second: float | None


def nodes(trainings: Iterable[TrainingStatus]) -> tuple[NodePart, ...]:
    """Gather the trainings that run by where they do, as they tell themselves, in order of hosts and GPUs."""
    found: dict[tuple[str, str], list[TrainingStatus]] = defaultdict(list)
    for each in trainings:
        if each.state is State.RUNNING and each.progress is not None:
            found[each.progress.host, each.progress.gpu or ""].append(each)
    return tuple(_part(*where, members) for where, members in sorted(found.items()))


def _part(host: str, gpu: str, members: list[TrainingStatus]) -> NodePart:
    speeds = [each.steps_per_second for each in members if each.steps_per_second is not None]
    jobs = tuple(sorted({each.progress.job for each in members if each.progress and each.progress.job}))
    return NodePart(host, gpu, jobs, len(members), sum(speeds) if speeds else None)
