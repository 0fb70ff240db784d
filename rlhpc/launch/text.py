"""What is said of a launch: before it, and after it."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from rlhpc.cluster.queue import array_of
from rlhpc.config import CONFIGS
from rlhpc.errors import DamagedResultError
from rlhpc.records import Training
from rlhpc.results.ledger import Ledger
from rlhpc.results.store import ATTEMPTS, CHECKPOINT, Store
from rlhpc.training import plan
from rlhpc.training.algos import RANDOM
from rlhpc.training.estimate import MeasuredHours, Source
from rlhpc.training.grid import Grid
from rlhpc.training.outcome import Outcome
from rlhpc.words import count, duration


def facts_of(grid: Grid, found: Ledger, nodes: Sequence[plan.NodePlan], hours: MeasuredHours) -> dict[str, Any]:
    """Gather what is to be said before a launch, in words that JSON knows.

    Parameters
    ----------
    grid : Grid
    found : Ledger
        What is stored of it.
    nodes : sequence of NodePlan
        The plan of the rest.
    hours : MeasuredHours
        How long a training takes.
    """
    kinds = Counter((each.benchmark, each.algo, each.total_timesteps, _random_episodes(each)) for each in grid.trainings)
    return {
        "n_trainings": len(grid.trainings),
        "n_stored": len(found.stored),
        "n_to_train": sum(len(each.trainings) for each in nodes),
        "kinds": [
            {"benchmark": benchmark, "algo": algo, "total_timesteps": steps, "n_random_episodes": n_episodes, "n": n}
            for (benchmark, algo, steps, n_episodes), n in kinds.items()
        ],
        "incompatible": [{"algo": algo, "env_id": env_id} for algo, env_id in grid.incompatible],
        "damaged": [{"training": training.name, "reason": reason} for training, reason in found.damaged],
        "estimates": _estimates([training for node in nodes for training in node.trainings], hours),
        **plan.describe(nodes, hours),
    }


def _estimates(trainings: Sequence[Training], hours: MeasuredHours) -> list[dict[str, Any]]:
    """Say of how many trainings the duration comes from where, the surest first."""
    found: dict[Source, list[Training]] = {source: [] for source in Source}
    for training in trainings:
        found[hours.source(training)].append(training)
    return [
        {
            "source": source.value,
            "n": len(each),
            "algos": sorted({training.algo for training in each}),
            "env_ids": sorted({training.env_id for training in each}),
        }
        for source, each in found.items()
        if each
    ]


def before(facts: Mapping[str, Any]) -> str:
    """Say what is going to be done.

    Parameters
    ----------
    facts : mapping
        From `facts_of`, and ``name`` of the grid, ``results`` (its folder), ``n_others`` (trainings there that the grid does
        not name), ``namesakes`` (from `rlhpc.launch.expansion`), ``cluster``, ``device`` (``cuda`` or ``cpu``); for Slurm also
        those of `rlhpc.launch.slurm.describe`.
    """
    lines = [f"{count(facts['n_trainings'], 'training')} in the grid '{facts['name']}':"]
    lines += [f"  {kind['n']:4d}  {kind['benchmark']:12} {kind['algo']:16} {_length(kind)}" for kind in facts["kinds"]]
    left_out = facts["incompatible"]
    if left_out:
        by_algo: dict[str, list[str]] = defaultdict(list)
        for pair in left_out:
            by_algo[pair["algo"]].append(pair["env_id"])
        lines.append("Left out, because the algorithm cannot act in the environment's action space:")
        lines += [f"  {algo} in {len(env_ids)}: {', '.join(env_ids)}" for algo, env_ids in by_algo.items()]
    lines += [
        f"{each['env_id']} is another environment than {each['other']} of {each['benchmark']}, though the same game: its scores"
        " are not that benchmark's."
        for each in facts["namesakes"]
    ]
    lines += [f"damaged result, to be trained again: {damaged['reason']}" for damaged in facts["damaged"]]
    if facts["n_others"]:
        others = f"{count(facts['n_others'], 'training')} of other launches, not named by this grid"
        lines.append(f"{facts['results']} also holds {others}; their configurations are kept there (config*.yaml).")
    queued = f"{facts['n_in_queue']} wait or run in the queue; " if facts.get("n_in_queue") else ""
    lines.append(f"{facts['n_stored']} are stored in {facts['results']}; {queued}{facts['n_to_train']} to train.")
    if facts.get("n_ending"):
        lines.append(
            f"{facts['n_ending']} of those in the queue are ending just now: launch again in a minute to go on with them."
        )
    if facts["n_to_train"] and facts["cluster"] == "slurm":
        lines += _price(facts)
    elif facts["n_to_train"]:
        at_once = facts["gpus_per_node"] * facts["trainings_per_gpu"]
        (least,) = facts["least_wall_hours"].values()
        length = f"about {_bounded(facts['estimated_hours'], least)}"
        lines += [f"On this machine, {at_once} at a time, the long ones first; {length}.", _sources(facts["estimates"])]
        if facts["device"] == "cpu" and _is_of_an_a100(facts):
            lines.append("These trainings run on cores, which may take much longer than an A100.")
    return "\n".join(lines)


def share(cpus: int | None, memory_gb: float | None) -> str:
    """Spell the cores and the memory of an element; None is what the user's own options decide."""
    own = "as slurm.options say"
    if cpus is None and memory_gb is None:
        return f"cores and memory {own}"
    cores = f"cores {own}" if cpus is None else count(cpus, "core")
    return f"{cores} and {f'memory {own}' if memory_gb is None else f'{memory_gb:g} GB'}"


def _price(facts: Mapping[str, Any]) -> list[str]:
    """Say what a plan for Slurm takes, and what it costs."""
    element, n_gpus, at_once = facts["element"], facts["gpus_per_node"], facts["trainings_per_gpu"]
    what = f"{count(n_gpus, 'GPU')} x {at_once} trainings" if n_gpus else f"{at_once} trainings on cores"
    hours = facts["estimated_gpu_hours" if n_gpus else "estimated_node_hours"]
    price = f"{_number(hours)} {'GPU' if n_gpus else 'node'}-hour{'' if _number(hours) == '1' else 's'}"
    least = facts["least_wall_hours"]
    walls = list(facts["estimated_wall_hours"].items())
    or_more = ""
    while len(walls) > 1 and _span(walls[-2][1]) == _span(walls[-1][1]):  # nodes that gain nothing
        walls.pop()
        or_more = " or more"
    told = [_bounded(wall, least[n_nodes], f" on {n_nodes}{or_more * (n_nodes == walls[-1][0])}") for n_nodes, wall in walls]
    where = f"partition {element['partition']}" if element["partition"] else "the default partition"
    size = f"{share(element['cpus'], element['memory_gb'])}, and {duration(60 * element['timeout_min'])} in {where}"
    inside = f", in the image {element['image']}" if element["image"] else ""
    length = f"{_span(facts['estimated_hours'])} (short ones end much earlier)"
    return [
        f"{count(facts['n_array_elements'], 'array element')} of {what}; about {price}, the longest element {length}.",
        _sources(facts["estimates"]),
        f"Until all is done, by the number of nodes that the cluster gives at a time: {', '.join(told)}.",
        f"Each takes {size}{inside}; what is not done then is saved, requeued and continued.",
        f"About {facts['n_files']:,} files and {max(facts['gigabytes'], 0.1):,.1f} GB will be written.",
        *facts["notes"],
    ]


_BY = {
    Source.MEASURED: "by your own trainings so far",
    Source.OTHER_DEVICE: "by your own trainings so far, on another kind of device",
    Source.PRIOR: "by priors of an A100",
    Source.AS_PPO: "as if they were PPO on an A100, for want of a prior",
}


_OF_AN_A100 = (Source.PRIOR, Source.AS_PPO)
_SHOWN = 2  # environments that are named


def _sources(estimates: Sequence[Mapping[str, Any]]) -> str:
    """Say where the estimates come from; with the environments, where an algorithm alone does not tell that."""
    told: set[str] = set()
    words = []
    for each in estimates:
        where = f" in {first_ones(each['env_ids'])}" if told & set(each["algos"]) else ""
        words.append(f"{count(each['n'], 'training')} ({', '.join(each['algos'])}{where}) {_BY[Source(each['source'])]}")
        told |= set(each["algos"])
    return f"Times are estimates: {'; '.join(words)}."


def _is_of_an_a100(facts: Mapping[str, Any]) -> bool:
    """Tell whether any estimate is a GPU's; that of the random agent, which does not learn, is a core's."""
    learning = {kind["algo"] for kind in facts["kinds"] if not kind["n_random_episodes"]}
    return any(Source(each["source"]) in _OF_AN_A100 and learning & set(each["algos"]) for each in facts["estimates"])


def first_ones(env_ids: Sequence[str]) -> str:
    """Name the first of some environments, and count the others."""
    rest = f" and {len(env_ids) - _SHOWN} more" if len(env_ids) > _SHOWN else ""
    return f"{', '.join(env_ids[:_SHOWN])}{rest}"


def submitted(arrays: Sequence[Mapping[str, str]], store: Store) -> str:
    """Say what was submitted, and how to follow, stop and continue it."""
    outputs = [
        f"output of job {array['job_id']}: {array['logs']}{' (%a: the element)' if '%a' in array['logs'] else ''}"
        for array in arrays
    ]
    return "\n".join([*outputs, *_what_next([array["job_id"] for array in arrays], store)])


def nothing(facts: Mapping[str, Any], store: Store, *, only_failed: bool) -> str:
    """Say what to do where nothing is left to submit."""
    if only_failed:
        return (
            f"Nothing has failed for good; {count(facts['n_unfinished'], 'training')} without a result are left to a full launch."
        )
    if facts["n_in_queue"]:
        return "\n".join(_what_next(sorted({array_of(job) for job in facts["in_queue"].values()}, key=int), store))
    return f"next: {job('collect_scores', store.root)}"


def _what_next(jobs: Sequence[str], store: Store) -> list[str]:
    """Say how jobs are followed, stopped, and continued."""
    return [
        f"follow it: {job('status', store.root, '--watch')}",
        f"stop it: scancel {' '.join(jobs)}",
        f"go on with it: {job('launch_training', '--config', store.config)}",
    ]


def job(name: str, *arguments: object) -> str:
    """Spell the command line of a job, for a shell in this folder."""
    script = os.path.relpath(CONFIGS.parent / "jobs" / f"{name}.py")
    return shlex.join(["python", script, *(os.path.normpath(str(each)) for each in arguments)])


def after(outcome: Outcome, store: Store, *, is_online: bool = False, command: str = "") -> str:
    """Say what was done.

    Parameters
    ----------
    outcome : Outcome
    store : Store
    is_online : bool
        Whether Weights & Biases was to follow it.
    command : str
        That starts it again, where somebody must.
    """
    if outcome == Outcome():
        return f"Nothing to train: every training of the grid is stored in {store.trainings}"
    lines = [f"{count(len(outcome.stored), 'training')} stored by this launch, in {store.trainings}"]
    n_offline = sum(_went_offline(store, training) for training in outcome.stored) if is_online else 0
    if n_offline:
        lines.append(
            f"{n_offline} of them went on offline, as Weights & Biases could not be reached. Send them later:"
            f" {job('sync_wandb', store.root)}"
        )
    if outcome.stopped:
        folders = [store.folder(training) for training in outcome.stopped]
        n_begun = sum(folder.is_dir() for folder in folders)
        counts = {"stopped": n_begun, "not begun": len(folders) - n_begun}
        is_saved = any(True for folder in folders for _ in folder.glob(f"{CHECKPOINT}*"))
        how = "start again, and each goes on from its checkpoint, if it has one" if is_saved else "start again to go on"
        lines.append(f"{', '.join(f'{n:,} {state}' for state, n in counts.items() if n)}: {how}.")
        lines += [f"  {command}"] if command else []
    if outcome.elsewhere:
        holders = ", ".join(sorted({holder for _, holder in outcome.elsewhere}))
        verb = "is" if len(outcome.elsewhere) == 1 else "are"
        what = f"{count(len(outcome.elsewhere), 'training')} {verb} in the hands of another launch, and left to it"
        lines.append(f"{what}: {holders}.")
    if outcome.failed:
        lines.append(f"{len(outcome.failed)} failed; start again to try them again:")
        for training, reason in outcome.failed:
            lines += [f"  {training.name}: {reason}", f"    see {store.folder(training) / ATTEMPTS}"]
    return "\n".join(lines)


def _went_offline(store: Store, training: Training) -> bool:
    """Tell whether the run of a stored training waits to be sent."""
    with contextlib.suppress(DamagedResultError):
        result = store.read(training)
        return result is not None and result.wandb.get("mode") == "offline"
    return False


def _number(hours: float) -> str:
    """Spell an estimate: as a whole number, or two digits of a small one."""
    return f"{hours:,.0f}" if hours >= 10 else f"{hours:.2g}"


def _span(hours: float) -> str:
    """Spell an estimate, which is no better than to a minute."""
    return duration(max(3600 * hours, 60))


def _bounded(hours: float, least: float, where: str = "") -> str:
    """Spell a duration, with what no packing is quicker than, by the same estimates, where that is less."""
    length, shortest = _span(hours), _span(least)
    return f"{length}{where}" + (f" (no packing is quicker than {shortest})" if shortest != length else "")


def _random_episodes(training: Training) -> int:
    """Return how many episodes the random agent plays; 0 of one that learns."""
    values = training.hyperparameters
    return int(values.get("n_trials", 1)) * int(values.get("n_episodes", 1)) if values.get("class") == RANDOM else 0


def _length(kind: Mapping[str, Any]) -> str:
    if kind["n_random_episodes"]:
        return f"{count(kind['n_random_episodes'], 'episode')}, no training"
    return f"{kind['total_timesteps']:,} agent steps"
