"""What subsets cost, in whole units, so that equal sums are equal whatever their order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rlhpc.search.problem import Problem

Ints = NDArray[np.int64]

DIGITS = 10  # decimal ones of the dearest environment's cost


@dataclass(frozen=True, eq=False)
class WholeCosts:
    """Costs of environments in whole units.

    Attributes
    ----------
    amounts : array of shape (n_envs,)
    groups : array of shape (n_envs,)
        Columns of one group are one environment at several budgets: a subset pays for the dearest of them alone.
    power : int
        One unit is 10**power of the problem's costs.
    """

    amounts: Ints
    groups: Ints
    power: int

    def spell(self, cost: int) -> float:
        """Return a whole cost in the unit of the problem's costs, rounded once."""
        return cost / 10**-self.power if self.power < 0 else float(cost * 10**self.power)

    def of(self, subsets: Sequence[Sequence[int]] | Ints) -> Ints:
        """Return what subsets of one size, shape (n_subsets, subset_size), cost; shape (n_subsets,)."""
        columns = np.asarray(subsets, dtype=np.int64)
        total = np.zeros(len(columns), dtype=np.int64)
        amounts, groups = self.amounts[columns], self.groups[columns]
        for place in range(columns.shape[1]):
            same = groups[:, :place] == groups[:, place, None]
            paid = np.where(same, amounts[:, :place], 0).max(axis=1, initial=0)
            total += np.maximum(amounts[:, place] - paid, 0)
        return total


def whole_costs(problem: Problem) -> WholeCosts | None:
    """Return the costs of a problem; None if it has none.

    A unit is a power of ten, so that decimal costs are whole; what costs less than half a unit counts as one.
    """
    if np.isnan(problem.costs).all():
        return None
    dearest = float(np.nanmax(problem.costs))
    power = math.floor(math.log10(dearest)) - DIGITS + 1
    units = problem.costs * 10.0**-power if power < 0 else problem.costs / 10.0**power
    amounts = np.maximum(1, np.round(np.nan_to_num(units)).astype(np.int64))
    _, groups = np.unique(problem.full, return_inverse=True)
    return WholeCosts(amounts, groups.astype(np.int64), power)


def undominated(costs: Ints, errors: NDArray[np.float64]) -> Ints:
    """Return the places that no other beats: none costs no more and errs no more, with one of them less; of equals the first.

    Parameters
    ----------
    costs, errors : arrays of shape (n,)

    Returns
    -------
    array of int
        In increasing cost and decreasing error.
    """
    order = np.lexsort((np.arange(len(costs)), errors, costs))
    least = np.minimum.accumulate(errors[order])
    new = np.concatenate([[True], least[1:] < least[:-1]]) if len(order) else np.empty(0, dtype=bool)
    kept: Ints = order[new]
    return kept
