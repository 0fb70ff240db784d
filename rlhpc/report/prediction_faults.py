"""What is wrong with what a prediction is asked to be made of, in sentences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from rlhpc.errors import nearest
from rlhpc.report.seed_noise import MAX_DRAWS, to_log
from rlhpc.results.normalise import MAX_FINITE
from rlhpc.search.predict import choose_fit
from rlhpc.search.predictor import Predictor

MIN_LEVEL = 0.5  # below, the lower end of an interval could be above the upper one


def option_faults(level: float, seed: int, n_draws: int) -> Iterator[str]:
    """Yield what is wrong with how to predict."""
    if not MIN_LEVEL <= level < 1:
        yield f"level {level} is out of range: give at least {MIN_LEVEL} and less than 1, such as 0.9."
    if seed < 0:
        yield f"seed {seed} is negative: give 0 or more."
    if not 2 <= n_draws <= MAX_DRAWS:
        yield f"number of draws {n_draws} is out of range: give 2 to {MAX_DRAWS:,}."


def score_faults(predictor: Predictor, seeds: Mapping[str, Sequence[float]]) -> Iterator[str]:
    """Yield what is wrong with the scores of one algorithm: names, numbers, or that they are too few to predict anything."""
    faults = [*name_faults(predictor, seeds), *number_faults(predictor, seeds)]
    yield from faults or nothing_given(predictor, seeds)


def name_faults(predictor: Predictor, env_ids: Iterable[str]) -> Iterator[str]:
    """Yield the environments that a predictor does not know."""
    for env_id in env_ids:
        if env_id not in predictor.env_ids:
            yield f"the predictor does not know the environment '{env_id}'. {nearest(env_id, predictor.env_ids)}"


def number_faults(predictor: Predictor, seeds: Mapping[str, Sequence[float]]) -> Iterator[str]:
    """Yield the environments, of those that a predictor knows, without a score or with one that cannot be normalised."""
    for env in predictor.envs:
        scores = np.array(seeds.get(env.env_id, (env.random_score,)))
        written = ", ".join(map(str, scores.tolist()))
        if not scores.size:
            yield f"the environment '{env.env_id}' has no score: give at least one, or leave it out."
        elif not np.all(np.abs(scores) <= MAX_FINITE):
            yield f"'{env.env_id}' has the scores {written}: give finite numbers, not beyond {MAX_FINITE:g}."
        elif not np.isfinite(to_log(env, scores)).all():
            yield f"'{env.env_id}' has the scores {written}, which are too extreme to be normalised."


def nothing_given(predictor: Predictor, given: Mapping[str, object]) -> Iterator[str]:
    """Yield a sentence if nothing can be predicted from the environments that scores are given on."""
    if choose_fit(predictor, given) is None:
        smallest = predictor.fits[-1].subset
        n_single = sum(len(fit.subset) == 1 for fit in predictor.fits)
        some = "one of these at least" if n_single == len(predictor.subset) else f"at least on {_quoted(smallest)}"
        yield f"these scores predict nothing: the subset is {_quoted(predictor.subset)}. Give scores on all of these, or {some}."


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def budget_faults(predictor: Predictor, budgets: Mapping[str, int]) -> Iterator[str]:
    """Yield the environments whose scores are of another budget than the known algorithms'; where that is known.

    Parameters
    ----------
    predictor : Predictor
    budgets : mapping of str to int
        Environment -> agent steps, over all parallel environments, of the new algorithm's trainings.
    """
    for env in predictor.envs:
        given = budgets.get(env.env_id, env.total_timesteps)
        if env.total_timesteps is not None and given != env.total_timesteps:
            yield (
                f"'{env.env_id}': the scores are of trainings of {given:,} agent steps, and those of the known algorithms of "
                f"{env.total_timesteps:,}; they are not comparable. Give scores of {env.total_timesteps:,} steps."
            )
