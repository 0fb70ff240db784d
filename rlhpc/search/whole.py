"""A whole search, on this machine: exhaustive, or of a beam."""

from __future__ import annotations

from collections.abc import Callable

from rlhpc.search.beam import most_extended, search_beam
from rlhpc.search.best import Best, find, polish
from rlhpc.search.candidates import candidates
from rlhpc.search.problem import Problem
from rlhpc.search.settings import Settings


def n_to_search(problem: Problem, settings: Settings) -> int:
    """Count the subsets of every size that `search` goes through; at most, of a beam."""
    every = [candidates(problem, settings, size) for size in settings.sizes]
    return sum(most_extended(settings, chosen) if settings.beam else chosen.n_subsets for chosen in every)


def search(
    problem: Problem, settings: Settings, *, n_threads: int = 1, report: Callable[[int], object] = lambda _: None
) -> tuple[Best, ...]:
    """Search subsets of every size.

    Parameters
    ----------
    problem : Problem
    settings : Settings
    n_threads : int
    report : callable
        Called with the number of subsets done since its last call.

    Returns
    -------
    tuple of Best
        One for each of ``settings.sizes``; the same, to the bit, as `rlhpc.search.merge.merge` makes of any division into shards.
    """
    settings.check(problem)
    if settings.beam:
        return search_beam(problem, settings, n_threads=n_threads, report=report)
    whole = (
        find(problem, settings, size, 0, candidates(problem, settings, size).n_subsets, n_threads=n_threads, report=report)
        for size in settings.sizes
    )
    return tuple(polish(problem, settings, [found], n_threads=n_threads) for found in whole)
