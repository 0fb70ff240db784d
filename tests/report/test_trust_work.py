"""Redone searches are taken from a folder where they are of the same search, and redone where not."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from rlhpc.report.seeds import SeedScores
from rlhpc.report.trust_work import choose_plan, complete, read_stored, trust_given
from rlhpc.results.coverage import KEEP_ALL
from rlhpc.search.trust import Kind, Plan, redo
from rlhpc.search.trust.redone_file import write_redone

PLAN = Plan(n_permutations=6, n_pairs=3, n_fold_seeds=2, n_resamples=2)


@pytest.fixture
def given(found):
    return trust_given(found.problem, found.settings, PLAN, KEEP_ALL)


@pytest.fixture
def with_seeds(found):
    scores = found.problem.scores[:, None] + np.random.default_rng(0).normal(0, 1, (6, 2, 5))
    return trust_given(found.problem, found.settings, PLAN, KEEP_ALL, SeedScores({}, (), scores, {}))


def test_permuted_columns_have_a_target_of_their_own(given):
    one = next(one for one in given.replicates if one.kind is Kind.PERMUTED)
    problem, _ = given.changed(one)
    assert sorted(problem.scores[:, 0]) == sorted(given.problem.scores[:, 0])
    assert not np.allclose(sorted(problem.y), sorted(given.problem.y))


def write(tmp_path, given):
    return write_redone(tmp_path / "redone.npz", given, 0, redo(given, given.replicates))


def test_what_is_stored_is_not_redone(given, tmp_path):
    whole = tuple(redo(given, given.replicates))
    known = read_stored(write_redone(tmp_path / "redone.npz", given, 0, whole)).found(given)
    assert complete(given, known, lambda missing: pytest.fail(f"redone: {missing}")) == whole


def test_seeds_that_come_later_are_redone_alone(given, with_seeds, tmp_path):
    known, asked = read_stored(write(tmp_path, given)).found(with_seeds), []
    whole = complete(with_seeds, known, lambda missing: asked.extend(missing) or redo(with_seeds, missing))
    assert {one.kind for one in asked} == {Kind.RESAMPLED}
    assert whole == tuple(redo(with_seeds, with_seeds.replicates))


def test_nothing_is_taken_from_a_file_of_anything_else(given, tmp_path):
    path = write(tmp_path, given)
    others = (
        replace(given, settings=replace(given.settings, n_folds=3)),
        replace(given, problem=replace(given.problem, y=given.problem.y + 1)),
    )
    assert [read_stored(path).found(other) for other in others] == [{}, {}]
    path.write_bytes(b"PK")
    for absent in (path, tmp_path / "absent.npz"):
        assert read_stored(absent).found(given) == {}
        assert read_stored(absent).may_be_replaced(given)


def test_what_a_cluster_has_done_is_not_lost_to_a_look(given, with_seeds, tmp_path):
    stored = read_stored(write(tmp_path, with_seeds))
    assert stored.may_be_replaced(with_seeds)
    assert not stored.may_be_replaced(given)  # which has no seeds drawn anew
    assert not stored.may_be_replaced(replace(given, plan=replace(PLAN, n_permutations=3)))
    assert stored.may_be_replaced(replace(given, settings=replace(given.settings, n_folds=3)))  # another search
    assert set(stored.found(given)) == set(given.replicates)


def test_plan_is_that_of_what_is_stored_unless_flags_say_otherwise(given, found, tmp_path):
    problem, settings = found.problem, found.settings
    assert choose_plan(read_stored(tmp_path / "redone.npz"), problem, settings, {}) == Plan(n_permutations=5040)
    stored = read_stored(write(tmp_path, given))
    assert choose_plan(stored, problem, settings, {}) == PLAN
    assert choose_plan(stored, problem, settings, {"n_pairs": 9}) == replace(PLAN, n_pairs=9)
    assert choose_plan(stored, problem, replace(settings, n_folds=3), {}) == Plan(n_permutations=5040)


def test_what_another_plan_redoes_to_the_same_is_taken(given, tmp_path):
    stored = read_stored(write(tmp_path, given))
    more = replace(given, plan=replace(PLAN, n_permutations=50, n_pairs=4))
    known = stored.found(more)
    whole = {one.replicate: one for one in redo(more, more.replicates)}
    assert known == {replicate: whole[replicate] for replicate in known}  # to the bit
    assert Counter(one.kind for one in known) == {Kind.WITHOUT: 6, Kind.SHUFFLED: 6, Kind.PERMUTED: 6}
    other_seed = stored.found(replace(given, plan=replace(PLAN, seed=1)))
    assert {one.kind for one in other_seed} == {Kind.WITHOUT}
    parts = stored.found(replace(given, plan=replace(PLAN, n_outer_folds=2)))
    assert Kind.WITHOUT not in {one.kind for one in parts}
