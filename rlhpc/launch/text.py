"""What is said of a launch: before it, and after it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from rlhpc.results.ledger import Ledger
from rlhpc.results.missing import count
from rlhpc.results.store import ATTEMPTS, Store
from rlhpc.training import plan
from rlhpc.training.estimate import Hours, prior_hours
from rlhpc.training.grid import Grid
from rlhpc.training.outcome import Outcome


def facts_of(grid: Grid, found: Ledger, nodes: Sequence[plan.NodePlan], hours: Hours = prior_hours) -> dict[str, Any]:
    """Gather what is to be said before a launch, in words that JSON knows.

    Parameters
    ----------
    grid : Grid
    found : Ledger
        What is stored of it.
    nodes : sequence of NodePlan
        The plan of the rest.
    hours : callable
        How long a training takes.
    """
    kinds = Counter((training.benchmark, training.algo, training.total_timesteps) for training in grid.trainings)
    return {
        "n_trainings": len(grid.trainings),
        "n_stored": len(found.stored),
        "n_to_train": sum(len(each.trainings) for each in nodes),
        "kinds": [{"benchmark": key[0], "algo": key[1], "total_timesteps": key[2], "n": n} for key, n in kinds.items()],
        "incompatible": [{"algo": algo, "env_id": env_id} for algo, env_id in grid.incompatible],
        "damaged": [{"training": training.name, "reason": reason} for training, reason in found.damaged],
        "estimates": "measured" if found.results else "priors",
        **plan.describe(nodes, hours),
    }


def before(facts: Mapping[str, Any]) -> str:
    """Say what is going to be done.

    Parameters
    ----------
    facts : mapping
        From `facts_of`, and ``name`` of the grid, ``results`` (its folder), ``cluster``; for Slurm also those of
        `rlhpc.launch.slurm.describe`.
    """
    lines = [f"{count(facts['n_trainings'], 'training')} in the grid '{facts['name']}':"]
    lines += [
        f"  {kind['n']:4d}  {kind['benchmark']:12} {kind['algo']:16} {_steps(kind['total_timesteps'])}" for kind in facts["kinds"]
    ]
    left_out = facts["incompatible"]
    if left_out:
        by_algo: dict[str, list[str]] = defaultdict(list)
        for pair in left_out:
            by_algo[pair["algo"]].append(pair["env_id"])
        lines.append("Left out, because the algorithm cannot act in the environment's action space:")
        lines += [f"  {algo} in {len(env_ids)}: {', '.join(env_ids)}" for algo, env_ids in by_algo.items()]
    lines += [f"damaged result, to be trained again: {damaged['reason']}" for damaged in facts["damaged"]]
    queued = f"{facts['n_in_queue']} wait or run in the queue; " if facts.get("n_in_queue") else ""
    lines.append(f"{facts['n_stored']} are stored in {facts['results']}; {queued}{facts['n_to_train']} to train.")
    if facts.get("n_ending"):
        lines.append(
            f"{facts['n_ending']} of those in the queue are ending just now: launch again in a minute to go on with them."
        )
    if facts["n_to_train"] and facts["cluster"] == "slurm":
        lines += _price(facts)
    elif facts["n_to_train"]:
        lines.append(f"On this machine, {facts['gpus_per_node'] * facts['trainings_per_gpu']} at a time, the long ones first.")
    return "\n".join(lines)


def _price(facts: Mapping[str, Any]) -> list[str]:
    """Say what a plan for Slurm takes, and what it costs."""
    element, n_gpus, at_once = facts["element"], facts["gpus_per_node"], facts["trainings_per_gpu"]
    what = f"{n_gpus} GPUs x {at_once} trainings" if n_gpus else f"{at_once} trainings on cores"
    hours = _hours(facts["estimated_gpu_hours" if n_gpus else "estimated_node_hours"])
    price = f"{hours} {'GPU' if n_gpus else 'node'}-hours"
    source = "your own trainings so far, else by priors" if facts["estimates"] == "measured" else "priors"
    walls = ", ".join(f"{_hours(wall)} on {n_nodes}" for n_nodes, wall in facts["estimated_wall_hours"].items())
    where = f"partition {element['partition']}" if element["partition"] else "the default partition"
    elements = (
        f"{count(facts['n_array_elements'], 'array element')} of {what}; about {price}, the longest element"
        f" {_hours(facts['estimated_hours'])} hours (by {source} of an A100; short ones end much earlier)."
    )
    size = f"{count(element['cpus'], 'core')}, {element['memory_gb']:.0f} GB and {_duration(element['timeout_min'])} in {where}"
    return [
        elements,
        f"Hours until all is done, by the number of nodes that the cluster gives at a time: {walls}.",
        f"Each takes {size}; what is not done then is saved, requeued and continued.",
        f"About {facts['n_files']:,} files and {facts['gigabytes']:,.1f} GB will be written.",
        *facts["notes"],
    ]


def submitted(arrays: Sequence[Mapping[str, str]], store: Store) -> str:
    """Say what was submitted, and how to follow and stop it."""
    jobs = " ".join(array["job_id"] for array in arrays)
    return "\n".join(
        [
            *(f"output of job {array['job_id']}: {array['logs']} (%a: the element)" for array in arrays),
            f"follow it: python jobs/status.py {store.root} --watch",
            f"stop it: scancel {jobs} (launch again to go on)",
        ]
    )


def after(outcome: Outcome, store: Store) -> str:
    """Say what was done."""
    if outcome == Outcome():
        return f"Nothing to train: every training of the grid is stored in {store.trainings}"
    lines = [f"{count(len(outcome.stored), 'training')} stored in {store.trainings}"]
    if outcome.stopped:
        lines.append(
            f"{len(outcome.stopped)} stopped, to be continued: start again, and each goes on from its checkpoint, if it has one."
        )
    if outcome.elsewhere:
        holders = ", ".join(sorted({holder for _, holder in outcome.elsewhere}))
        lines.append(f"{len(outcome.elsewhere)} are in the hands of another launch, and left to it: {holders}.")
    if outcome.failed:
        lines.append(f"{len(outcome.failed)} failed; start again to try them again:")
        for training, reason in outcome.failed:
            lines += [f"  {training.name}: {reason}", f"    see {store.folder(training) / ATTEMPTS}"]
    return "\n".join(lines)


def _hours(hours: float) -> str:
    """Spell an estimate: whole hours, or two digits of short ones."""
    return f"{hours:,.0f}" if hours >= 10 else f"{hours:.2g}"


def _duration(minutes: int) -> str:
    return f"{minutes / 60:g} hours" if minutes >= 60 else f"{minutes} minutes"


def _steps(total_timesteps: int) -> str:
    return f"{total_timesteps:,} agent steps" if total_timesteps else "no training"
