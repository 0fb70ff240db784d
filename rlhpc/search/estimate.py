"""How long a search would take here, by trying a little of it."""

from __future__ import annotations

import time

import numpy as np

from rlhpc.search.beam import MAX_EXHAUSTIVE
from rlhpc.search.best import find
from rlhpc.search.candidates import candidates
from rlhpc.search.combinations import shard_range
from rlhpc.search.problem import Problem
from rlhpc.search.settings import Settings

SAMPLES = 8  # spread over the range, since subsets with gaps take longer
SAMPLE = 2**14  # subsets each


def estimate_seconds(problem: Problem, settings: Settings, shard_index: int = 0, n_shards: int = 1) -> float:
    """Estimate how long one thread takes to search one shard, the only shard of 1 being the whole; 0 for one of moments.

    Measured on a few ten thousand subsets of each size that has more than a million; first of all, they are compiled.
    """
    seconds = 0.0
    for size in settings.sizes:
        n_subsets = candidates(problem, settings, size).n_subsets
        start, stop = shard_range(shard_index, n_shards, n_subsets)
        if stop - start <= MAX_EXHAUSTIVE or settings.beam:
            continue
        find(problem, settings, size, start, start + 1)
        begun = time.perf_counter()
        for place in np.linspace(start, stop - SAMPLE, SAMPLES, dtype=np.int64).tolist():
            find(problem, settings, size, place, place + SAMPLE)
        seconds += (time.perf_counter() - begun) / (SAMPLES * SAMPLE) * (stop - start)
    return seconds
