"""A predictor: everything that it takes to predict a benchmark score from the scores on a subset, and to say how sure that is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Origin:
    """What a predictor was made of.

    Attributes
    ----------
    dataset : str
        Name of the table.
    dataset_sha256, problem_sha256 : str
        Of the table's bytes, and of what was made of it; see `rlhpc.search.problem.problem_hash`.
    target : str
        The rule of the benchmark score, in words.
    verdict : str
        How far the subset is to be trusted, in words; blank where that was not asked.
    """

    dataset: str
    dataset_sha256: str
    problem_sha256: str
    target: str
    verdict: str = ""


@dataclass(frozen=True)
class Env:
    """An environment that scores are given on.

    Attributes
    ----------
    env_id : str
    random_score, reference_score : float
        Scores that are normalised to 0 and 100.
    lowest, highest : float
        Of the known algorithms' scores.
    total_timesteps : int or None
        The budget of these scores in agent steps over all parallel environments; None where unknown.
    """

    env_id: str
    random_score: float
    reference_score: float
    lowest: float
    highest: float
    total_timesteps: int | None = None


@dataclass(frozen=True)
class Regression:
    """A linear function of the log scores on a subset.

    Attributes
    ----------
    coefficients : tuple of float
        One for each environment of the subset.
    intercept : float
    """

    coefficients: tuple[float, ...]
    intercept: float


@dataclass(frozen=True)
class Rival:
    """The subset that the whole search chose without one algorithm.

    Attributes
    ----------
    algo : str
        The algorithm that was held out.
    subset : tuple of str
    regression : Regression
        Fitted to the other algorithms.
    """

    algo: str
    subset: tuple[str, ...]
    regression: Regression


@dataclass(frozen=True)
class SubsetFit:
    """One subset, fitted to all algorithms, and to all but each one that was held out.

    Attributes
    ----------
    subset : tuple of str
    cv_mse : float
    regression : Regression
        Fitted to all algorithms.
    without : tuple of Regression
        Of this subset, fitted without the algorithm of each rival, in the order of ``Predictor.rivals``.
    residuals : tuple of float
        How far these algorithms were from their predictions, in log scores. For the chosen subset, from the prediction of the
        rival that was chosen without them, so that the price of having searched is in it; for a part of it, the larger of that
        and of how far this part, fitted without them, was off.
    """

    subset: tuple[str, ...]
    cv_mse: float
    regression: Regression
    without: tuple[Regression, ...]
    residuals: tuple[float, ...]


@dataclass(frozen=True)
class Extension:
    """A subset with one more environment.

    Attributes
    ----------
    env_id : str
        The one more.
    cv_mse : float
        What a search would claim for the larger subset.
    """

    env_id: str
    cv_mse: float


@dataclass(frozen=True)
class Extensions:
    """Which environment to add to the subset, and what adding one is worth.

    Attributes
    ----------
    best : tuple of Extension
        The best few, the best first.
    n_compared : int
        Algorithms that could be predicted both ways when held out.
    mse, extended_mse : float or None
        Honest mean squared errors over these: by the subset chosen without the algorithm, and by the same with the environment
        that was the best to add without it. None if there is no such algorithm.
    """

    best: tuple[Extension, ...]
    n_compared: int
    mse: float | None
    extended_mse: float | None


@dataclass(frozen=True)
class Predictor:
    """A chosen subset, ready to predict new algorithms.

    Attributes
    ----------
    origin : Origin
    subset : tuple of str
        The chosen one.
    envs : tuple of Env
        Those of the chosen subset first, then those of subsets that were chosen without an algorithm.
    known : mapping of str to float
        Log benchmark scores of the algorithms that the subset was chosen with.
    n_seeds : int or None
        Seeds that the scores of the known algorithms are means over; None if that is not known.
    rivals : tuple of Rival
        One for each algorithm that could be predicted when held out; at least four.
    fits : tuple of SubsetFit
        The chosen subset first, then its parts, the larger ones first.
    extensions : Extensions
    """

    origin: Origin
    subset: tuple[str, ...]
    envs: tuple[Env, ...]
    known: Mapping[str, float]
    n_seeds: int | None
    rivals: tuple[Rival, ...]
    fits: tuple[SubsetFit, ...]
    extensions: Extensions

    @property
    def env_ids(self) -> tuple[str, ...]:
        """The environments that scores can be given on."""
        return tuple(env.env_id for env in self.envs)
