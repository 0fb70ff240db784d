"""The plan: trainings packed on the GPUs of nodes, long ones first. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rlhpc.records import Training
from rlhpc.training import cores
from rlhpc.training.estimate import Hours, prior_hours

TRAININGS_PER_GPU = 12  # where nothing else is configured


@dataclass(frozen=True)
class PackingConfig:
    """How trainings are packed.

    Attributes
    ----------
    gpus_per_node : int
        GPUs of one array element; 0: none, to train on cores.
    trainings_per_gpu : int or None
        Trainings at once on each GPU; None: 12 with GPUs, as many as there are cores without.
    max_nodes : int or None
        At most this many array elements; None: as many as give every training a place at once.
    mps : str
        How the trainings of a GPU share it: ``on``, at the same time, through CUDA MPS; ``off``, in turn; ``auto``: by MPS if it
        can be had.
    affinity : str
        Which cores each training may run on: ``any``; ``divide``: those of the job are divided among its trainings; a list such
        as ``0-15,32-47``: these are.
    """

    gpus_per_node: int = 2
    trainings_per_gpu: int | None = None
    max_nodes: int | None = None
    mps: Literal["auto", "on", "off"] = "auto"
    affinity: str = cores.ANY

    def faults(self) -> Iterator[str]:
        """Yield what is out of range."""
        for name, least in (("gpus_per_node", 0), ("trainings_per_gpu", 1), ("max_nodes", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                yield f"packing.{name} = {value} must be at least {least}."
        if wrong := cores.fault(self.affinity):
            yield wrong
        if self.mps == "on" and self.gpus_per_node == 0:
            yield "packing.mps = on shares GPUs, and packing.gpus_per_node = 0 asks for none. Give packing.mps=auto, or GPUs."


@dataclass(frozen=True)
class NodePlan:
    """The trainings of one node.

    Attributes
    ----------
    trainings : tuple of Training
        The long ones first; a node starts as many as it has places for, and refills a freed place with the next.
    n_gpus : int
    trainings_per_gpu : int
    """

    trainings: tuple[Training, ...]
    n_gpus: int
    trainings_per_gpu: int


def pack(
    trainings: Sequence[Training],
    *,
    n_gpus: int,
    trainings_per_gpu: int,
    max_nodes: int | None = None,
    hours: Hours = prior_hours,
) -> tuple[NodePlan, ...]:
    """Distribute trainings over nodes.

    Parameters
    ----------
    trainings : sequence of Training
    n_gpus : int
        GPUs of a node; 0 counts as one, of nodes without.
    trainings_per_gpu : int
        Trainings at once on each.
    max_nodes : int, optional
        At most this many nodes.
    hours : callable
        How long a training takes.

    Returns
    -------
    tuple of NodePlan
        With a node for every ``n_gpus * trainings_per_gpu`` trainings, those of like duration share a node, so that none
        is held by one long training. With fewer nodes, each training in turn, the longest first, goes to the node with
        the least work, so that all end at about the same time. Ties keep the order of the grid.
    """
    per_node = max(n_gpus, 1) * trainings_per_gpu
    longest_first = sorted(trainings, key=hours, reverse=True)
    n_nodes = -(-len(longest_first) // per_node)
    if max_nodes is None or n_nodes <= max_nodes:
        shares = [longest_first[start : start + per_node] for start in range(0, len(longest_first), per_node)]
    else:
        shares = _balance(longest_first, max_nodes, hours)
    return tuple(NodePlan(tuple(share), n_gpus, trainings_per_gpu) for share in shares)


def pack_array(trainings: Sequence[Training], packing: PackingConfig, hours: Hours = prior_hours) -> tuple[NodePlan, ...]:
    """Pack trainings into the elements of a Slurm array, one node each."""
    return pack(
        trainings,
        n_gpus=packing.gpus_per_node,
        trainings_per_gpu=packing.trainings_per_gpu or TRAININGS_PER_GPU,
        max_nodes=packing.max_nodes,
        hours=hours,
    )


def _balance(longest_first: Sequence[Training], n_nodes: int, hours: Hours) -> list[list[Training]]:
    """Give each training to the node with the least work so far (longest processing time first; Graham 1969)."""
    shares: list[list[Training]] = [[] for _ in range(n_nodes)]
    loads = [(0.0, index) for index in range(n_nodes)]
    for training in longest_first:
        load, index = heapq.heappop(loads)
        shares[index].append(training)
        heapq.heappush(loads, (load + hours(training), index))
    return shares


def describe(nodes: Sequence[NodePlan], hours: Hours = prior_hours) -> dict[str, Any]:
    """Put a plan into words that JSON knows, with its estimated price."""
    elements = [
        {
            "n_trainings": len(node.trainings),
            "estimated_hours": makespan(node, hours),
            "trainings": [training.name for training in node.trainings],
        }
        for node in nodes
    ]
    lengths = [float(element["estimated_hours"]) for element in elements]  # type: ignore[arg-type]  # set three lines above
    return {
        "n_array_elements": len(nodes),
        "gpus_per_node": nodes[0].n_gpus if nodes else 0,
        "trainings_per_gpu": nodes[0].trainings_per_gpu if nodes else 0,
        "estimated_hours": max(lengths, default=0.0),
        "estimated_node_hours": sum(lengths),
        "estimated_gpu_hours": sum(length * node.n_gpus for length, node in zip(lengths, nodes, strict=True)),
        "estimated_wall_hours": {str(n_nodes): _makespan(lengths, n_nodes) for n_nodes in _some_numbers(len(nodes))},
        "least_wall_hours": {str(n_nodes): _least(nodes, n_nodes, hours) for n_nodes in _some_numbers(len(nodes))},
        "array_elements": elements,
    }


def makespan(node: NodePlan, hours: Hours = prior_hours) -> float:
    """Simulate a node that refills each freed place with the next training; hours."""
    return _makespan([hours(training) for training in node.trainings], max(node.n_gpus, 1) * node.trainings_per_gpu)


def _makespan(lengths: Sequence[float], n_places: int) -> float:
    """Return when the last of some pieces of work ends, if each begins, in their order, where a place is free first."""
    ends = [0.0] * n_places
    for length in lengths:
        heapq.heapreplace(ends, ends[0] + length)
    return max(ends)


def _least(nodes: Sequence[NodePlan], n_nodes: int, hours: Hours) -> float:
    """Return what no packing is quicker than: all work divided over all places, or the longest training."""
    lengths = [hours(training) for node in nodes for training in node.trainings]
    n_places = max(nodes[0].n_gpus, 1) * nodes[0].trainings_per_gpu * n_nodes
    return max(sum(lengths) / n_places, *lengths, 0.0)


def _some_numbers(n_elements: int) -> list[int]:
    """Return the numbers of nodes to tell a duration for: 1, 2, 4, ... and as many as there are elements."""
    powers = [2**power for power in range(n_elements.bit_length()) if 2**power < n_elements]
    return [*powers, n_elements] if n_elements else []
