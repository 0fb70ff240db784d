"""Error against cost: the subsets that no cheaper one predicts as well as.

An environment may be a candidate at several budgets, each a column of its own (`Problem.full` says which belong together). A
training that goes on to the larger budget passes the smaller one, so that a subset pays for the dearest of them alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rlhpc.search.best import Best
from rlhpc.search.compiled.tally import compared_each
from rlhpc.search.costs import whole_costs
from rlhpc.search.problem import Problem

RULE = (
    "a subset is on the front if no other one of any size searched costs no more and has no larger CV error, one of them less; "
    "errors are compared by their first 31 binary digits, costs by ten decimal ones of the dearest environment's; of equals, "
    "the smaller one stays, then the first in the order of the table. Budgets of one environment cost as much as the dearest"
)


@dataclass(frozen=True)
class FrontPoint:
    """One subset of the front.

    Attributes
    ----------
    subset : tuple of int
        Columns.
    cost : float
        In the unit of the problem's costs.
    cv_mse : float
    """

    subset: tuple[int, ...]
    cost: float
    cv_mse: float


def cost_front(problem: Problem, best: Sequence[Best]) -> tuple[FrontPoint, ...]:
    """Join the fronts of all sizes.

    Parameters
    ----------
    problem : Problem
    best : sequence of Best

    Returns
    -------
    tuple of FrontPoint
        In increasing cost and decreasing error; empty if the problem has no costs.
    """
    costs = whole_costs(problem)
    if costs is None:
        return ()
    offers = [
        (cost, error_compared, part.subset_size, tuple(subset), error)
        for part in best
        for cost, error_compared, subset, error in zip(
            *(costs.of(part.front).tolist(), compared_each(part.front_cv_mse).tolist()),
            *(part.front.tolist(), part.front_cv_mse.tolist()),
            strict=True,
        )
    ]
    points, least = [], math.inf
    for cost, error_compared, _, subset, error in sorted(offers):
        if error_compared < least:
            points.append(FrontPoint(subset, costs.spell(cost), error))
            least = error_compared
    return tuple(points)
