"""What a dataset knows of an environment: benchmark, action space, random and reference score, and where these come from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rlhpc.records import CUSTOM_BENCHMARK, BenchmarkEnv
from rlhpc.results.scores import BASELINES, Score, mean
from rlhpc.words import count

UNKNOWN_SPACE = "unknown"


@dataclass(frozen=True)
class Sourced:
    """A number and where it comes from.

    Attributes
    ----------
    value : float
        NaN where unknown.
    source : str
        In words; blank where unknown.
    """

    value: float = math.nan
    source: str = ""


@dataclass(frozen=True)
class Environment:
    """One environment of a dataset.

    Attributes
    ----------
    env_id, benchmark, action_space : str
    random, reference : Sourced
        Scores that are normalised to 0 and 100.
    """

    env_id: str
    benchmark: str
    action_space: str
    random: Sourced
    reference: Sourced


def describe(group: Sequence[Score], benchmark_envs: Sequence[BenchmarkEnv], file: str) -> Environment:
    """Describe an environment by its scores, and by its benchmark's file where they are silent.

    Parameters
    ----------
    group : sequence of Score
        All scores of the environment, at least one.
    benchmark_envs : sequence of BenchmarkEnv
    file : str
        The table that holds the random and reference scores within `group`.
    """
    known = find(group[0].env_id, first_text(score.benchmark for score in group), benchmark_envs)
    random, reference = (
        first_known(
            _own(group, algo),
            *(Sourced(getattr(score, f"{kind}_score"), f"file {file}") for score in group),
            published(known, kind),
        )
        for algo, kind in zip(BASELINES, ("random", "reference"), strict=True)
    )
    return Environment(
        env_id=group[0].env_id,
        benchmark=first_text(score.benchmark for score in group) or (known.benchmark if known else CUSTOM_BENCHMARK),
        action_space=first_text(score.action_space for score in group) or (known.action_space if known else UNKNOWN_SPACE),
        random=random,
        reference=reference,
    )


def _own(group: Iterable[Score], algo: str) -> Sourced:
    """Return the mean of an algorithm's trainings on one environment."""
    values = [score.score for score in group if score.algo == algo and not math.isnan(score.score)]
    return Sourced(mean(values), f"your {count(len(values), 'training')} of {algo}") if values else Sourced()


def published(known: BenchmarkEnv | None, kind: str) -> Sourced:
    """Return the ``random`` or ``reference`` score that a benchmark's file gives."""
    value = getattr(known, f"{kind}_score", None)
    if known is None or value is None:
        return Sourced()
    return Sourced(value, f"benchmark {known.benchmark}: {getattr(known, f'{kind}_source')}")


def first_known(*candidates: Sourced) -> Sourced:
    """Return the first number that is there."""
    return next((candidate for candidate in candidates if not math.isnan(candidate.value)), Sourced())


def first_text(texts: Iterable[str]) -> str:
    """Return the first text that is not blank."""
    return next(filter(None, texts), "")


def find(env_id: str, benchmark: str, benchmark_envs: Iterable[BenchmarkEnv]) -> BenchmarkEnv | None:
    """Find what benchmark files say of an environment, by id or name; the file of its own benchmark goes first."""
    matches = [env for env in benchmark_envs if env_id in (env.env_id, env.name)]
    return next((env for env in matches if env.benchmark == benchmark), matches[0] if matches else None)
