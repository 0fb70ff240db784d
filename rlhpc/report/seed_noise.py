"""Seed noise: how far the log scores of an algorithm move when its seeds are drawn again."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from rlhpc.results.normalise import log_score, normalise
from rlhpc.search.predict import SeedNoise
from rlhpc.search.predictor import Env

Floats = NDArray[np.float64]

N_DRAWS = 1_000  # the ends of an interval move by 3 % of the seeds' spread from one seed of the generator to another
MAX_DRAWS = 1_000_000  # of 62 known algorithms, some gigabytes


def to_log(env: Env, scores: Floats) -> Floats:
    """Return log normalised scores of raw ones, of any shape; infinite or NaN for those too extreme to be normalised."""
    with np.errstate(over="ignore", invalid="ignore"):
        return log_score(normalise(scores, np.array(env.random_score), np.array(env.reference_score)))


def draw_noise(  # noqa: PLR0913, PLR0917  # a bootstrap's input
    envs: Iterable[Env],
    seeds: Mapping[str, Sequence[float]],
    logs: Mapping[str, float],
    n_known_seeds: int | None,
    n_draws: int,
    rng: np.random.Generator,
) -> SeedNoise:
    """Draw the seeds of every environment again, with replacement, and see how its log score moves: a bootstrap in strata.

    Deviations are widened by sqrt(n / (n - 1)) for n seeds, since the spread of drawn means is too small by that (Efron and
    Tibshirani, 1993, An Introduction to the Bootstrap, section 5.3). The share of a deviation's variance that means over
    `n_known_seeds` seeds have as well is in the residuals of the known algorithms already: n / n_known_seeds, at most 1.

    Parameters
    ----------
    envs : iterable of Env
    seeds : mapping of str to sequence of float
        Environment -> raw scores; in any order, which changes nothing.
    logs : mapping of str to float
        Environment -> log normalised score of their mean.
    n_known_seeds : int or None
        Seeds behind the known algorithms' scores; None if not known, and then nothing counts as held already.
    n_draws : int
    rng : np.random.Generator
    """
    deviations, extra = {}, {}
    for env in envs:
        ordered = np.sort(seeds[env.env_id])
        n_seeds = len(ordered)
        if n_seeds > 1:
            means = ordered[rng.integers(n_seeds, size=(n_draws, n_seeds))].mean(axis=1)
            deviations[env.env_id] = (to_log(env, means) - logs[env.env_id]) * math.sqrt(n_seeds / (n_seeds - 1))
            held = min(1.0, n_seeds / n_known_seeds) if n_known_seeds else 0.0
            extra[env.env_id] = deviations[env.env_id] * math.sqrt(1 - held)
    return SeedNoise(deviations, extra)
