"""Stability: how often each environment, and each subset, is chosen from slightly changed tables.

Not by a bootstrap over algorithms: an algorithm drawn twice is in two folds, and then predicts itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from rlhpc.search.trust.redone import Redone
from rlhpc.search.trust.replicates import Given, Kind

Item = TypeVar("Item", int, tuple[int, ...])
KINDS = (Kind.WITHOUT, Kind.WITHOUT_TWO, Kind.FOLD_SEED, Kind.RESAMPLED)


@dataclass(frozen=True)
class Stability:
    """How often what is chosen.

    Attributes
    ----------
    kind : Kind
        What was changed.
    exact : bool
        Whether every such change was made; else it is a sample, and a share s has the standard error sqrt(s (1 - s) / n).
    n_searches : int
    envs : tuple of (int, float)
        Columns chosen at least once, and the share of searches that chose them; the largest share first, then by column.
    subsets : tuple of (tuple of int, float)
        The same of whole subsets.
    """

    kind: Kind
    exact: bool
    n_searches: int
    envs: tuple[tuple[int, float], ...]
    subsets: tuple[tuple[tuple[int, ...], float], ...]


def stability(given: Given, every: Sequence[Redone]) -> tuple[Stability, ...]:
    """Count what was chosen from the tables of each kind that there are."""
    return tuple(_counted(given, every))


def _counted(given: Given, every: Sequence[Redone]) -> Iterator[Stability]:
    n_algos = len(given.problem.y)
    for kind in KINDS:
        subsets = [one.best.subset for one in every if one.replicate.kind is kind]
        if not subsets:
            continue
        each = kind is Kind.WITHOUT and given.count(kind) == n_algos
        exact = each or (kind is Kind.WITHOUT_TWO and given.plan.all_pairs(n_algos))
        n_searches = len(subsets)
        envs = Counter(column for subset in subsets for column in subset)
        whole = Counter(subset for subset in subsets if subset)
        yield Stability(kind, exact, n_searches, _shares(envs, n_searches), _shares(whole, n_searches))


def _shares(counts: Counter[Item], n_searches: int) -> tuple[tuple[Item, float], ...]:
    return tuple((item, n / n_searches) for item, n in sorted(counts.items(), key=lambda counted: (-counted[1], counted[0])))
