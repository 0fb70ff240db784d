"""The target: log benchmark scores, corrected for missing scores where that is asked for, and what is regressed on; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from rlhpc.errors import DatasetError
from rlhpc.results.dataset import Dataset
from rlhpc.results.normalise import MAX_FINITE, benchmark_scores, log_score, normalise

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Correction = Literal["none", "difference"]
CORRECTIONS: tuple[Correction, ...] = get_args(Correction)

RULES = {
    "target_correction": "none: the target is left as it is. difference: to the target of an algorithm that lacks scores is "
    "added the mean, over the algorithms that have every score, of their target less their target on the environments that "
    "this algorithm has; the sum is not less than 0, as no target is. Its standard error is the standard deviation (ddof 1) of "
    "these differences over the root of their number. Made once, on the whole table: not anew without an algorithm held out",
}
MIN_REFERENCES = 3  # algorithms with every score; with two, the standard error of a difference would rest on one number


@dataclass(frozen=True, eq=False)
class Corrections:
    """How log benchmark scores were corrected for missing scores; in log10 units.

    Attributes
    ----------
    values : array of shape (n_algos,)
        What was added, before the sum was kept from falling below 0; 0 for algorithms with every score.
    standard_errors : array of shape (n_algos,)
        Of these means; 0 where nothing was corrected.
    spreads : array of shape (n_algos,)
        Standard deviation (ddof 1) of the differences that a correction is the mean of: how far from it one algorithm may be.
    references : tuple of int
        Rows of the algorithms with every score, whose differences they are; empty if nothing was corrected.
    """

    values: Floats
    standard_errors: Floats
    spreads: Floats
    references: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class LogScores:
    """What the search regresses: log benchmark scores on log normalised scores.

    Attributes
    ----------
    scores : array of shape (n_algos, n_envs)
        Mean over seeds; NaN where missing.
    X : array of shape (n_algos, n_envs)
        Log normalised scores; NaN where missing.
    y : array of shape (n_algos,)
        Log benchmark scores.
    algos : tuple of str, length n_algos
    left_out : tuple of str
        Algorithms without any score.
    corrections : Corrections
        Those that y holds.
    """

    scores: Floats
    X: Floats
    y: Floats
    algos: tuple[str, ...]
    left_out: tuple[str, ...]
    corrections: Corrections


def log_scores(dataset: Dataset, correction: Correction = "none") -> LogScores:
    """Make a dataset ready for regression.

    Parameters
    ----------
    dataset : Dataset
        Usable in the sense of `rlhpc.results.dataset.unusable`: with a random and a reference score of every environment.
    correction : str
        Of the target where scores are missing, see `RULES`.

    Raises
    ------
    DatasetError
        Naming every environment without any score, or with scores too extreme to be normalised; or if too few algorithms have
        every score to correct the others.
    """
    _refuse_extreme(dataset, np.abs(dataset.scores) > MAX_FINITE)
    scores = dataset.mean_scores
    with np.errstate(over="ignore", invalid="ignore"):  # what comes of it is refused by name
        normalised = normalise(scores, dataset.random_scores, dataset.reference_scores)
        spans = dataset.reference_scores - dataset.random_scores
    unscored = [dataset.env_ids[env] for env in np.flatnonzero(np.all(np.isnan(scores), axis=0))]
    if unscored:
        raise DatasetError(
            f"no algorithm has a score for {', '.join(unscored)}. Take these rows out of the table, or add scores."
        )
    beyond = ~np.isnan(scores) & ~(np.abs(normalised) <= MAX_FINITE)
    _refuse_extreme(dataset, beyond | ~np.isfinite(spans))
    scored = ~np.isnan(scores).all(axis=1)
    normalised = normalised[scored]
    algos, left_out = (tuple(np.array(dataset.algos)[which].tolist()) for which in (scored, ~scored))
    y, corrections = target(normalised, dataset.benchmarks, correction)
    return LogScores(scores[scored], log_score(normalised), y, algos, left_out, corrections)


def _refuse_extreme(dataset: Dataset, extreme: Bools) -> None:
    """Refuse scores, marked by shape (..., n_envs), that cannot be normalised."""
    if extreme.any():
        named = ", ".join(dataset.env_ids[env] for env in np.unique(np.nonzero(extreme)[-1]))
        raise DatasetError(
            f"scores for {named} are too extreme to be normalised: a score or 100 * (score - random) / (reference - random) is "
            f"beyond {MAX_FINITE:g}. Correct the scores, or the random and the reference score."
        )


def target(normalised: Floats, benchmarks: Sequence[str], correction: Correction = "none") -> tuple[Floats, Corrections]:
    """Compute log benchmark scores, corrected for missing scores where that is asked for; see `RULES`.

    Parameters
    ----------
    normalised : array of shape (n_algos, n_envs)
        NaN where missing; at least one score in each row.
    benchmarks : sequence of str, length n_envs
    correction : str

    Returns
    -------
    y : array of shape (n_algos,)
    corrections : Corrections

    Raises
    ------
    DatasetError
        If fewer than `MIN_REFERENCES` algorithms have every score, and others are to be corrected by them.
    """
    y = log_score(benchmark_scores(normalised, benchmarks))
    present = ~np.isnan(normalised)
    complete = present.all(axis=1)
    if correction == "none" or complete.all():
        nothing = np.zeros(len(y))
        return y, Corrections(nothing, nothing, nothing, ())
    references, corrected = np.flatnonzero(complete), np.flatnonzero(~complete)
    if len(references) < MIN_REFERENCES:
        raise DatasetError(
            f"the target correction 'difference' needs at least {MIN_REFERENCES} algorithms with every score, and "
            f"{len(references)} of {len(y)} have. Add scores, leave out environments that few algorithms have a score for, or "
            "leave out --target-correction."
        )
    values, spreads = np.zeros((2, len(y)))
    differences = _differences(normalised[references], y[references], present[corrected], benchmarks)
    values[corrected], spreads[corrected] = differences.mean(axis=1), differences.std(axis=1, ddof=1)
    y = np.where(complete, y, np.maximum(0.0, y + values))
    return y, Corrections(values, spreads / np.sqrt(len(references)), spreads, tuple(references.tolist()))


def _differences(normalised: Floats, y: Floats, present: Bools, benchmarks: Sequence[str]) -> Floats:
    """Compare the algorithms with every score with themselves on the environments that others have.

    Parameters
    ----------
    normalised, y : arrays of shape (n_references, n_envs) and (n_references,)
    present : array of shape (n_corrected, n_envs)
        The scores that the others have.

    Returns
    -------
    array of shape (n_corrected, n_references)
        Their log benchmark score, less that on these environments.
    """
    patterns, of_algo = np.unique(present, axis=0, return_inverse=True)  # where blocks are missing, they are few
    tables = (np.where(pattern, normalised, np.nan) for pattern in patterns)
    differences = np.array([y - log_score(benchmark_scores(table, benchmarks)) for table in tables])
    return differences[of_algo]
