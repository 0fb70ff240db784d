"""The ranking: subsets by name, with their errors and coefficients."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rlhpc.search.best import Best
from rlhpc.search.nested import Size
from rlhpc.search.problem import Problem
from rlhpc.search.regression import fit
from rlhpc.search.settings import Settings


@dataclass(frozen=True)
class Ranked:
    """A subset, fitted to every algorithm that has all of its scores.

    Attributes
    ----------
    subset : tuple of str
        Environments.
    cv_mse : float
    r2, relative_error : float or None
        In-sample, as in `rlhpc.search.regression.Fit`; None where undefined or infinite. Relative errors in percent.
    coefficients : tuple of float
        One for each environment of the subset.
    intercept : float
        0 without an intercept.
    n_algos : int
    """

    subset: tuple[str, ...]
    cv_mse: float
    r2: float | None
    relative_error: float | None
    coefficients: tuple[float, ...]
    intercept: float
    n_algos: int


def make_ranking(problem: Problem, settings: Settings, best: Best) -> list[Ranked]:
    """Describe the best subsets of one size, the best first."""
    return describe(problem, settings, best.subsets.tolist(), best.cv_mse.tolist())


def describe_size(problem: Problem, settings: Settings, size: Size) -> dict[str, Ranked]:
    """Describe the two subsets of one size, as ``nested`` and ``best``."""
    nested, best = describe(problem, settings, [size.nested, size.best], [size.nested_cv_mse, size.best_cv_mse])
    return {"nested": nested, "best": best}


def describe(problem: Problem, settings: Settings, subsets: Sequence[Sequence[int]], cv_mse: Sequence[float]) -> list[Ranked]:
    """Describe searchable subsets of one size.

    Parameters
    ----------
    problem : Problem
    settings : Settings
    subsets : sequence of sequences of int
        Columns.
    cv_mse : sequence of float
        The CV error of each subset.
    """
    fitted = fit(problem.X, problem.y, np.array(subsets, dtype=np.int64), **settings.fitting)
    return [
        Ranked(
            subset=tuple(problem.env_ids[env] for env in subset),
            cv_mse=error,
            r2=_known(fitted.r2[place]),
            relative_error=_known(fitted.relative_errors[place]),
            coefficients=tuple(fitted.coefficients[place].tolist()),
            intercept=float(fitted.intercepts[place]),
            n_algos=int(fitted.n_algos[place]),
        )
        for place, (subset, error) in enumerate(zip(subsets, cv_mse, strict=True))
    ]


def _known(figure: float) -> float | None:
    return float(figure) if math.isfinite(figure) else None
