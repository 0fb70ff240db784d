"""The trust report that a command line asks for: what is redone, how often, and how long that takes."""

from __future__ import annotations

import argparse
import math
import shlex
from collections.abc import Mapping, Sequence

from rlhpc.errors import InputError
from rlhpc.search import Problem, Settings, estimate_seconds
from rlhpc.search.trust import Given, Plan, make_plan
from rlhpc.words import count, duration

FEWEST_PERMUTATIONS = 20  # with fewer, not one as good is p > 0.05
MAX_HOURS = 1.0  # of a report; more is for a cluster
FLAGS: Mapping[str, tuple[str, str]] = {  # attribute of `Plan` -> its flag, and help
    "n_outer_folds": ("--outer-folds", "hold out the algorithms in so many parts (default: one by one)"),
    "n_permutations": (
        "--permutations",
        "shuffled targets, all orders if these are no more; and as many tables with permuted columns, at most 1,000",
    ),
    "n_fold_seeds": ("--fold-seeds", "other seeds of the folds"),
    "n_pairs": ("--pairs", "pairs of algorithms left out; all, if these are no more"),
    "n_resamples": ("--resamples", "tables of resampled seeds"),
    "n_subsamples": ("--subsamples", "parts of the algorithms of each size"),
    "seed": ("--trust-seed", "seed that all of these but the folds are drawn with (default: 0)"),
}


def add_flags(built: argparse.ArgumentParser) -> None:
    """Add the flags that say what is redone, and how often; by default what takes some minutes."""
    group = built.add_argument_group("what is redone to see how far to trust a subset (defaults depend on the size of the table)")
    for name, (flag, told) in FLAGS.items():
        group.add_argument(flag, type=int, dest=f"trust_{name}", metavar="SEED" if name == "seed" else "N", help=told)


def is_given(args: argparse.Namespace) -> bool:
    """Tell whether a command line names any attribute of `Plan`."""
    return any(getattr(args, f"trust_{name}") is not None for name in FLAGS)


def given_values(args: argparse.Namespace) -> dict[str, int]:
    """Return the attributes of `Plan` that a command line names.

    Raises
    ------
    InputError
        If there are too few permutations for any p-value to be small.
    """
    values = {name: value for name in FLAGS if (value := getattr(args, f"trust_{name}")) is not None}
    if 0 < values.get("n_permutations", 0) < FEWEST_PERMUTATIONS:
        n = values["n_permutations"]
        raise InputError(
            f"--permutations {n}: p would be {1 / (n + 1):.2g} at least, and could not tell chance. Give {FEWEST_PERMUTATIONS} "
            "or more; or 0, to leave them out."
        )
    return values


def read_plan(args: argparse.Namespace, problem: Problem, settings: Settings) -> Plan:
    """Return the plan that flags make.

    Raises
    ------
    InputError
        With every fault.
    """
    return make_plan(problem, settings, **given_values(args))


def words(problem: Problem, settings: Settings, plan: Plan) -> list[str]:
    """Return the flags that make a plan; those that are as by default are left out."""
    usual = make_plan(problem, settings)
    return [
        word
        for name, (flag, _) in FLAGS.items()
        if getattr(plan, name) != getattr(usual, name)
        for word in (flag, str(getattr(plan, name)))
    ]


def seconds_of(given: Given, n_replicates: int, n_threads: int) -> float:
    """Estimate how long so many replicates take."""
    return n_replicates * estimate_seconds(given.problem, given.settings) / n_threads


def check_time(given: Given, n_threads: int, max_hours: float, n_shards: int = 1) -> float:
    """Return how many seconds one shard's share of the redone searches takes.

    Raises
    ------
    InputError
        If that is longer than allowed; it says how long, and what to do instead.
    """
    seconds = seconds_of(given, len(given.replicates), n_threads * n_shards)
    if seconds <= 3600 * max_hours:
        return seconds
    part = "a shard's share of " if n_shards > 1 else ""
    raise InputError(
        f"{part}the searches for trust figures would take about {duration(seconds)} on {count(n_threads, 'thread')} "
        "of this machine. Instead: search in more shards (--submit --n-shards), or redo it less often (--permutations, --pairs, "
        f"--subsamples, --outer-folds). Or let it run: --max-hours {math.ceil(seconds / 3600)}."
    )


def too_long(seconds: float, max_hours: float, search: Sequence[str]) -> str:
    """Say that trust figures take longer than allowed, and what to do; blank if they do not.

    Parameters
    ----------
    seconds : float
    max_hours : float
    search : sequence of str
        What a command line of the search gives after its job's name.
    """
    if seconds <= 3600 * max_hours:
        return ""
    return (
        f"Redoing the search for that takes about {duration(seconds)}, more than --max-hours {max_hours:g}. Have a cluster do it:"
        f" sbatch slurm/subset_search.sh {shlex.join(search)}. Or redo it less often (--permutations, --pairs, --subsamples, "
        f"--outer-folds), or let it run: --max-hours {math.ceil(seconds / 3600)}."
    )
