"""How long a search would take here, by trying a little of it."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from rlhpc.search.beam import MAX_EXHAUSTIVE, most_extended
from rlhpc.search.best import find, subset_errors
from rlhpc.search.candidates import Candidates, candidates
from rlhpc.search.combinations import shard_range
from rlhpc.search.problem import Problem
from rlhpc.search.settings import Settings

SAMPLES = 8  # spread over the range, since subsets with gaps take longer
SMALLEST, LARGEST, GROWTH = 2**6, 2**16, 4  # subsets in a sample: as few as tell enough
N_EXTENDED = 16  # subsets that stand for those of a beam
MOMENT = 1.0  # seconds of a size; what takes less need not be known better
ENOUGH = 0.2  # seconds of samples


def estimate_seconds(problem: Problem, settings: Settings, shard_index: int = 0, n_shards: int = 1) -> float:
    """Estimate how long one thread takes to search one shard, the only shard of 1 being the whole.

    Measured on up to half a million subsets of each size, for a second or so at most; first of all, they are compiled. Too long
    rather than too short, by up to a second a size and a third; but without the time of the ranking, which counts if it is long.
    """
    return sum(_seconds_of(problem, settings, size, shard_index, n_shards) for size in settings.sizes)


def _seconds_of(problem: Problem, settings: Settings, size: int, shard_index: int, n_shards: int) -> float:
    """Estimate the seconds of one size."""
    settings = replace(settings, keep=1)  # a ranking is filled once in a search, and would be in every sample
    chosen = candidates(problem, settings, size)
    if settings.beam and chosen.n_subsets > MAX_EXHAUSTIVE and size > min(settings.sizes):
        return _seconds_of_beam(problem, settings, chosen)
    start, stop = shard_range(shard_index, n_shards, chosen.n_subsets)
    find(problem, settings, size, start, min(start + 1, stop))
    seconds, length = 0.0, SMALLEST
    while start < stop:
        length = min(length, stop - start)
        begun = time.perf_counter()
        for sample in range(SAMPLES):
            place = start + sample * (stop - start - length) // (SAMPLES - 1)
            find(problem, settings, size, place, place + length)
        spent = time.perf_counter() - begun
        seconds = spent / (SAMPLES * length) * (stop - start)
        if seconds < MOMENT or spent > ENOUGH or length in (LARGEST, stop - start):
            break
        length *= GROWTH
    return seconds


def _seconds_of_beam(problem: Problem, settings: Settings, chosen: Candidates) -> float:
    """Estimate the seconds of one size of which a beam is searched, by any subsets."""
    every = np.tile(np.array(chosen.free, dtype=np.int64), (N_EXTENDED, 1))
    free = np.random.default_rng(0).permuted(every, axis=1)[:, : chosen.n_free]
    subsets = np.hstack([np.tile(np.array(chosen.forced, dtype=np.int64), (N_EXTENDED, 1)), free])
    subset_errors(problem, settings, subsets[:1])  # which is compiled, or read
    begun = time.perf_counter()
    subset_errors(problem, settings, subsets)
    return (time.perf_counter() - begun) / N_EXTENDED * most_extended(settings, chosen)
