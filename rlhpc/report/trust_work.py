"""The searches that trust figures take, redone: those that a folder has are taken from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rlhpc.errors import IncompleteSearchError
from rlhpc.report.search_input import rescore
from rlhpc.report.seeds import SeedScores
from rlhpc.results.coverage import CoverageRules
from rlhpc.search import Problem, Settings
from rlhpc.search.trust import Given, Kind, Plan, Redone, Replicate, make_plan
from rlhpc.search.trust.redone_file import origin_of, read_redone

Floats = NDArray[np.float64]


def trust_given(problem: Problem, settings: Settings, plan: Plan, rules: CoverageRules, seeds: SeedScores | None = None) -> Given:
    """Gather what searches are redone on.

    Parameters
    ----------
    problem : Problem
    settings : Settings
    plan : Plan
    rules : CoverageRules
        Those that the problem was made by.
    seeds : SeedScores or None
        Scores of single seeds, if they are known; where one is not, the score that was searched stands alone.
    """
    scores = None if seeds is None else _fill(seeds.scores, problem.scores)
    return Given(problem, settings, plan, lambda changed: rescore(problem, changed, rules), scores)


def _fill(seed_scores: Floats, scores: Floats) -> Floats:
    """Let a score stand alone where there are no seeds of it; shapes (n_algos, n_seeds, n_envs) and (n_algos, n_envs)."""
    filled = seed_scores.copy()
    filled[:, 0] = np.where(np.isnan(seed_scores).all(axis=1), scores, seed_scores[:, 0])
    return filled


def choose_plan(path: Path, problem: Problem, settings: Settings, values: Mapping[str, int]) -> Plan:
    """Return the plan that a command line asks for: by default that of the searches which are stored.

    Parameters
    ----------
    path : Path
        Where redone searches may be stored.
    problem : Problem
    settings : Settings
    values : mapping of str to int
        Attributes of the plan that were asked for.

    Raises
    ------
    InputError
        With everything that is wrong with these.
    """
    try:
        stored = read_redone(path).origin
    except IncompleteSearchError:
        return make_plan(problem, settings, **values)
    plan = make_plan(problem, settings)
    ours = origin_of(Given(problem, settings, plan))
    if (stored.problem_hash, stored.settings, stored.version) != (ours.problem_hash, ours.settings, ours.version):
        return make_plan(problem, settings, **values)
    return replace(stored.plan, **values)


def stored_redone(path: Path, given: Given) -> dict[Replicate, Redone]:
    """Return what is stored of the searches of a plan; nothing, if the file is of anything else or cannot be read."""
    try:
        found = read_redone(path)
    except IncompleteSearchError:
        return {}
    ours = origin_of(given)
    same_seeds = found.origin.seeds_hash == ours.seeds_hash
    if replace(found.origin, seeds_hash="", n_replicates=0) != replace(ours, seeds_hash="", n_replicates=0):
        return {}
    return {one.replicate: one for one in found.redone if same_seeds or one.replicate.kind is not Kind.RESAMPLED}


def complete(
    given: Given, stored: Mapping[Replicate, Redone], redo_missing: Callable[[Sequence[Replicate]], Sequence[Redone]]
) -> tuple[Redone, ...]:
    """Return all searches of a plan, in order: those that are stored, and the missing ones redone."""
    missing = [replicate for replicate in given.replicates if replicate not in stored]
    known = dict(stored)
    if missing:
        known |= {one.replicate: one for one in redo_missing(missing)}
    return tuple(known[replicate] for replicate in given.replicates)
