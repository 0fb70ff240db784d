"""Search every subset of k environments for the one that best predicts the full benchmark; arrays only.

::

    problem = load(path)                                  X, y and names                        problem.py
    settings = Settings(subset_size=3)                    what to search, by which rules        settings.py
    best = search(problem, settings)                      the best of every size                whole.py
    sizes = nest(problem, settings, best)                 k, k - 1, ..., 1 environments         nested.py
    ranked = make_ranking(problem, settings, best[0])     names, coefficients, in-sample error  ranking.py

`search`, step by step, in any number of shards::

    shard = search_shard(problem, settings, 3, 16)        what is found in a range of subsets   shard.py
        candidates                                        forced, free, excluded environments   candidates.py
        find -> make_table -> search_range                best of a range by the kernel         best.py, kernel.py, compiled/
    best = merge(problem, settings, shards)               the best of all, or what is missing   merge.py
        polish -> errors_by                               their exact errors, in order          best.py, regression.py
"""

from rlhpc.search.best import Best, subset_errors
from rlhpc.search.combinations import rank, spell_ranges, unrank
from rlhpc.search.estimate import estimate_seconds
from rlhpc.search.folds import FOLD_SEED, N_FOLDS, assign_folds
from rlhpc.search.merge import merge, read_shards
from rlhpc.search.nested import nest
from rlhpc.search.problem import Problem, load, problem_hash, save
from rlhpc.search.ranking import Ranked, describe, describe_size, make_ranking
from rlhpc.search.regression import Fit, cv_mse, fit
from rlhpc.search.settings import FOLD_RULES, KEEP, MAX_BEAM, MAX_KEEP, RANK_BY, RULES, Settings
from rlhpc.search.shard import Shard, n_shard_subsets, search_shard, shard_name, stored_shards, write_shard
from rlhpc.search.whole import n_to_search, search

__all__ = [
    "FOLD_RULES",
    "FOLD_SEED",
    "KEEP",
    "MAX_BEAM",
    "MAX_KEEP",
    "N_FOLDS",
    "RANK_BY",
    "RULES",
    "Best",
    "Fit",
    "Problem",
    "Ranked",
    "Settings",
    "Shard",
    "assign_folds",
    "cv_mse",
    "describe",
    "describe_size",
    "estimate_seconds",
    "fit",
    "load",
    "make_ranking",
    "merge",
    "n_shard_subsets",
    "n_to_search",
    "nest",
    "problem_hash",
    "rank",
    "read_shards",
    "save",
    "search",
    "search_shard",
    "shard_name",
    "spell_ranges",
    "stored_shards",
    "subset_errors",
    "unrank",
    "write_shard",
]
