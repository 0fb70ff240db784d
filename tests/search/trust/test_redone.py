"""Searches redone: the same for any threads and shards, stored and read back."""

import numpy as np
import pytest

from rlhpc.errors import IncompleteSearchError
from rlhpc.search import Settings
from rlhpc.search.trust import Given, Kind, Plan, redo
from rlhpc.search.trust.redone_file import read_redone, read_shares, share, stored_shares, write_redone, write_share

PLAN = Plan(n_permutations=6, n_fold_seeds=3, n_pairs=5, n_resamples=4, n_subsamples=2)


@pytest.fixture
def given(make_problem, rescored):
    problem = make_problem(n_algos=11, n_envs=6, missing=0.1, seed=1)
    seeds = problem.scores[:, None, :] + np.random.default_rng(1).normal(0, 0.1, size=(11, 3, 6))
    return Given(problem, Settings(2, n_folds=4), PLAN, lambda scores: rescored(problem, scores), seeds)


def test_redoing_twice_and_on_threads_is_equal_to_the_bit(given):
    once = redo(given, given.replicates)
    assert {one.replicate.kind for one in once} == {*Kind}
    assert once == redo(given, given.replicates) == redo(given, given.replicates, n_threads=3)


def test_progress_counts_every_search(given):
    done = []
    redo(given, given.replicates, report=done.append)
    assert sum(done) == len(given.replicates) * (15 + 6)


def test_a_failure_on_a_thread_ends_all(given):
    def broken(scores):
        raise RuntimeError("no scores")

    wrong = Given(given.problem, given.settings, given.plan, broken, given.seed_scores)
    with pytest.raises(RuntimeError, match="no scores"):
        redo(wrong, wrong.replicates, n_threads=2)


def test_shares_of_any_number_of_shards_join_to_the_whole(given, tmp_path):
    whole = tuple(redo(given, given.replicates))
    for n_shards in (1, 3, len(given.replicates) + 5):
        folder = tmp_path / str(n_shards)
        for index in range(n_shards):
            write_share(folder, given, index, n_shards, redo(given, share(given, index, n_shards)[1]))
        assert read_shares(folder, given, n_shards) == whole
        assert stored_shares(folder, given, range(n_shards), n_shards) == list(range(n_shards))


def test_file_gives_back_what_was_written_and_the_same_bytes(given, tmp_path):
    whole = redo(given, given.replicates)
    path = write_redone(tmp_path / "redone.npz", given, 0, whole)
    assert list(read_redone(path).redone) == whole
    assert read_redone(path).origin.plan == PLAN
    assert path.read_bytes() == write_redone(tmp_path / "again.npz", given, 0, whole).read_bytes()


def test_searches_without_a_searchable_subset_are_stored_too(make_problem, tmp_path):
    problem = make_problem(n_algos=5, n_envs=2)
    X = problem.X.copy()
    X[0, 0] = X[1, 1] = np.nan
    given = Given(type(problem)(**{**vars(problem), "X": X}), Settings(2), Plan(n_permutations=2, n_pairs=0))
    whole = redo(given, given.replicates)
    found = read_redone(write_redone(tmp_path / "redone.npz", given, 0, whole)).redone
    assert [one.best.subset for one in found] == [one.best.subset for one in whole]
    assert any(one.best.subset == () for one in found)
    assert repr(list(found)) == repr(whole)


def test_every_missing_damaged_or_foreign_share_is_told(given, make_problem, tmp_path):
    for index in range(5):
        write_share(tmp_path, given, index, 5, redo(given, share(given, index, 5)[1]))
    (tmp_path / "0001-of-0005.npz").unlink()
    (tmp_path / "0002-of-0005.npz").write_bytes(b"PK")
    other = Given(given.problem, given.settings, Plan(n_permutations=6, seed=4, n_pairs=5))
    write_share(tmp_path, other, 3, 5, redo(other, share(other, 3, 5)[1]))
    (tmp_path / "0004-of-0005.npz").replace(tmp_path / "x.npz")
    (tmp_path / "0000-of-0005.npz").rename(tmp_path / "0004-of-0005.npz")
    with pytest.raises(IncompleteSearchError) as caught:
        read_shares(tmp_path, given, 5)
    said = str(caught.value)
    assert "missing: 0000-of-0005, 0001-of-0005." in said
    assert "0002-of-0005.npz' cannot be read" in said
    assert "0003-of-0005.npz' is of other scores of single seeds" in said
    assert "0004-of-0005.npz' holds another shard's share" in said
    with pytest.raises(IncompleteSearchError, match=r"redone searches of something else: 0003-of-0005 \(other scores of single"):
        stored_shares(tmp_path, given, range(5), 5)
    assert stored_shares(tmp_path, given, (0, 1, 2, 4), 5) == []


def test_what_environments_cost_does_not_count(given, tmp_path):
    whole = redo(given, given.replicates)
    write_share(tmp_path, given, 0, 1, whole)
    priced = Given(
        type(given.problem)(**{**vars(given.problem), "costs": np.arange(1.0, 7), "cost_unit": "hours"}),
        *(given.settings, given.plan, given.rescore, given.seed_scores),
    )
    assert stored_shares(tmp_path, priced, [0], 1) == [0]
    assert read_shares(tmp_path, priced, 1) == tuple(whole)


def test_every_flipped_byte_is_damage_or_does_no_harm(given, tmp_path):
    few = given.replicates[:6]
    path = write_redone(tmp_path / "redone.npz", given, 0, redo(given, few))
    sound, rng = path.read_bytes(), np.random.default_rng(0)
    read, refused = 0, 0
    for place in rng.choice(len(sound), 400, replace=False):
        flipped = bytearray(sound)
        flipped[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(flipped)
        try:
            read_redone(path)
            read += 1
        except IncompleteSearchError:
            refused += 1
    assert refused > read


def test_difference_names_the_rules_that_differ(given, tmp_path):
    other = Given(
        given.problem, Settings(2, n_folds=5), Plan(n_permutations=6, seed=4, n_pairs=5), given.rescore, given.seed_scores
    )
    write_share(tmp_path, other, 0, 1, redo(other, share(other, 0, 1)[1]))
    with pytest.raises(IncompleteSearchError, match=r"n_folds 5, not 4.*seed 4, not 0"):
        read_shares(tmp_path, given, 1)
