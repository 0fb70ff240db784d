"""Blocks of missing scores: algorithms that were never tried on some of the benchmarks; pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rlhpc.results.coverage import algo_shares

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Block:
    """Algorithms that have no score at all in some benchmarks, but scores in others.

    Attributes
    ----------
    algos, lacking, having : tuple of str
        All algorithms that lack exactly these benchmarks.
    share : float
        The largest share of the environments, by weight, that one of them has scores for.
    """

    algos: tuple[str, ...]
    lacking: tuple[str, ...]
    having: tuple[str, ...]
    share: float


def blocks(scores: Floats, algos: Sequence[str], benchmarks: Sequence[str]) -> tuple[Block, ...]:
    """Find the algorithms that lack every score of a benchmark while they have scores in another.

    Parameters
    ----------
    scores : array of shape (n_algos, n_envs)
        NaN where missing; raw, normalised or their logarithms.
    algos : sequence of str, length n_algos
    benchmarks : sequence of str, length n_envs

    Returns
    -------
    tuple of Block
        One for each set of benchmarks that is lacking, in the order of the algorithms; none if scores are missing here and there
        only.
    """
    present, of_env = ~np.isnan(scores), np.array(benchmarks)
    names = tuple(dict.fromkeys(benchmarks))
    has = np.array([present[:, of_env == name].any(axis=1) for name in names]).T  # (n_algos, n_benchmarks)
    shares = algo_shares(present, benchmarks)
    rows: dict[tuple[bool, ...], list[int]] = defaultdict(list)
    for row in np.flatnonzero(has.any(axis=1) & ~has.all(axis=1)).tolist():
        rows[tuple(has[row].tolist())].append(row)
    return tuple(
        Block(
            algos=tuple(algos[row] for row in alike),
            lacking=tuple(name for name, there in zip(names, pattern, strict=True) if not there),
            having=tuple(name for name, there in zip(names, pattern, strict=True) if there),
            share=float(shares[alike].max()),
        )
        for pattern, alike in rows.items()
    )
