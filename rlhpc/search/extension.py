"""Extensions: a subset with one environment more, and what that is worth for algorithms that had no part in choosing it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rlhpc.search.best import subset_errors
from rlhpc.search.evaluation import predict
from rlhpc.search.predictor import Extension, Extensions
from rlhpc.search.problem import Problem
from rlhpc.search.settings import Settings
from rlhpc.search.trust import HeldOut
from rlhpc.search.trust.replicates import take

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

N_BEST = 5  # are kept: more is no advice


def extend(problem: Problem, settings: Settings, subset: Sequence[int], held_outs: Sequence[HeldOut]) -> Extensions:
    """Find the environments that are the best to add to a subset, and redo that without each algorithm.

    Parameters
    ----------
    problem : Problem
    settings : Settings
        Excluded environments are not added.
    subset : sequence of int
        Columns of the chosen subset.
    held_outs : sequence of HeldOut
        The algorithms that could be predicted when held out; each has the subset to extend that was chosen without it.
    """
    added, errors = _errors(problem, settings, subset)
    order = [place for place in np.argsort(errors, kind="stable")[:N_BEST] if np.isfinite(errors[place])]
    best = tuple(Extension(problem.env_ids[added[place]], float(errors[place])) for place in order)
    extended = np.array([_extended_residual(problem, settings, one) for one in held_outs])
    residuals = np.array([one.predicted - problem.y[one.row] for one in held_outs])
    there = ~np.isnan(extended)
    mses = [float((found[there] ** 2).mean()) if there.any() else None for found in (residuals, extended)]
    return Extensions(best, int(there.sum()), *mses)


def _errors(problem: Problem, settings: Settings, subset: Sequence[int]) -> tuple[Ints, Floats]:
    """Return the columns that can be added to a subset, and the CV error with each; infinite where not searchable."""
    excluded = [column for column, env_id in enumerate(problem.env_ids) if env_id in settings.excluded]
    added = np.setdiff1d(np.arange(len(problem.env_ids)), [*subset, *excluded])
    larger = np.sort(np.column_stack([np.tile(np.array(subset, dtype=np.int64), (len(added), 1)), added]), axis=1)
    return added, subset_errors(problem, settings, larger)


def _extended_residual(problem: Problem, settings: Settings, one: HeldOut) -> float:
    """Predict an algorithm by the subset that was chosen without it and the best environment to add; NaN if there is none."""
    others = np.delete(np.arange(len(problem.y)), one.held_with).tolist()
    added, errors = _errors(take(problem, others), settings, one.subset)
    if not np.isfinite(errors).any():
        return np.nan
    larger = sorted((*one.subset, int(added[errors.argmin()])))
    return float(predict(problem, settings, larger, others)[one.row] - problem.y[one.row])
