"""Coverage: which algorithms and environments of a table have scores enough; pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rlhpc.errors import DatasetError, InputError, nearest
from rlhpc.results.dataset import Dataset
from rlhpc.results.normalise import env_weights
from rlhpc.results.target import CORRECTIONS, Correction

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

RULES = {
    "coverage": "an algorithm is left out if it has scores on less than the share min_algo of the environments, where every "
    "benchmark has the same total weight. Then an environment is in no subset if less than the share min_env of the algorithms "
    "left have a score for it; it stays in the target, so that the shares of algorithms stay what they are",
}
MIN_ALGOS = 2  # of one there is nothing to choose a subset by
DIGITS = 12  # shares are sums of weights, whose last digits are those of their rounding


@dataclass(frozen=True)
class CoverageRules:
    """How a table with missing scores is searched.

    Attributes
    ----------
    min_algo, min_env : float
        Least shares, 0 to 1, see `RULES`; with 0 nothing is left out.
    correction : str
        Of the target, see `rlhpc.results.target.RULES`.
    """

    min_algo: float = 0.0
    min_env: float = 0.0
    correction: Correction = "none"

    def __post_init__(self) -> None:
        """Refuse values that no table allows.

        Raises
        ------
        InputError
            With every fault.
        """
        if faults := [*self._faults()]:
            raise InputError(*faults)

    def _faults(self) -> Iterator[str]:
        for flag, share in (("--min-algo-coverage", self.min_algo), ("--min-env-coverage", self.min_env)):
            if not 0 <= share <= 1:
                yield f"{flag} {share} is no share: give 0, to leave nothing out, or more, to 1."
        if self.correction not in CORRECTIONS:
            yield f"--target-correction {self.correction} is unknown. {nearest(self.correction, CORRECTIONS)}"


KEEP_ALL = CoverageRules()  # nothing is left out, and no target corrected


@dataclass(frozen=True)
class LeftOut:
    """An algorithm that is left out of a table, or an environment that is left out of subsets.

    Attributes
    ----------
    name : str
    share : float
        Of the environments, by weight, or of the algorithms left, that there are scores for; rounded to `DIGITS` digits.
    reason : str
        In words, to stand behind the name.
    """

    name: str
    share: float
    reason: str


@dataclass(frozen=True, eq=False)
class Covered:
    """What coverage rules leave of a table.

    Attributes
    ----------
    dataset : Dataset
        Without the algorithms that are left out.
    algos : tuple of LeftOut
        These, in the order of the table. Algorithms without any score are none of them: every search leaves them out.
    envs : tuple of LeftOut
        The environments that no subset is to have.
    """

    dataset: Dataset
    algos: tuple[LeftOut, ...]
    envs: tuple[LeftOut, ...]


def algo_shares(present: Bools, benchmarks: Sequence[str]) -> Floats:
    """Return the share of the environments that each algorithm has scores for; every benchmark has the same total weight.

    Parameters
    ----------
    present : array of shape (n_algos, n_envs)
        Whether there is a score.
    benchmarks : sequence of str, length n_envs

    Returns
    -------
    array of shape (n_algos,)
        From 0 to 1, rounded to `DIGITS` digits.
    """
    return np.round(present @ env_weights(benchmarks), DIGITS)


def cover(dataset: Dataset, rules: CoverageRules) -> Covered:
    """Leave out the algorithms, and name the environments, that have too few scores; see `RULES`.

    Parameters
    ----------
    dataset : Dataset
    rules : CoverageRules

    Raises
    ------
    DatasetError
        If fewer than two algorithms are left, none of them has a score for an environment, or no environment is left to choose.
    """
    present: Bools = np.any(~np.isnan(dataset.scores), axis=1)  # (n_algos, n_envs)
    scored, shares = present.any(axis=1), algo_shares(present, dataset.benchmarks)
    enough = ~scored | (shares >= round(rules.min_algo, DIGITS))
    n_left = int((scored & enough).sum())
    if not enough.all() and n_left < MIN_ALGOS:
        raise DatasetError(_too_few(n_left, shares[scored], rules.min_algo))
    env_shares: Floats = np.round(present[enough].sum(axis=0) / max(n_left, 1), DIGITS)
    choosable = env_shares >= round(rules.min_env, DIGITS)
    unscored = [dataset.env_ids[env] for env in np.flatnonzero(present.any(axis=0) & (env_shares == 0))]
    faults = [_unscored(unscored, rules.min_algo)] if unscored else []
    if not choosable.any() and env_shares.any():
        faults.append(_none_choosable(env_shares, rules.min_env))
    if faults:
        raise DatasetError(*faults)
    of_envs = f"scores on {{:.4g}} of the environments, less than --min-algo-coverage {rules.min_algo:g}"
    of_algos = f"scores of {{:.4g}} of the algorithms left, less than --min-env-coverage {rules.min_env:g}"
    return Covered(
        dataset=_take(dataset, np.flatnonzero(enough)),
        algos=_left_out(dataset.algos, shares, ~enough, of_envs),
        envs=_left_out(dataset.env_ids, env_shares, ~choosable, of_algos),
    )


def _take(dataset: Dataset, rows: NDArray[np.intp]) -> Dataset:
    """Return the dataset of some of the algorithms; itself if they are all."""
    if len(rows) == len(dataset.algos):
        return dataset
    return replace(dataset, scores=dataset.scores[rows], algos=tuple(dataset.algos[row] for row in rows))


def _left_out(names: Sequence[str], shares: Floats, which: Bools, reason: str) -> tuple[LeftOut, ...]:
    return tuple(LeftOut(names[at], float(shares[at]), reason.format(shares[at])) for at in np.flatnonzero(which).tolist())


def _too_few(n_left: int, shares: Floats, least: float) -> str:
    """Say what share would leave algorithms enough; shares of shape (n_algos,) are of all that have a score."""
    remedy = "Add scores"
    if len(shares) >= MIN_ALGOS:
        remedy += f", or give at most {_at_most(np.sort(shares)[-MIN_ALGOS])}, which leaves {MIN_ALGOS} or more"
    return (
        f"--min-algo-coverage {least:g} leaves {n_left} of {len(shares)} algorithms: to choose a subset takes at least "
        f"{MIN_ALGOS}. {remedy}."
    )


def _unscored(env_ids: Sequence[str], least: float) -> str:
    return (
        f"with --min-algo-coverage {least:g} no algorithm that is left has a score for {', '.join(env_ids)}. Leave these "
        "environments out of the table, give a smaller share, or add scores."
    )


def _none_choosable(shares: Floats, least: float) -> str:
    return (
        f"--min-env-coverage {least:g} leaves no environment to choose a subset from. Add scores, or give at most "
        f"{_at_most(shares.max())}."
    )


def _at_most(share: float) -> str:
    """Write a share in three decimals, rounded down, so that it is no more than the share."""
    return f"{math.floor(share * 1000 + 1e-6) / 1000:g}"  # 1e-6: 0.29 * 1000 is a little less than 290
