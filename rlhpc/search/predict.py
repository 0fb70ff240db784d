"""Predict log benchmark scores from log scores, with an interval by jackknife+.

The interval is that of Barber, Candes, Ramdas and Tibshirani (2021, Predictive inference with the jackknife+, Annals of
Statistics 49), on residuals of searches that were redone without each algorithm, so that the choice of the subset is in it. At
level 1 - alpha it holds the truth for about that share of new algorithms, if they are to the known ones as these are to each
other, and all scores are given that the subsets chosen without each algorithm need; what is proven of jackknife+ is a share of
1 - 2 alpha. A subset that lacks some is stood in for by the published one: where most are, the choice of the subset is in the
residuals alone, and on tables without a clear subset the interval held 86 % at a level of 90 %.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from rlhpc.search.predictor import Predictor, Regression, SubsetFit

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SeedNoise:
    """How far the log scores of a new algorithm may be off because it was trained with few seeds.

    Attributes
    ----------
    deviations : mapping of str to array of shape (n_draws,)
        Environment -> deviations of its log score; environments without any are left out.
    extra : mapping of str to array of shape (n_draws,)
        The same, as far as the residuals of the known algorithms do not hold such noise already.
    """

    deviations: Mapping[str, Floats]
    extra: Mapping[str, Floats]


QUIET = SeedNoise({}, {})


@dataclass(frozen=True)
class LogPrediction:
    """A predicted log benchmark score.

    Attributes
    ----------
    fit : SubsetFit
        What predicted it.
    point, lower, upper : float
        The interval is widened to hold the point, should it not.
    level : float
        Of the interval: what was asked for, or the highest that the number of rivals allows.
    n_own : int
        Rivals that predicted the new algorithm themselves: those with a score on all of their environments.
    standard_error : float
        Of the point, for the seeds; 0 without seed noise.
    bound_error : float
        Standard error of the bounds, the larger one, for the number of draws; 0 where none were needed.
    """

    fit: SubsetFit
    point: float
    lower: float
    upper: float
    level: float
    n_own: int
    standard_error: float
    bound_error: float


def n_rivals_needed(level: float) -> int:
    """Return the fewest rivals that allow an interval of a level."""
    return math.ceil(1 / _alpha(level)) - 1


def _alpha(level: float) -> Fraction:
    """Return 1 - level of the level as it is written: 1/10 of 0.9, where floats have a little less."""
    return 1 - Fraction(str(float(level)))


def choose_fit(predictor: Predictor, given: Mapping[str, object]) -> SubsetFit | None:
    """Return the chosen subset if all of its scores are given, else its given part of least CV error; None if there is none."""
    chosen, *parts = predictor.fits
    if given.keys() >= {*chosen.subset}:
        return chosen
    return min((fit for fit in parts if given.keys() >= {*fit.subset}), key=lambda fit: fit.cv_mse, default=None)


def predict_log(  # noqa: PLR0913  # what it is predicted from, and how
    predictor: Predictor,
    fit: SubsetFit,
    logs: Mapping[str, float],
    *,
    level: float,
    noise: SeedNoise = QUIET,
    rng: np.random.Generator | None = None,
) -> LogPrediction:
    """Predict one algorithm.

    Each rival, which is a subset that was chosen without one known algorithm, predicts the new one; where it lacks a score, the
    subset of `fit` does so, fitted without that algorithm. The lower bound is the k-th smallest of these predictions less the
    residual of the algorithm, k = floor(alpha (n + 1)) of n rivals; the upper one the k-th largest of the sums.

    Seed noise is convolved with the residuals: each of them takes either sign and a deviation drawn from the noise of its
    prediction, and the bounds are means over draws. With residuals of zero the interval is that of the noise alone; without
    noise it is that of the residuals, to the bit.

    Parameters
    ----------
    predictor : Predictor
    fit : SubsetFit
        From `choose_fit`.
    logs : mapping of str to float
        Environment -> log normalised score, log10(1 + max(0, normalised)).
    level : float
        At least 0.5 and below 1.
    noise : SeedNoise
    rng : np.random.Generator, optional
        Needed with noise alone.
    """
    own = [logs.keys() >= {*rival.subset} for rival in predictor.rivals]
    lines = [
        (rival.subset, rival.regression) if is_own else (fit.subset, without)
        for rival, is_own, without in zip(predictor.rivals, own, fit.without, strict=True)
    ]
    point = _value(fit.subset, fit.regression, logs)
    centres = np.array([_value(*line, logs) for line in lines])[:, np.newaxis]
    widths = np.array(fit.residuals)[:, np.newaxis]
    extra = [_deviation(*line, noise.extra) for line in lines]
    if rng is not None and np.any(extra):
        widths = _convolve(widths, np.array(extra), rng)
    k = max(1, math.floor(_alpha(level) * (len(lines) + 1)))
    allowed = min(level, len(lines) / (len(lines) + 1))
    lower, upper = _smallest(centres - widths, k), -_smallest(-centres - widths, k)
    return LogPrediction(
        fit=fit,
        point=point,
        lower=min(point, float(lower.mean())),
        upper=max(point, float(upper.mean())),
        level=allowed,
        n_own=sum(own),
        standard_error=_spread(_deviation(fit.subset, fit.regression, noise.deviations)),
        bound_error=max(_spread(bound) / math.sqrt(len(bound)) for bound in (lower, upper)),
    )


def _value(subset: Sequence[str], regression: Regression, logs: Mapping[str, float]) -> float:
    terms = [coefficient * logs[env_id] for env_id, coefficient in zip(subset, regression.coefficients, strict=True)]
    return regression.intercept + math.fsum(terms)


def _deviation(subset: Sequence[str], regression: Regression, deviations: Mapping[str, Floats]) -> Floats:
    """Return the deviations of a prediction, shape (n_draws,); a single zero without any."""
    total = np.zeros(max(map(len, deviations.values()), default=1))
    for env_id, coefficient in zip(subset, regression.coefficients, strict=True):
        total += coefficient * deviations.get(env_id, 0.0)
    return total


def _convolve(residuals: Floats, extra: Floats, rng: np.random.Generator) -> Floats:
    """Return abs(+-residual + deviation) for every draw.

    Signs, since the sizes of residuals alone would count noise on one side twice: with residuals of zero, quantiles of their sums
    with the noise would hold 1 - 2 alpha of it. Every residual with draws of its own, as seeds of different algorithms are.

    Parameters
    ----------
    residuals : array of shape (n_rivals, 1)
    extra : array of shape (n_rivals, n_draws)
    """
    signs = rng.choice([-1.0, 1.0], size=extra.shape)
    widths: Floats = np.abs(signs * residuals + rng.permuted(extra, axis=1))
    return widths


def _smallest(values: Floats, k: int) -> Floats:
    """Return the k-th smallest of each column; shapes (n_rivals, n_draws) and (n_draws,)."""
    smallest: Floats = np.partition(values, k - 1, axis=0)[k - 1]
    return smallest


def _spread(values: Floats) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else 0.0
