"""How long a search takes, in words, and the refusal of one that takes too long."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator

from rlhpc.errors import InputError
from rlhpc.search import Problem, Settings, estimate_seconds, n_to_search
from rlhpc.words import count, duration

MAX_HOURS = 24.0
HOURS_OF_A_SHARD = 1.0  # of the shards that are proposed
SECONDS_TO_TELL = 10  # of fewer, nothing is said
MOST_SHARDS = 10_000  # that are proposed; clusters seldom take larger arrays
BEAM = 100  # that is proposed


def tell(seconds: float) -> None:
    """Tell at the beginning how long a search takes, if there is time to read it."""
    if seconds >= SECONDS_TO_TELL:
        print(f"This takes about {duration(seconds)}.", file=sys.stderr, flush=True)


def add_flag(built: argparse.ArgumentParser) -> None:
    """Add the flag for how long a search may take."""
    built.add_argument(
        "--max-hours",
        type=float,
        default=MAX_HOURS,
        metavar="H",
        help="refuse a search that would take longer, as tried on a little of it",
    )


def check_time(problem: Problem, settings: Settings, division: tuple[int, int], n_threads: int, max_hours: float) -> float:
    """Return how many seconds one shard would take.

    Parameters
    ----------
    problem : Problem
    settings : Settings
    division : tuple of int
        The index of the shard, and how many there are.
    n_threads : int
    max_hours : float

    Raises
    ------
    InputError
        If it would take longer; it says how long, and what to do instead.
    """
    shard_index, n_shards = division
    seconds = estimate_seconds(problem, settings, shard_index, n_shards) / n_threads
    if seconds <= 3600 * max_hours:
        return seconds
    part = f"shard {shard_index} of {n_shards}" if n_shards > 1 else "this search"
    raise InputError(
        f"{part} would take about {duration(seconds)} on {count(n_threads, 'thread')} of this machine: there are "
        f"{n_to_search(problem, settings):,} subsets of {settings.subset_size} and fewer environments"
        f"{' in the beam' if settings.beam else ''}. "
        f"Instead: {' '.join(_ways(settings, seconds * n_shards * n_threads))} Or let it run: --max-hours "
        f"{math.ceil(seconds / 3600)}."
    )


def _ways(settings: Settings, seconds: float) -> Iterator[str]:
    """Say what to do instead of a search of so many seconds of one thread."""
    n_shards = math.ceil(seconds / 3600 / HOURS_OF_A_SHARD)
    if settings.beam > 1:
        yield f"Search a narrower beam than {settings.beam}."
    elif not settings.beam:
        if n_shards <= MOST_SHARDS:
            yield f"Search in shards of about an hour on a cluster: --submit --n-shards {n_shards}."
        if settings.rank_by == "cv_mse":
            yield f"Search a beam, which is quick and not exhaustive: --beam {BEAM}."
    yield "Search smaller subsets."
