"""The nodes on which trainings of a grid run, and their GPUs: how many on each, how fast together, and how busy it is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rlhpc.results.node_load import GpuLoad, NodeLoad
from rlhpc.status.state import State, TrainingStatus


@dataclass(frozen=True)
class NodePart:
    """A GPU of a job's node, or the cores of one that trains on cores; what is not known is None.

    Attributes
    ----------
    host : str
    gpu : str
        As ``CUDA_VISIBLE_DEVICES`` of its supervisor names it; blank for cores.
    job : str
        The Slurm job that its trainings belong to; blank outside Slurm. Two jobs of one node may call different GPUs alike.
    n_running : int
    steps_per_second : float or None
        Of those that tell, together.
    n_cores : int or None
        That the trainings of the job may run on.
    cores_busy_percent : float or None
        How much of the time these did anything, in the last minutes.
    gpu_load : GpuLoad or None
    """

    host: str
    gpu: str
    job: str
    n_running: int
    steps_per_second: float | None
    n_cores: int | None = None
    cores_busy_percent: float | None = None
    gpu_load: GpuLoad | None = None


def nodes(trainings: Iterable[TrainingStatus], loads: Sequence[NodeLoad] = ()) -> tuple[NodePart, ...]:
    """Gather the trainings that run by where they do, as they tell themselves, in order of hosts and GPUs."""
    found: dict[tuple[str, str, str], list[TrainingStatus]] = defaultdict(list)
    for each in trainings:
        if each.state is State.RUNNING and each.progress is not None:
            found[each.progress.host, each.progress.gpu or "", each.progress.job].append(each)
    return tuple(_part(*where, members, loads) for where, members in sorted(found.items()))


def _part(host: str, gpu: str, job: str, members: list[TrainingStatus], loads: Sequence[NodeLoad]) -> NodePart:
    speeds = [each.steps_per_second for each in members if each.steps_per_second is not None]
    of_job = [load for load in loads if (load.host, load.job) == (host, job)]  # several where launches share a machine
    load = next((each for each in of_job if gpu in each.gpus), of_job[0] if of_job else None)
    busy = (load.n_cores, load.cores_busy_percent, load.gpus.get(gpu)) if load else ()
    return NodePart(host, gpu, job, len(members), sum(speeds) if speeds else None, *busy)
