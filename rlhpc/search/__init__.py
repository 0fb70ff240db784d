"""Search every subset of k environments for the one that best predicts the full benchmark; arrays only.

::

    problem = load(path)                                  X, y and names                        problem.py
    settings = Settings(subset_size=3)                    what to search, by which rules        settings.py
    shard = search_shard(problem, settings, 3, 16)        the best of a range of subsets        shard.py
              unrank -> assign_folds -> cv_mse                     combinations.py, folds.py, kernel.py
    best = merge(problem, settings, shards)               the best of all, or what is missing   merge.py
    sizes = nest(problem, settings, best)                 k, k - 1, ..., 1 environments         nested.py
    ranked = make_ranking(problem, settings, best[0])     names, coefficients, in-sample error  ranking.py

A whole search is the merge of its only shard.
"""

from rlhpc.search.combinations import rank, shard_range, spell_ranges, unrank
from rlhpc.search.folds import FOLD_SEED, N_FOLDS, assign_folds
from rlhpc.search.kernel import Fit, cv_mse, fit
from rlhpc.search.merge import merge, read_shards
from rlhpc.search.nested import Size, nest
from rlhpc.search.problem import Problem, load, problem_hash, save
from rlhpc.search.ranking import Ranked, describe, describe_size, make_ranking
from rlhpc.search.settings import KEEP, RULES, Settings
from rlhpc.search.shard import (
    Best,
    Shard,
    n_shard_subsets,
    read_shard,
    search_shard,
    shard_name,
    stored_shards,
    subset_errors,
    write_shard,
)

__all__ = [
    "FOLD_SEED",
    "KEEP",
    "N_FOLDS",
    "RULES",
    "Best",
    "Fit",
    "Problem",
    "Ranked",
    "Settings",
    "Shard",
    "Size",
    "assign_folds",
    "cv_mse",
    "describe",
    "describe_size",
    "fit",
    "load",
    "make_ranking",
    "merge",
    "n_shard_subsets",
    "nest",
    "problem_hash",
    "rank",
    "read_shard",
    "read_shards",
    "save",
    "search_shard",
    "shard_name",
    "shard_range",
    "spell_ranges",
    "stored_shards",
    "subset_errors",
    "unrank",
    "write_shard",
]
