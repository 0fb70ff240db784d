"""Searches redone: the best subsets of every replicate."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from rlhpc.search.best import Best, find, polish
from rlhpc.search.candidates import candidates
from rlhpc.search.evaluation import guess_mse
from rlhpc.search.nested import nest
from rlhpc.search.problem import Problem, without_costs
from rlhpc.search.settings import Settings
from rlhpc.search.trust.replicates import Given, Kind, Replicate
from rlhpc.search.whole import n_to_search, search

Choice = Literal["best", "nested"]
BEST: Choice = "best"  # of all subsets of its size
NESTED: Choice = "nested"  # inside the nested subset of the next larger size


@dataclass(frozen=True)
class Chosen:
    """One subset that a search chose.

    Attributes
    ----------
    choice : str
    subset_size : int
    subset : tuple of int
        Columns; empty if no subset of this size was searchable.
    cv_mse : float
        What the search claimed for it; NaN if there is none.
    """

    choice: Choice
    subset_size: int
    subset: tuple[int, ...]
    cv_mse: float


@dataclass(frozen=True)
class Redone:
    """What the search of one replicate found.

    Attributes
    ----------
    replicate : Replicate
    guess : float
        The mean squared error of guessing each target of the replicate by the mean of its others; NaN for a single one.
    chosen : tuple of Chosen
        Of every size and choice for `Kind.WITHOUT`; else the best of the largest size.
    """

    replicate: Replicate
    guess: float
    chosen: tuple[Chosen, ...]

    @property
    def best(self) -> Chosen:
        """The best of the largest size."""
        return self.chosen[0]


def n_redone_subsets(given: Given, replicates: Sequence[Replicate]) -> int:
    """Count the subsets that some replicates take to search, for a bar of progress."""
    every = n_to_search(given.problem, given.settings)
    return len(replicates) * every


def redo(
    given: Given,
    replicates: Sequence[Replicate],
    *,
    n_threads: int = 1,
    report: Callable[[int], object] = lambda _: None,
) -> list[Redone]:
    """Search every replicate.

    Parameters
    ----------
    given : Given
    replicates : sequence of Replicate
        Some of ``given.replicates``.
    n_threads : int
        Replicates that are searched at a time.
    report : callable
        Called with the number of subsets done since its last call; of every replicate those of all sizes.

    Returns
    -------
    list of Redone
        In the order of the replicates; the same for any number of threads.
    """
    every, lock = n_to_search(given.problem, given.settings), threading.Lock()

    def search_one(replicate: Replicate) -> Redone:
        found = _search_replicate(given, replicate)
        with lock:
            report(every)
        return found

    if n_threads == 1:
        return [search_one(replicate) for replicate in replicates]
    with ThreadPoolExecutor(n_threads) as pool:
        try:
            return list(pool.map(search_one, replicates))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _search_replicate(given: Given, replicate: Replicate) -> Redone:
    problem, settings = given.changed(replicate)
    problem = without_costs(problem)  # nothing here asks for a front
    chosen = choose(problem, settings) if replicate.kind is Kind.WITHOUT else (choose_largest(problem, settings),)
    return Redone(replicate, guess_mse(problem.y), chosen)


def choose_largest(problem: Problem, settings: Settings) -> Chosen:
    """Return the best subset of the largest size, as a whole search finds it."""
    if settings.beam:
        best = search(problem, _short(settings))[0]
    else:
        settings, size = _short(settings), settings.subset_size
        best = polish(problem, settings, [find(problem, settings, size, 0, candidates(problem, settings, size).n_subsets)])
    return _first(best)


def choose(problem: Problem, settings: Settings) -> tuple[Chosen, ...]:
    """Return the best and the nested subset of every size, the largest first, as a whole search finds them."""
    best = search(problem, _short(settings))
    chosen = [_first(part) for part in best]
    if not chosen[0].subset:  # what is inside a searchable subset is searchable too
        return (*chosen, *(Chosen(NESTED, part.subset_size, (), np.nan) for part in best))
    nested = nest(problem, settings, best)
    return (*chosen, *(Chosen(NESTED, size.subset_size, size.nested, size.nested_cv_mse) for size in nested))


def _first(best: Best) -> Chosen:
    if not len(best.subsets):
        return Chosen(BEST, best.subset_size, (), np.nan)
    return Chosen(BEST, best.subset_size, tuple(best.subsets[0].tolist()), float(best.cv_mse[0]))


def _short(settings: Settings) -> Settings:
    """Return the settings without the rest of the ranking, where its length is no part of the rule."""
    return settings if settings.rank_by == "in_sample" else replace(settings, keep=1)
