"""Replicates: the tables that a search is redone on, each a function of its kind and number alone."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import comb, factorial

import numpy as np
from numpy.typing import NDArray

from rlhpc.search.combinations import unrank
from rlhpc.search.problem import Problem
from rlhpc.search.settings import MAX_SEED, Settings
from rlhpc.search.trust.plan import MOST_COLUMN_PERMUTATIONS, Plan

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Rescore = Callable[[Floats], Problem]  # raw scores of shape (n_algos, n_envs) -> the problem with these


class Kind(StrEnum):
    """What is changed; in the order in which they are numbered."""

    WITHOUT = "without"  # an outer fold: one algorithm, or several
    WITHOUT_TWO = "without two"
    FOLD_SEED = "other folds"
    SHUFFLED = "shuffled targets"
    PERMUTED = "permuted columns"
    PART = "part"  # of the algorithms
    RESAMPLED = "resampled seeds"


CODES = {kind: code for code, kind in enumerate(Kind)}  # in seeds and files; never renumber


@dataclass(frozen=True)
class Replicate:
    """One changed table.

    Attributes
    ----------
    kind : Kind
    index : int
        From 0, among those of its kind.
    """

    kind: Kind
    index: int


@dataclass(frozen=True, eq=False)
class Given:
    """Everything that tables are changed by.

    Attributes
    ----------
    problem : Problem
    settings : Settings
    plan : Plan
    rescore : callable or None
        Makes the problem of changed raw scores; without it, no columns are permuted and no seeds resampled.
    seed_scores : array of shape (n_algos, n_seeds, n_envs) or None
        Raw scores of single seeds, NaN where missing; None if they are not known.
    """

    problem: Problem
    settings: Settings
    plan: Plan
    rescore: Rescore | None = None
    seed_scores: Floats | None = None

    def count(self, kind: Kind) -> int:
        """Return how many replicates of a kind there are."""
        n_algos, plan, settings = len(self.problem.y), self.plan, self.settings
        two_less = settings.n_parameters < n_algos - 2
        own_folds = settings.n_folds < n_algos  # else each algorithm is a fold, whatever the seed
        resampled = self.rescore is not None and has_several_seeds(self.seed_scores)
        return {
            Kind.WITHOUT: int(plan.outer_folds(n_algos).max()) + 1,
            Kind.WITHOUT_TWO: min(comb(n_algos, 2), plan.n_pairs) if two_less else 0,
            Kind.FOLD_SEED: plan.n_fold_seeds if own_folds else 0,
            Kind.SHUFFLED: factorial(n_algos) if plan.all_orders(n_algos) else plan.n_permutations,
            Kind.PERMUTED: min(plan.n_permutations, MOST_COLUMN_PERMUTATIONS) if self.rescore else 0,
            Kind.PART: len(plan.parts(n_algos, settings.n_parameters)) * plan.n_subsamples,
            Kind.RESAMPLED: plan.n_resamples if resampled else 0,
        }[kind]

    @functools.cached_property
    def replicates(self) -> tuple[Replicate, ...]:
        """All there are, in order."""
        return tuple(Replicate(kind, index) for kind in Kind for index in range(self.count(kind)))

    def rows(self, replicate: Replicate) -> Ints:
        """Return the algorithms that a replicate has, in increasing order."""
        n_algos, index = len(self.problem.y), replicate.index
        match replicate.kind:
            case Kind.WITHOUT:
                return np.flatnonzero(self.plan.outer_folds(n_algos) != index)
            case Kind.WITHOUT_TWO:
                return np.delete(np.arange(n_algos), _pair(self.plan, n_algos, index))
            case Kind.PART:
                size = self.plan.parts(n_algos, self.settings.n_parameters)[index // self.plan.n_subsamples]
                return np.sort(self._generator(replicate).choice(n_algos, size, replace=False))
            case _:
                return np.arange(n_algos)

    def changed(self, replicate: Replicate) -> tuple[Problem, Settings]:
        """Return the problem and the settings of a replicate."""
        problem, settings = self.problem, self.settings
        match replicate.kind:
            case Kind.FOLD_SEED:
                return problem, replace(settings, fold_seed=(settings.fold_seed + 1 + replicate.index) % (MAX_SEED + 1))
            case Kind.SHUFFLED:
                return replace(problem, y=problem.y[self._order(replicate)]), settings
            case Kind.PERMUTED | Kind.RESAMPLED:
                if self.rescore is None:
                    raise ValueError(f"{replicate.kind} needs a way to make a problem of changed scores")
                return self.rescore(self._changed_scores(replicate)), settings
            case _:
                return take(problem, self.rows(replicate).tolist()), settings

    def _changed_scores(self, replicate: Replicate) -> Floats:
        """Return the raw scores of a replicate, shape (n_algos, n_envs)."""
        generator = self._generator(replicate)
        if replicate.kind is Kind.PERMUTED:
            return permute_columns(self.problem.scores, generator)
        if self.seed_scores is None:
            raise ValueError("there are no scores of single seeds to resample")
        return resample_seeds(self.seed_scores, generator)

    def _order(self, replicate: Replicate) -> Ints:
        """Return the order of a shuffled target."""
        n_algos = len(self.problem.y)
        if self.plan.all_orders(n_algos):
            return _unrank_order(replicate.index, n_algos)
        return self._generator(replicate).permutation(n_algos)

    def _generator(self, replicate: Replicate) -> np.random.Generator:
        """Return the generator of one replicate, which depends on no other."""
        return np.random.default_rng([self.plan.seed, CODES[replicate.kind], replicate.index])


def same_draws(kind: Kind, one: Plan, other: Plan, n_algos: int) -> bool:
    """Tell whether the replicates of a kind that two plans have in common, by their numbers, are the same tables."""
    drawn = one.seed == other.seed
    match kind:
        case Kind.WITHOUT:
            return bool((one.outer_folds(n_algos) == other.outer_folds(n_algos)).all())
        case Kind.WITHOUT_TWO:
            every = one.all_pairs(n_algos), other.all_pairs(n_algos)
            return all(every) or (not any(every) and drawn and one.n_pairs == other.n_pairs)
        case Kind.FOLD_SEED:
            return True
        case Kind.SHUFFLED:
            every = one.all_orders(n_algos), other.all_orders(n_algos)
            return all(every) or (not any(every) and drawn)
        case Kind.PART:
            return drawn and one.n_subsamples == other.n_subsamples
        case _:
            return drawn


def has_several_seeds(seed_scores: Floats | None) -> bool:
    """Tell whether any algorithm has two seeds on an environment."""
    return seed_scores is not None and bool(((~np.isnan(seed_scores)).sum(axis=1) > 1).any())


def take(problem: Problem, rows: Sequence[int]) -> Problem:
    """Return the problem of some of the algorithms."""
    algos = tuple(problem.algos[row] for row in rows)
    return replace(problem, X=problem.X[rows], y=problem.y[rows], scores=problem.scores[rows], algos=algos)


def permute_columns(scores: Floats, generator: np.random.Generator) -> Floats:
    """Exchange the scores on every environment among the algorithms that have one, each environment by itself.

    Parameters
    ----------
    scores : array of shape (n_algos, n_envs)
        NaN where missing, which stays so.
    generator : numpy.random.Generator
    """
    permuted = scores.copy()
    for column in range(scores.shape[1]):
        there = ~np.isnan(scores[:, column])
        permuted[there, column] = generator.permutation(scores[there, column])
    return permuted


def resample_seeds(seed_scores: Floats, generator: np.random.Generator) -> Floats:
    """Draw as many seeds of every algorithm and environment as there are, with replacement, and average them.

    Parameters
    ----------
    seed_scores : array of shape (n_algos, n_seeds, n_envs)
        NaN where missing.
    generator : numpy.random.Generator

    Returns
    -------
    array of shape (n_algos, n_envs)
        NaN where there is no seed.
    """
    there = ~np.isnan(seed_scores)
    n_there = there.sum(axis=1, keepdims=True)
    ahead = np.take_along_axis(seed_scores, np.argsort(~there, axis=1, kind="stable"), axis=1)  # seeds that are there come first
    drawn = np.take_along_axis(ahead, (generator.random(seed_scores.shape) * n_there).astype(np.int64), axis=1)
    counted = np.arange(seed_scores.shape[1])[:, None] < n_there
    total, n_drawn = np.where(counted, drawn, 0.0).sum(axis=1), n_there[:, 0]
    means: Floats = np.divide(total, n_drawn, out=np.full(total.shape, np.nan), where=n_drawn > 0)
    return means


def _pair(plan: Plan, n_algos: int, index: int) -> list[int]:
    """Return a pair of algorithms: one of all, or of a sample without repeats."""
    n_pairs = comb(n_algos, 2)
    rank = index
    if not plan.all_pairs(n_algos):
        generator = np.random.default_rng([plan.seed, CODES[Kind.WITHOUT_TWO]])
        rank = int(np.sort(generator.choice(n_pairs, plan.n_pairs, replace=False))[index])
    return list(unrank(np.array([rank]), n_algos, 2)[0].tolist())


def _unrank_order(index: int, n_items: int) -> Ints:
    """Return the order of some items that has this index among all, in lexicographic order (the factorial number system)."""
    left, order = list(range(n_items)), []
    for place in range(n_items - 1, -1, -1):
        which, index = divmod(index, factorial(place))
        order.append(left.pop(which))
    return np.array(order, dtype=np.int64)
