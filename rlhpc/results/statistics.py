"""Statistics of normalised scores over seeds and environments, with intervals by a stratified bootstrap; pure.

The definitions are rliable's (Agarwal et al., "Deep Reinforcement Learning at the Edge of the Statistical Precipice", NeurIPS
2021, section 4), for scores that are 0 for the random agent and 100 for the reference. Scores have the shape
(n_algos, n_seeds, n_envs), with NaN for a missing seed, wherever it stands.

Unequal seeds: a statistic is over what an algorithm has, and how many environments and seeds that is stands beside it. Mean and
median take the means of the environments, which so weigh the same; the others take all scores as equals, so that an environment
with more seeds weighs more.

Intervals: seeds are drawn anew within each environment by itself, environments are not, and the bounds are percentiles of the
draws. Draws of n seeds have (n - 1) / n of the variance that other seeds would have: for a mean over many environments,
intervals of 95 % hold the truth in 83 % of cases with 2 seeds, 89 % with 3, 92 % with 5 and 94 % with 10. With one seed on an
environment, which would pass for known exactly, there is no interval (None).

Draws: each algorithm has its own generator, made of the seed and its name, whatever other algorithms there are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rlhpc.errors import InputError
from rlhpc.files import digest
from rlhpc.results.normalise import MAX_FINITE
from rlhpc.results.summary import interquartile_mean

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

N_DRAWS = 2000  # rliable's for profiles
LEVEL = 0.95
GAMMA = 100.0  # the reference's score: what is missing to it is the optimality gap
MAX_CELLS = 2**22  # numbers drawn at a time: 32 MiB


@dataclass(frozen=True)
class Estimate:
    """A statistic and its bootstrap interval.

    Attributes
    ----------
    value : float or None
        None without any score.
    low, high : float or None
        Bounds of the interval of level `LEVEL`; None if an environment has one seed.
    bounds_standard_error : float or None
        Monte-Carlo standard error of the bounds, the mean of both: how far other draws would move them.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    bounds_standard_error: float | None = None


@dataclass(frozen=True)
class Aggregates:
    """What one algorithm scores over the environments that it has a score on.

    Attributes
    ----------
    algo : str
    n_envs : int
    n_seeds_min, n_seeds_max : int
        Fewest and most seeds of these environments.
    iqm : Estimate
        Interquartile mean of all scores.
    median, mean : Estimate
        Of the means of the environments.
    optimality_gap : Estimate
        Mean of max(0, `GAMMA` - score) over all scores.
    """

    algo: str
    n_envs: int
    n_seeds_min: int
    n_seeds_max: int
    iqm: Estimate
    median: Estimate
    mean: Estimate
    optimality_gap: Estimate


@dataclass(frozen=True, eq=False)
class Profile:
    """Which share of one algorithm's scores lies above each threshold.

    Attributes
    ----------
    algo : str
    share : array of shape (n_thresholds,)
    low, high : array of shape (n_thresholds,), or None
        Bounds of the interval at each threshold by itself; None if an environment has one seed.
    """

    algo: str
    share: Floats
    low: Floats | None
    high: Floats | None


@dataclass(frozen=True)
class Improvement:
    """How likely one algorithm scores higher than another.

    Attributes
    ----------
    algo, over : str
    n_envs : int
        Environments that both have a score on.
    probability : Estimate
        Over these; without bounds if either has one seed on one of them.
    """

    algo: str
    over: str
    n_envs: int
    probability: Estimate


@dataclass(frozen=True, eq=False)
class _Own:
    """The scores of one algorithm: its name, a table of shape (n_envs, n_seeds), and its number of seeds, shape (n_envs,)."""

    algo: str
    table: Floats
    n_seeds: Integers

    def generator(self, seed: int) -> np.random.Generator:
        """Return a new generator, made of the seed and the name."""
        return np.random.default_rng([seed, int(digest(self.algo), 16)])

    def draw(self, rng: np.random.Generator, n_draws: int) -> Integers:
        """Draw seeds within each environment: cells of the flat table, shape (n_draws, n_scores), environment by environment."""
        starts, sizes = (np.repeat(array, self.n_seeds) for array in (np.cumsum(self.n_seeds) - self.n_seeds, self.n_seeds))
        places = rng.integers(2**32, size=(n_draws, len(sizes))) * sizes >> 32  # < sizes; thrice as fast as integers(sizes)
        cells: Integers = np.flatnonzero(~np.isnan(self.table))[starts + places]
        return cells

    def count(self, rng: np.random.Generator, n_draws: int) -> Floats:
        """Draw as `draw` does: how often each cell was drawn, shape (n_envs, n_seeds, n_draws)."""
        cells = self.draw(rng, n_draws) * n_draws + np.arange(n_draws)[:, None]
        counts = np.bincount(cells.ravel(), minlength=self.table.size * n_draws)
        return counts.reshape(*self.table.shape, n_draws).astype(np.float64)


def aggregate(scores: Floats, algos: Sequence[str], *, seed: int, n_draws: int = N_DRAWS) -> tuple[Aggregates, ...]:
    """Summarise every algorithm over its environments.

    Parameters
    ----------
    scores : array of shape (n_algos, n_seeds, n_envs)
        Normalised; NaN where missing.
    algos : sequence of str, length n_algos
    seed : int
        Of the draws.
    n_draws : int
        At least 2.

    Raises
    ------
    InputError
        If the shape does not fit the names, a name is repeated, a score is not finite, or seed or n_draws is too small.
    """
    return tuple(_aggregate(own, seed, n_draws) for own in _split(scores, algos, seed, n_draws))


def _aggregate(own: _Own, seed: int, n_draws: int) -> Aggregates:
    n_seeds = own.n_seeds[own.n_seeds > 0]
    if not len(n_seeds):
        return Aggregates(own.algo, 0, 0, 0, *[Estimate(None)] * 4)
    values, rng = own.table.ravel(), own.generator(seed)
    sizes = _blocks(n_draws, n_seeds.sum()) if n_seeds.min() > 1 else []
    draws = [_summaries(values[own.draw(rng, size)], n_seeds) for size in sizes]
    estimates = _estimates(_summaries(values[None, ~np.isnan(values)], n_seeds)[0], draws)
    return Aggregates(own.algo, len(n_seeds), int(n_seeds.min()), int(n_seeds.max()), *estimates)


def _summaries(values: Floats, n_seeds: Integers) -> Floats:
    """Return iqm, median, mean and optimality gap, shape (n, 4), of values of shape (n, n_scores)."""
    means = np.add.reduceat(values, np.cumsum(n_seeds) - n_seeds, axis=1) / n_seeds  # (n, n_envs)
    gaps = np.maximum(0.0, GAMMA - values).mean(axis=1)
    return np.stack([interquartile_mean(values), np.median(means, axis=1), means.mean(axis=1), gaps], axis=1)


def profile(
    scores: Floats, algos: Sequence[str], thresholds: Floats, *, seed: int, n_draws: int = N_DRAWS
) -> tuple[Profile, ...]:
    """Profile every algorithm that has a score: rliable's performance profiles, of the scores of single seeds.

    Parameters
    ----------
    scores, algos, seed, n_draws
        As of `aggregate`, with its errors.
    thresholds : array of shape (n_thresholds,)
        Normalised scores.
    """
    return tuple(_profile(own, thresholds, seed, n_draws) for own in _split(scores, algos, seed, n_draws) if own.n_seeds.any())


def _profile(own: _Own, thresholds: Floats, seed: int, n_draws: int) -> Profile:
    above = (own.table.ravel() > thresholds[:, None]).astype(np.float64)  # (n_thresholds, n_envs * n_seeds); 0 where missing
    share = above.sum(axis=1) / own.n_seeds.sum()
    if 1 in own.n_seeds:
        return Profile(own.algo, share, None, None)
    rng, sizes = own.generator(seed), _blocks(n_draws, own.table.size)
    draws = [(above @ own.count(rng, size).reshape(-1, size) / own.n_seeds.sum()).T for size in sizes]
    return Profile(own.algo, share, *bounds(np.concatenate(draws))[:2])


def compare(
    scores: Floats, algos: Sequence[str], pairs: Sequence[tuple[int, int]], *, seed: int, n_draws: int = N_DRAWS
) -> tuple[Improvement, ...]:
    """Estimate P(X > Y) of pairs of algorithms, the mean over the environments that both have a score on.

    On one environment it is the share of pairs of seeds in which X scores higher, ties counting half: the statistic of Mann and
    Whitney (1947) over its maximum. The seeds of X and Y are drawn independently.

    Parameters
    ----------
    scores, algos, seed, n_draws
        As of `aggregate`, with its errors.
    pairs : sequence of (int, int)
        Rows of X and of Y, which differ.
    """
    owns = _split(scores, algos, seed, n_draws)
    fewest = [np.minimum(owns[x].n_seeds, owns[y].n_seeds) for x, y in pairs]  # each (n_envs,), 0 where not shared
    drawn = [place for place, n_seeds in enumerate(fewest) if n_seeds.any() and 1 not in n_seeds]
    rngs = {row: owns[row].generator(seed) for place in drawn for row in pairs[place]}
    draws: list[list[Floats]] = [[] for _ in pairs]  # of each pair
    for size in _blocks(n_draws, len(rngs) * scores[0].size):
        counts = {row: owns[row].count(rng, size) for row, rng in rngs.items()}
        for place in drawn:
            x, y = pairs[place]
            draws[place].append(_probabilities(owns[x], owns[y], counts[x], counts[y]))
    return tuple(_improvement(owns[x], owns[y], found) for (x, y), found in zip(pairs, draws, strict=True))


def _improvement(x: _Own, y: _Own, draws: Sequence[Floats]) -> Improvement:
    n_envs = int(np.count_nonzero(x.n_seeds * y.n_seeds))
    once = [np.where(np.isnan(own.table), 0.0, 1.0)[:, :, None] for own in (x, y)]
    estimates = _estimates(_probabilities(x, y, *once)[0], draws) if n_envs else [Estimate(None)]
    return Improvement(x.algo, y.algo, n_envs, *estimates)


def _probabilities(x: _Own, y: _Own, x_counts: Floats, y_counts: Floats) -> Floats:
    """Return P(X > Y), shape (n, 1), of scores that count as often as arrays of shape (n_envs, n_seeds, n) say."""
    n_pairs = x.n_seeds * y.n_seeds
    envs = np.flatnonzero(n_pairs)
    left, right = x.table[envs, None, :], y.table[envs, :, None]
    wins = (left > right) + 0.5 * (left == right)  # (n_shared, seeds of y, seeds of x); 0 where one is missing
    won = (wins @ x_counts[envs] * y_counts[envs]).sum(axis=1)  # (n_shared, n); of halves, so exact
    shares = np.ascontiguousarray(won.T) / n_pairs[envs]  # to be summed in the same order for every n
    return np.asarray(shares.mean(axis=1, keepdims=True))


def _estimates(values: Floats, draws: Sequence[Floats]) -> list[Estimate]:
    """Give k statistics the bounds that their draws, shape (n, k) each, lead to; none without draws."""
    ends = bounds(np.concatenate(draws)) if draws else ()
    return [Estimate(*numbers) for numbers in np.stack([values, *ends], axis=1).tolist()]


def bounds(draws: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the bounds of k intervals of `LEVEL` and the mean of both standard errors, shape (k,) each.

    Parameters
    ----------
    draws : array of shape (n, k)

    Notes
    -----
    A quantile's standard error is half the distance between the quantiles one standard error of its level away (Woodruff, 1952,
    Confidence intervals for medians and other position measures).
    """
    tails = np.array([(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    step = np.sqrt(tails * (1 - tails) / len(draws))
    (low, high), below, above = np.quantile(draws, np.clip([tails, tails - step, tails + step], 0, 1), axis=0)
    return low, high, ((above - below) / 2).mean(axis=0)


def _blocks(n_draws: int, n_cells: int) -> list[int]:
    """Return how many draws to make at a time, of so many cells each."""
    size = max(1, MAX_CELLS // max(1, n_cells))
    return [min(size, n_draws - done) for done in range(0, n_draws, size)]


def _split(scores: Floats, algos: Sequence[str], seed: int, n_draws: int) -> list[_Own]:
    """Check everything that was given, and take the scores apart by algorithm."""
    faults = [f"'{algo}' stands for {n} algorithms; give each a name of its own." for algo, n in Counter(algos).items() if n > 1]
    if scores.ndim != 3 or len(scores) != len(algos):
        faults.append(f"scores of {len(algos)} algorithms need the shape ({len(algos)}, n_seeds, n_envs), not {scores.shape}.")
    elif extreme := [algo for algo, own in zip(algos, scores, strict=True) if (np.abs(own) > MAX_FINITE).any()]:
        faults.append(f"scores of {', '.join(extreme)} are beyond {MAX_FINITE:g}; correct them, or leave them out.")
    if seed < 0:
        faults.append(f"the seed of the draws is {seed}; it must be 0 or more.")
    if n_draws < 2:
        faults.append(f"{n_draws} bootstrap draws give no interval; give at least 2, better {N_DRAWS:,}.")
    if faults:
        raise InputError(*faults)
    return [_Own(algo, own.T.copy(), np.count_nonzero(~np.isnan(own), axis=0)) for algo, own in zip(algos, scores, strict=True)]
