"""The settings of a search: what to search, and by which rules."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import comb
from typing import Literal, TypedDict, get_args

from rlhpc.errors import InputError, nearest
from rlhpc.search.combinations import MAX_SUBSETS
from rlhpc.search.compiled.exact import Rules
from rlhpc.search.compiled.least_squares import RANK_CUTOFF
from rlhpc.search.folds import FOLD_SEED, N_FOLDS
from rlhpc.search.problem import Problem
from rlhpc.search.regression import make_rules

FoldRule = Literal["fixed", "drawn"]
RankBy = Literal["cv_mse", "in_sample"]
FOLD_RULES: tuple[FoldRule, ...] = get_args(FoldRule)
RANK_BY: tuple[RankBy, ...] = get_args(RankBy)


class Fitting(TypedDict):
    """Keywords of `rlhpc.search.regression.fit`."""

    fit_intercept: bool
    ridge: float


RULES = {
    "regression": "least squares of minimum norm of the target on the log normalised scores of the subset, plus ridge times the "
    "sum of squares of the coefficients (not of the intercept)",
    "rank": f"singular values of at most {RANK_CUTOFF:g} times the largest, of the training rows of a subset, count as zero; "
    "with an intercept, of the centred rows, where a difference within the rounding of the mean counts as zero",
    "fold_rule": "fixed: KFold(min(n_folds, n_algos), shuffle, fold_seed) on all algorithms, so that an algorithm is in the same "
    "fold for every subset; folds without an algorithm that has every score of the subset do not count. drawn: "
    "KFold(min(n_folds, n_rows), shuffle, fold_seed) on the n_rows algorithms that have every score of the subset. Equal where "
    "no score is missing",
    "cv_mse": "mean over folds of the mean squared error of the target in the fold; for the ranking rounded to 12 significant "
    "digits, and to 0 below 1e-24, so that equal subsets tie",
    "rank_by": "cv_mse: the best are those of least cv_mse. in_sample: the best `keep` by the in-sample mean squared error are "
    "found, and then ordered by cv_mse (as the code of Atari-5 does)",
    "relative_error": "in-sample mean of |predicted - true| / true benchmark score in percent, where score = 10**target - 1; "
    "algorithms whose true score is 0 are left out of it",
    "unsearchable": "a subset with no more complete algorithms than parameters, which are its environments and the intercept, or "
    "with all of them in one fold",
    "ties": "lexicographic order of the environments' places in the table; of more than 64 subsets at the end of the "
    "ranking whose errors differ in the tenth digit or later, any may be the ones that stay in it",
}
KEEP = 1_000
MAX_KEEP = 1_000_000  # a ranking of more is no ranking, but a table of gigabytes
MAX_BEAM = 10_000  # with it a size has half a million subsets of 57 environments, nearly as many as are searched whole
MAX_SEED = 2**32 - 1  # of NumPy's RandomState


@dataclass(frozen=True)
class Settings:
    """What to search, and by which rules.

    Attributes
    ----------
    subset_size : int
        The largest size searched; all smaller ones are searched too.
    n_folds, fold_seed : int
        See `rlhpc.search.folds.assign_folds`.
    fit_intercept : bool
    keep : int
        How many subsets of each size stay in the ranking; at most `MAX_KEEP`.
    fold_rule, rank_by : str
        See `RULES`.
    ridge : float
        Penalty on squared coefficients, at least 0.
    forced, excluded : tuple of str
        Environments that are in every subset, and in none; kept in alphabetical order. Smaller sizes than the number of forced
        ones are not searched.
    beam : int
        0 for an exhaustive search. Else, sizes of more than `rlhpc.search.beam.MAX_EXHAUSTIVE` subsets are searched among the
        extensions of the best `beam` of the next smaller size alone; at most `MAX_BEAM`.
    """

    subset_size: int
    n_folds: int = N_FOLDS
    fold_seed: int = FOLD_SEED
    fit_intercept: bool = False
    keep: int = KEEP
    fold_rule: FoldRule = "fixed"
    rank_by: RankBy = "cv_mse"
    ridge: float = 0.0
    forced: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    beam: int = 0

    def __post_init__(self) -> None:
        """Refuse values that no table allows.

        Raises
        ------
        InputError
            With every fault.
        """
        for name in ("forced", "excluded"):  # in any order, given twice or not, they are the same search
            object.__setattr__(self, name, tuple(sorted({*getattr(self, name)})))
        if faults := [*self._faults()]:
            raise InputError(*faults)

    def _faults(self) -> Iterator[str]:
        least = {"subset size": (self.subset_size, 1), "number of folds": (self.n_folds, 2), "number to keep": (self.keep, 1)}
        for name, (value, low) in least.items():
            if value < low:
                yield f"{name} {value} is too small: give at least {low}."
        if self.keep > MAX_KEEP:
            yield f"number to keep {self.keep} is too large: give at most {MAX_KEEP:,}."
        if not 0 <= self.fold_seed <= MAX_SEED:
            yield f"fold seed {self.fold_seed} is out of range: give 0 to {MAX_SEED}."
        if not (self.ridge >= 0 and math.isfinite(self.ridge)):
            yield f"ridge {self.ridge} is not a penalty: give 0, for none, or more."
        for name, choice, allowed in (("fold rule", self.fold_rule, FOLD_RULES), ("rank by", self.rank_by, RANK_BY)):
            if choice not in allowed:
                yield f"{name} '{choice}' is unknown: give one of {', '.join(allowed)}."
        yield from self._choice_faults()

    def _choice_faults(self) -> Iterator[str]:
        if not 0 <= self.beam <= MAX_BEAM:
            yield (
                f"beam {self.beam} is out of range: give 0, for an exhaustive search, or how many subsets to go on from, at most "
                f"{MAX_BEAM:,}."
            )
        if self.beam and self.rank_by == "in_sample":
            yield "a beam goes by cv_mse, not by the in-sample error: leave out one of the two."
        both = [name for name in self.forced if name in self.excluded]
        if both:
            yield f"{', '.join(both)}: forced into every subset and excluded from all. Leave out one of the two."
        n_forced = len(self.forced)
        if self.subset_size >= 1 and n_forced > self.subset_size:
            named = ", ".join(self.forced)
            yield f"{n_forced} environments are forced ({named}): more than the subset size {self.subset_size}."

    @property
    def n_parameters(self) -> int:
        """Parameters of a regression on a subset of the largest size: one an environment, and the intercept."""
        return self.subset_size + self.fit_intercept

    @property
    def sizes(self) -> range:
        """The sizes searched, the largest first."""
        return range(self.subset_size, max(1, len(self.forced)) - 1, -1)

    @property
    def fitting(self) -> Fitting:
        """How to fit a subset to all of its algorithms."""
        return {"fit_intercept": self.fit_intercept, "ridge": self.ridge}

    def rules(self, n_algos: int, *, in_sample: bool = False) -> Rules:
        """Return the rules of a regression on a table of so many algorithms, for the CV error or the in-sample one."""
        return make_rules(
            n_algos,
            n_folds=self.n_folds,
            fold_seed=self.fold_seed,
            drawn=self.fold_rule == "drawn",
            in_sample=in_sample,
            fit_intercept=self.fit_intercept,
            ridge=self.ridge,
        )

    def check(self, problem: Problem) -> None:
        """Refuse what a table cannot carry.

        Raises
        ------
        InputError
            With every fault.
        """
        if faults := [*self._faults_with(problem)]:
            raise InputError(*faults)

    def _faults_with(self, problem: Problem) -> Iterator[str]:
        n_algos, n_envs = problem.X.shape
        yield from _unknown([*self.forced, *self.excluded], problem.env_ids)
        size, n_candidates = self.subset_size, n_envs - len(set(self.excluded) & set(problem.env_ids))
        if size > n_candidates:
            without = f" that are not excluded, of {n_envs}" if n_candidates < n_envs else " there are"
            yield f"subset size {size} is more than the {n_candidates} environments{without}: give at most {n_candidates}."
        if self.n_parameters >= n_algos:
            plus = " plus the intercept" if self.fit_intercept else ""
            most = n_algos - 1 - self.fit_intercept
            remedy = f"Give at most {most}, or add algorithms." if most > 0 else "Add algorithms."
            yield (
                f"subset size {size}{plus} is not smaller than the number of algorithms, {n_algos}: every subset would fit "
                f"perfectly. {remedy}"
            )
        n_forced = len(self.forced)
        most = max((comb(max(n_candidates - n_forced, 0), smaller - n_forced) for smaller in self.sizes), default=0)
        if most > MAX_SUBSETS and not self.beam:
            yield f"subset size {size} of {n_candidates} environments makes {most:.3g} subsets: too many to search. Give a beam."


def _unknown(names: Sequence[str], env_ids: Sequence[str]) -> Iterator[str]:
    """Say which names are no environment's, and which were perhaps meant."""
    for name in names:
        if name not in env_ids:
            yield f"there is no environment '{name}' in the table. {nearest(name, env_ids)}"
