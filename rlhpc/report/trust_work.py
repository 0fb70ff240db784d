"""The searches that trust figures take, redone: those that a folder has are taken from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rlhpc.errors import IncompleteSearchError
from rlhpc.report.search_input import rescore
from rlhpc.report.seeds import SeedScores
from rlhpc.results.coverage import CoverageRules
from rlhpc.search import Problem, Settings
from rlhpc.search.trust import Given, Kind, Plan, Redone, Replicate, make_plan
from rlhpc.search.trust.redone_file import RedoneFile, origin_of, read_redone
from rlhpc.search.trust.replicates import same_draws

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


@dataclass(frozen=True, eq=False)
class Stored:
    """The redone searches that a folder has.

    Attributes
    ----------
    file : RedoneFile or None
        None if there is none that can be read.
    """

    file: RedoneFile | None

    def is_of(self, given: Given) -> bool:
        """Tell whether they are of this table and these settings, whatever the plan."""
        if self.file is None:
            return False
        ours, theirs = origin_of(given), self.file.origin
        return (theirs.problem_hash, theirs.settings, theirs.version) == (ours.problem_hash, ours.settings, ours.version)

    def found(self, given: Given) -> dict[Replicate, Redone]:
        """Return those that another plan would redo to the same; of resampled seeds only if the seeds are the same."""
        if self.file is None or not self.is_of(given):
            return {}
        origin, ours = self.file.origin, origin_of(given)
        kinds = {kind for kind in Kind if same_draws(kind, origin.plan, given.plan, len(given.problem.y))}
        if origin.seeds_hash != ours.seeds_hash:
            kinds -= {Kind.RESAMPLED}
        wanted = {*given.replicates}
        return {one.replicate: one for one in self.file.redone if one.replicate in wanted and one.replicate.kind in kinds}

    def may_be_replaced(self, given: Given) -> bool:
        """Tell whether the searches of a plan may take their place.

        Not if they are of the same table and hold more, or by another plan: what a cluster has done is not lost to a look.
        """
        if self.file is None or not self.is_of(given):
            return True
        return self.file.origin.plan == given.plan and len(given.replicates) >= self.file.origin.n_replicates


def read_stored(path: Path) -> Stored:
    """Read the redone searches of a folder; one that cannot be read counts as none."""
    try:
        return Stored(read_redone(path))
    except IncompleteSearchError:
        return Stored(None)


def choose_plan(stored: Stored, problem: Problem, settings: Settings, values: Mapping[str, int]) -> Plan:
    """Return the plan that a command line asks for: by default that of the searches which are stored.

    Parameters
    ----------
    stored : Stored
    problem : Problem
    settings : Settings
    values : mapping of str to int
        Attributes of the plan that were asked for.

    Raises
    ------
    InputError
        With everything that is wrong with these.
    """
    plan = make_plan(problem, settings, **values)
    if stored.file is None or not stored.is_of(Given(problem, settings, plan)):
        return plan
    return replace(stored.file.origin.plan, **values)


def complete(
    given: Given, stored: Mapping[Replicate, Redone], redo_missing: Callable[[Sequence[Replicate]], Sequence[Redone]]
) -> tuple[Redone, ...]:
    """Return all searches of a plan, in order: those that are stored, and the missing ones redone."""
    missing = [replicate for replicate in given.replicates if replicate not in stored]
    known = dict(stored)
    if missing:
        known |= {one.replicate: one for one in redo_missing(missing)}
    return tuple(known[replicate] for replicate in given.replicates)
