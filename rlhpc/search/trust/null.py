"""The permutation null: how good the best subset looks where there is nothing to find."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rlhpc.search.evaluation import guess_mse
from rlhpc.search.trust.redone import Redone
from rlhpc.search.trust.replicates import Given, Kind

Floats = NDArray[np.float64]

EQUAL = 1e-9  # relative: errors that differ by less are equal but for rounding


@dataclass(frozen=True, eq=False)
class Null:
    """How good the best subset of tables without a relation is, beside that of the table.

    Errors are shares of the error of guessing each target by the mean of the others, since permuted columns have other targets.

    Attributes
    ----------
    observed : float
        The claimed CV error.
    draws : array of shape (n_draws,)
        Smallest CV errors of permuted tables, in increasing order.
    p : float
        The share of tables that do at least as well as the observed one, itself among them.
    exact : bool
        Whether the draws are all permutations there are.
    """

    observed: float
    draws: Floats
    p: float
    exact: bool

    @property
    def standard_error(self) -> float:
        """The Monte-Carlo error of p; 0 if it is exact."""
        n_draws = len(self.draws)
        return 0.0 if self.exact else share_error(round(self.p * (n_draws + 1)) - 1, n_draws)


def share_error(n_hits: int, n_draws: int) -> float:
    """Return the standard error of a share that was drawn.

    That of one hit and one miss more than there were (Agresti and Coull, 1998, Approximate is better than exact for interval
    estimation of binomial proportions), so that it is not 0 where all draws agree.
    """
    share = (n_hits + 1) / (n_draws + 2)
    return math.sqrt(share * (1 - share) / n_draws)


def permutation_null(given: Given, every: Sequence[Redone], kind: Kind, claimed: float) -> Null | None:
    """Compare the claimed error of the best subset with that of permuted tables.

    Of sampled permutations, p is (1 + as good) / (1 + n_draws) (Phipson and Smyth, 2010, Permutation p-values should never be
    zero); of all, the share that is as good.

    Parameters
    ----------
    given : Given
    every : sequence of Redone
    kind : Kind
        `SHUFFLED`, or `PERMUTED`.
    claimed : float

    Returns
    -------
    Null or None
        None without a permuted table.
    """
    guess = guess_mse(given.problem.y)
    drawn = [_share(one.best.cv_mse, one.guess) for one in every if one.replicate.kind is kind]
    if not drawn or not guess > 0:
        return None
    draws, observed = np.sort(np.array(drawn)), claimed / guess
    as_good = int(np.count_nonzero(draws <= observed * (1 + EQUAL)))
    exact = kind is Kind.SHUFFLED and given.plan.all_orders(len(given.problem.y))
    p = as_good / len(draws) if exact else (1 + as_good) / (1 + len(draws))
    return Null(observed, draws, p, exact)


def _share(error: float, guess: float) -> float:
    """Return an error as a share of guessing's; infinite where nothing was searchable, or there is nothing to predict."""
    return error / guess if guess > 0 and not math.isnan(error) else math.inf
