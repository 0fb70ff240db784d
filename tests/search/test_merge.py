from dataclasses import replace

import pytest

from rlhpc.errors import IncompleteSearchError
from rlhpc.search.merge import merge, read_shards
from rlhpc.search.settings import Settings
from rlhpc.search.shard import search_shard, write_shard
from rlhpc.search.whole import search

SETTINGS = Settings(3, n_folds=4, keep=12)


def division(problem, n_shards, settings=SETTINGS):
    return [search_shard(problem, settings, index, n_shards) for index in range(n_shards)]


def plain(best):
    return [{name: value.tolist() if hasattr(value, "tolist") else value for name, value in vars(b).items()} for b in best]


@pytest.mark.parametrize("n_shards", [1, 2, 7, 16, 100, 1_000])
@pytest.mark.parametrize("missing", [0.0, 0.25])
def test_shards_merge_to_the_whole_to_the_bit(make_problem, n_shards, missing):
    problem = make_problem(missing=missing)
    whole = search(problem, SETTINGS)
    assert plain(merge(problem, SETTINGS, division(problem, n_shards))) == plain(whole)
    assert [sum(best.histogram) + best.n_unsearchable for best in whole] == [best.n_subsets for best in whole] == [56, 28, 8]


@pytest.mark.parametrize(
    "rules",
    [
        {"fold_rule": "drawn"},
        {"rank_by": "in_sample"},
        {"fit_intercept": True, "ridge": 0.5},
        {"forced": ("Env 3", "Env 6"), "excluded": ("Env 0",)},
    ],
)
def test_shards_merge_to_the_whole_by_every_rule(make_problem, rules):
    problem, settings = make_problem(n_algos=12, missing=0.15), replace(SETTINGS, **rules)
    assert plain(merge(problem, settings, division(problem, 5, settings))) == plain(search(problem, settings))


def test_shards_merge_to_the_whole_where_most_errors_tie(make_problem):
    problem = make_problem(n_algos=12)
    problem.X[:, 4:] = problem.X[:, :4]
    assert plain(merge(problem, SETTINGS, division(problem, 9))) == plain(search(problem, SETTINGS))


def refusal(problem, shards, settings=SETTINGS):
    with pytest.raises(IncompleteSearchError) as caught:
        merge(problem, settings, shards)
    return str(caught.value)


@pytest.mark.parametrize("lost", [[0], [3], [6], [1, 2, 5]])
def test_missing_shards_are_named(make_problem, lost):
    problem = make_problem()
    text = refusal(problem, [shard for shard in division(problem, 7) if shard.shard_index not in lost])
    named = ", ".join(f"{index:04d}-of-0007" for index in lost)
    assert f"shards are missing: {named}." in text


def test_shards_of_two_divisions_are_refused_even_where_they_tile(make_problem):
    problem = make_problem()
    text = refusal(problem, [*division(problem, 8)[4:], division(problem, 2)[0]])
    assert text == "there are shards of searches in 2 and 8 shards: delete all but those of one division."


def test_a_shard_given_twice_is_named(make_problem):
    problem = make_problem()
    shards = division(problem, 4)
    text = refusal(problem, [*shards[:3], shards[2]])
    assert "shards are there twice: 0002-of-0004." in text
    assert "shards are missing: 0003-of-0004." in text


def test_shards_of_other_input_settings_or_version_are_named_all_at_once(make_problem):
    problem = make_problem()
    shards = division(problem, 4)
    shards[0] = search_shard(make_problem(seed=1), SETTINGS, 0, 4)
    shards[1] = search_shard(problem, replace(SETTINGS, n_folds=5, keep=3), 1, 4)
    shards[3] = replace(shards[3], version="0.0.0")
    text = refusal(problem, shards)
    assert "shard 0000-of-0004 was searched on another dataset" in text
    assert "shard 0001-of-0004 was searched with other settings (n_folds 5, not 4, keep 3, not 12)" in text
    assert "shard 0003-of-0004 was searched by rlhpc 0.0.0" in text
    assert "0002-of-0004" not in text


def test_many_missing_shards_are_counted(make_problem):
    problem = make_problem()
    assert "0020-of-0030 and 9 more." in refusal(problem, division(problem, 30)[:1])


def test_a_folder_is_read_in_the_order_of_names(make_problem, tmp_path):
    problem = make_problem()
    for shard in reversed(division(problem, 11)):
        write_shard(shard, tmp_path)
    assert [shard.shard_index for shard in read_shards(tmp_path)] == list(range(11))


def test_a_folder_with_renamed_and_damaged_shards_names_both(make_problem, tmp_path):
    problem = make_problem()
    for shard in division(problem, 3):
        write_shard(shard, tmp_path)
    (tmp_path / "0000-of-0003.npz").write_bytes(b"x")
    (tmp_path / "0001-of-0003.npz").rename(tmp_path / "0001-of-0004.npz")
    with pytest.raises(IncompleteSearchError) as caught:
        read_shards(tmp_path)
    assert "0000-of-0003.npz' cannot be read" in str(caught.value)
    assert "0001-of-0004.npz' holds the shard 0001-of-0003" in str(caught.value)


def test_shards_of_another_number_are_not_read_where_one_is_asked_for(make_problem, tmp_path):
    problem = make_problem()
    for shard in [*division(problem, 3), *division(problem, 13)]:
        write_shard(shard, tmp_path)
    assert [shard.n_shards for shard in read_shards(tmp_path, 3)] == [3, 3, 3]
    with pytest.raises(IncompleteSearchError, match=r"there is no shard of a search in 4 shards"):
        read_shards(tmp_path, 4)


def test_a_folder_without_shards_says_what_to_do(tmp_path):
    with pytest.raises(IncompleteSearchError, match=r"there is no shard .* --shard 0/N"):
        read_shards(tmp_path / "none")
