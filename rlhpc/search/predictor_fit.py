"""A predictor, fitted: the chosen subset and its parts, with and without each algorithm, and what they were off by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from rlhpc.errors import InputError
from rlhpc.search.best import subset_errors
from rlhpc.search.extension import extend
from rlhpc.search.predictor import Env, Origin, Predictor, Regression, Rival, SubsetFit
from rlhpc.search.problem import Problem, problem_hash
from rlhpc.search.regression import Fit, fit
from rlhpc.search.settings import Settings
from rlhpc.search.trust import HeldOut

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Subset = tuple[int, ...]  # columns

MIN_RIVALS = 4  # residuals, of which the largest bounds the next one in four of five cases
MAX_ALL_PARTS = 6  # environments of a subset of which all parts are fitted: 62 of them


def make_predictor(  # noqa: PLR0913  # what is told about the scores are keywords
    problem: Problem,
    settings: Settings,
    subset: Sequence[int],
    held_outs: Sequence[HeldOut],
    *,
    budgets: Mapping[str, int] | None = None,
    n_seeds: int | None = None,
    dataset: str = "",
    dataset_sha256: str = "",
    target: str = "",
    verdict: str = "",
) -> Predictor:
    """Fit everything that predictions from the scores on a subset take.

    Parameters
    ----------
    problem : Problem
    settings : Settings
    subset : sequence of int
        Columns of the chosen subset, in increasing order.
    held_outs : sequence of HeldOut
        Each algorithm predicted by the best subset of this size that was chosen without it, or without it and some others.
        Those without a prediction are left out, as are those without which the chosen subset cannot be fitted.
    budgets : mapping of str to int, optional
        Environment -> agent steps, over all parallel environments, of the scores.
    n_seeds : int, optional
        Seeds that each score is the mean over.
    dataset, dataset_sha256, target, verdict : str
        See `rlhpc.search.predictor.Origin`.

    Raises
    ------
    InputError
        If fewer than `MIN_RIVALS` algorithms could be predicted, or `n_seeds` is below 1.
    """
    chosen = tuple(int(column) for column in subset)
    usable = [one for one in held_outs if not np.isnan(one.predicted) and _can_fit(problem, settings, chosen, one.held_with)]
    _refuse_faults(problem, usable, n_seeds)
    needed = list(dict.fromkeys([*chosen, *sorted(column for one in usable for column in one.subset)]))
    return Predictor(
        origin=Origin(dataset, dataset_sha256, problem_hash(problem), target, verdict),
        subset=_names(problem, chosen),
        envs=tuple(_env(problem, column, budgets or {}) for column in needed),
        known={algo: float(y) for algo, y in zip(problem.algos, problem.y, strict=True)},
        n_seeds=n_seeds,
        rivals=tuple(_rival(problem, settings, one) for one in usable),
        fits=tuple(_fits(problem, settings, chosen, usable)),
        extensions=extend(problem, settings, chosen, usable),
    )


def _refuse_faults(problem: Problem, usable: Sequence[HeldOut], n_seeds: int | None) -> None:
    faults = []
    if len(usable) < MIN_RIVALS:
        faults.append(
            f"an interval needs at least {MIN_RIVALS} algorithms that can be predicted when held out, and {len(usable)} of "
            f"{len(problem.y)} can. Add algorithms or scores, or search smaller subsets."
        )
    if n_seeds is not None and n_seeds < 1:
        faults.append(f"number of seeds {n_seeds} is too small: give at least 1, or none where it is not known.")
    if faults:
        raise InputError(*faults)


def _names(problem: Problem, columns: Sequence[int]) -> tuple[str, ...]:
    return tuple(problem.env_ids[column] for column in columns)


def _env(problem: Problem, column: int, budgets: Mapping[str, int]) -> Env:
    """Describe an environment, and the scores that the known algorithms have on it."""
    env_id, scores = problem.env_ids[column], problem.scores[:, column]
    random_score, reference_score = float(problem.random_scores[column]), float(problem.reference_scores[column])
    lowest, highest = float(np.nanmin(scores)), float(np.nanmax(scores))
    return Env(env_id, random_score, reference_score, lowest, highest, budgets.get(env_id))


def _can_fit(problem: Problem, settings: Settings, subset: Subset, without: Sequence[int]) -> bool:
    return bool(np.isfinite(_fit(problem, settings, [subset], without).coefficients).all())


def _rival(problem: Problem, settings: Settings, one: HeldOut) -> Rival:
    regression = _regression(_fit(problem, settings, [one.subset], one.held_with), 0)
    return Rival(problem.algos[one.row], _names(problem, one.subset), regression)


def _fit(problem: Problem, settings: Settings, subsets: Sequence[Subset], without: Sequence[int] = ()) -> Fit:
    """Fit subsets of one size to all algorithms, or to all but some."""
    rows = np.delete(np.arange(len(problem.y)), np.array(without, dtype=np.int64))
    return fit(problem.X[rows], problem.y[rows], np.array(subsets, dtype=np.int64), **settings.fitting)


def _regression(fitted: Fit, place: int) -> Regression:
    return Regression(tuple(fitted.coefficients[place].tolist()), float(fitted.intercepts[place]))


def _fits(problem: Problem, settings: Settings, chosen: Subset, held_outs: Sequence[HeldOut]) -> Iterator[SubsetFit]:
    """Yield the chosen subset and its parts; what is inside a subset that can be fitted can be fitted, too."""
    residuals = np.array([abs(one.predicted - problem.y[one.row]) for one in held_outs])
    for subsets in _parts(problem, settings, chosen):
        errors = subset_errors(problem, settings, np.array(subsets, dtype=np.int64))
        whole = _fit(problem, settings, subsets)
        without = [_fit(problem, settings, subsets, one.held_with) for one in held_outs]
        for place, subset in enumerate(subsets):
            regressions = tuple(_regression(fitted, place) for fitted in without)
            own = residuals if subset == chosen else _residuals(problem, subset, held_outs, regressions)
            yield SubsetFit(
                subset=_names(problem, subset),
                cv_mse=float(errors[place]),
                regression=_regression(whole, place),
                without=regressions,
                residuals=tuple(np.fmax(residuals, own).tolist()),
            )


def _parts(problem: Problem, settings: Settings, chosen: Subset) -> Iterator[list[Subset]]:
    """Yield the chosen subset, then its parts, by size: all, or of a large one the best inside the best of the size above."""
    yield [chosen]
    inside = chosen
    for size in range(len(chosen) - 1, 0, -1):
        parts = list(combinations(inside, size))
        if len(chosen) > MAX_ALL_PARTS:
            inside = parts[int(subset_errors(problem, settings, np.array(parts, dtype=np.int64)).argmin())]
            parts = [inside]
        yield parts


def _residuals(problem: Problem, subset: Subset, held_outs: Sequence[HeldOut], regressions: Sequence[Regression]) -> Floats:
    """Return how far each algorithm is from what a subset makes of it, fitted without it; NaN where it lacks a score."""
    predicted = [
        problem.X[one.row, list(subset)] @ np.array(regression.coefficients) + regression.intercept
        for one, regression in zip(held_outs, regressions, strict=True)
    ]
    return np.abs(np.array(predicted) - problem.y[[one.row for one in held_outs]])
