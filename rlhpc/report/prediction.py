"""Predict where a new algorithm stands on the full benchmark, from its scores on a subset.

::

    predictor = read_predictor(Path("logs/demo/subset.json"))    # rlhpc.search.predictor_file
    prediction = predict_benchmark(predictor, {"Pong": [18.5, 20.0], "Breakout": [31.0, 28.5]})
    print(prediction.score, prediction.place)
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from rlhpc.errors import InputError
from rlhpc.report.case_study import to_score
from rlhpc.report.prediction_faults import option_faults, score_faults
from rlhpc.report.seed_noise import N_DRAWS, draw_noise, to_log
from rlhpc.results.scores import mean
from rlhpc.search.predict import LogPrediction, choose_fit, predict_log
from rlhpc.search.predictor import Predictor

Scores = Mapping[str, float | Sequence[float]]  # environment -> score, or one a seed

LEVEL = 0.9
SEED = 0


@dataclass(frozen=True)
class Bounded:
    """A predicted score with its interval.

    Attributes
    ----------
    value, lower, upper : float
    """

    value: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Place:
    """A place among the known algorithms and the new one, 1 for the highest benchmark score.

    Attributes
    ----------
    place, best, worst : int
        By the predicted score, and by the upper and the lower end of its interval.
    n_places : int
    """

    place: int
    best: int
    worst: int
    n_places: int


@dataclass(frozen=True)
class SeedError:
    """What the seeds of the new algorithm are known to be worth.

    Attributes
    ----------
    n_seeds : mapping of str to int
        Environment that was predicted from -> seeds given.
    single : tuple of str
        Of these, the ones with one seed, whose noise is in no figure.
    standard_error : float or None
        Of the log score that is predicted, for the seeds; None if every environment has a single one.
    n_draws, seed : int
        How often seeds were drawn, and the seed of the generator.
    standard_error_error, bound_error : float
        Standard errors of `standard_error`, and of the ends of the interval in log scores, for the number of draws.
    """

    n_seeds: Mapping[str, int]
    single: tuple[str, ...]
    standard_error: float | None
    n_draws: int
    seed: int
    standard_error_error: float
    bound_error: float


@dataclass(frozen=True)
class Prediction:
    """Where a new algorithm stands.

    Attributes
    ----------
    subset : tuple of str
        Environments that it was predicted from.
    missing : tuple of str
        Environments of the chosen subset that it has no score on.
    score : Bounded
        Benchmark score: 0 for the random agent, 100 for the reference; not below 0, as none is by the rule of its logarithm.
    log_score : Bounded
        log10(1 + benchmark score): what is predicted.
    level, asked_level : float
        Of the interval; less than was asked for where too few known algorithms could be held out.
    n_algos, n_own : int
        Known algorithms that the interval rests on; and of these, the ones whose own subset, chosen without them, has all scores.
    place : Place
    seeds : SeedError
    clipped : tuple of str
        Environments with a score not above the random agent's, which counts as the random agent's.
    extrapolated : tuple of str
        Environments with a score outside the range of the known algorithms'.
    """

    subset: tuple[str, ...]
    missing: tuple[str, ...]
    score: Bounded
    log_score: Bounded
    level: float
    asked_level: float
    n_algos: int
    n_own: int
    place: Place
    seeds: SeedError
    clipped: tuple[str, ...]
    extrapolated: tuple[str, ...]


def predict_benchmark(  # noqa: PLR0913  # what to predict from, and how
    predictor: Predictor,
    scores: Scores,
    *,
    level: float = LEVEL,
    seed: int = SEED,
    n_draws: int = N_DRAWS,
    algo: str | None = None,
) -> Prediction:
    """Predict the benchmark score of one algorithm; see `rlhpc.search.predict.predict_log`.

    Parameters
    ----------
    predictor : Predictor
    scores : mapping of str to float or sequence of float
        Environment -> raw score, or one a seed. Scores on environments beyond the subset, of subsets that were chosen without an
        algorithm, make the interval more exact.
    level : float
        Share of new algorithms whose benchmark score the interval is to hold; at least 0.5 and below 1.
    seed : int
        Of the generator that draws seeds; the same one gives the same prediction to the bit.
    n_draws : int
        How often seeds are drawn.
    algo : str, optional
        Its name: a known algorithm does not count beside itself in its place.

    Raises
    ------
    InputError
        With everything that is wrong with the scores and the arguments.
    """
    seeds = {env_id: tuple(np.ravel(given).tolist()) for env_id, given in scores.items()}
    if faults := [*option_faults(level, seed, n_draws), *score_faults(predictor, seeds)]:
        raise InputError(*faults)
    envs = {env.env_id: env for env in predictor.envs if env.env_id in seeds}  # in one order, whatever that of the scores
    fit = choose_fit(predictor, envs)
    if fit is None:
        raise AssertionError  # score_faults has refused that
    means = {env_id: mean(seeds[env_id]) for env_id in envs}
    logs = {env_id: float(to_log(env, np.array(means[env_id]))) for env_id, env in envs.items()}
    rng = np.random.default_rng(seed)
    noise = draw_noise(envs.values(), seeds, logs, predictor.n_seeds, n_draws, rng)
    found = predict_log(predictor, fit, logs, level=level, noise=noise, rng=rng)
    log = Bounded(found.point, found.lower, found.upper)
    return Prediction(
        subset=fit.subset,
        missing=tuple(env_id for env_id in predictor.subset if env_id not in seeds),
        score=Bounded(*to_score(np.maximum(0.0, [log.value, log.lower, log.upper])).tolist()),
        log_score=log,
        level=found.level,
        asked_level=level,
        n_algos=len(predictor.rivals),
        n_own=found.n_own,
        place=_place(predictor, log, algo),
        seeds=_seed_error(found, {env_id: len(seeds[env_id]) for env_id in fit.subset}, n_draws, seed),
        clipped=tuple(env_id for env_id in fit.subset if logs[env_id] == 0),
        extrapolated=tuple(env_id for env_id in fit.subset if not envs[env_id].lowest <= means[env_id] <= envs[env_id].highest),
    )


def record(prediction: Prediction) -> dict[str, Any]:
    """Return a prediction as JSON knows it: None for an infinite score."""
    score = {end: value if math.isfinite(value) else None for end, value in asdict(prediction.score).items()}
    return {**asdict(prediction), "score": score}


def _place(predictor: Predictor, log: Bounded, algo: str | None) -> Place:
    """Count the known algorithms above each end; an algorithm is not above itself, and none is below 0."""
    others = [y for name, y in predictor.known.items() if name != algo]
    place, best, worst = (1 + sum(y > max(0.0, end) for y in others) for end in (log.value, log.upper, log.lower))
    return Place(place, best, worst, len(others) + 1)


def _seed_error(found: LogPrediction, n_seeds: Mapping[str, int], n_draws: int, seed: int) -> SeedError:
    """Say what the seeds are known to be worth."""
    single = tuple(env_id for env_id, n in n_seeds.items() if n == 1)
    return SeedError(
        n_seeds=n_seeds,
        single=single,
        standard_error=found.standard_error if len(single) < len(n_seeds) else None,
        n_draws=n_draws,
        seed=seed,
        standard_error_error=found.standard_error / math.sqrt(2 * (n_draws - 1)),  # as of normal deviations
        bound_error=found.bound_error,
    )
