"""The plan of a search counts what would be searched, and which shards are missing."""

from math import comb

import pytest

from rlhpc.errors import IncompleteSearchError
from rlhpc.report.search_folder import SearchFolder
from rlhpc.report.search_plan import plan_search
from rlhpc.search import Settings, search_shard, write_shard


def test_a_plan_counts_subsets_and_names_missing_shards(found, tmp_path):
    folder, settings = SearchFolder(tmp_path / "out"), Settings(3)
    assert plan_search(found.problem, settings, folder, 4, 0.0).missing == (0, 1, 2, 3)
    assert not folder.root.exists()
    folder.shards.mkdir(parents=True)
    write_shard(search_shard(found.problem, settings, 2, 4), folder.shards)
    plan = plan_search(found.problem, settings, folder, 4, 0.0)
    assert (plan.missing, plan.missing_ranges, plan.n_subsets) == ((0, 1, 3), "0-1,3", comb(5, 3))
    n_all = sum(comb(5, size) for size in (1, 2, 3))
    assert plan.summary == (
        f"10 subsets of 3 of 5 environments, and all smaller ones: {n_all} in all, on 6 algorithms. Shards: 4; stored already: 1."
    )
    assert plan.described() == {
        "summary": plan.summary,
        "n_subsets": 10,
        "n_shards": 4,
        "n_missing": 3,
        "n_redone": 0,
        "missing": "0-1,3",
        "seconds": 0.0,
        "out": str(folder.root),
        "slurm": str(folder.slurm),
        "ranking": str(folder.ranking),
    }


def test_subsets_of_one_have_no_smaller_ones(found, tmp_path):
    plan = plan_search(found.problem, Settings(1), SearchFolder(tmp_path), 1, 0.0)
    assert plan.summary.startswith("5 subsets of 1 of 5 environments: 5 in all")


def test_a_shard_of_another_search_is_refused(found, tmp_path):
    folder = SearchFolder(tmp_path)
    folder.shards.mkdir()
    write_shard(search_shard(found.problem, Settings(2), 0, 2), folder.shards)
    with pytest.raises(IncompleteSearchError, match="another search"):
        plan_search(found.problem, Settings(3), folder, 2, 0.0)


def test_a_plan_says_how_long_a_shard_takes(found, tmp_path):
    plan = plan_search(found.problem, Settings(3), SearchFolder(tmp_path), 4, 7_900.0)
    assert plan.summary.endswith("Each shard takes about 2.2 hours on a machine like this one.")
    assert plan.described()["seconds"] == 7_900.0
