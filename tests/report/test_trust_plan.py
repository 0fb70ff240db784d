"""Flags of the trust report."""

import argparse

import pytest

from rlhpc.errors import InputError
from rlhpc.report import trust_plan
from rlhpc.search.trust import Plan


def parsed(*words):
    built = argparse.ArgumentParser()
    trust_plan.add_flags(built)
    return built.parse_args(words)


def test_flags_make_a_plan_and_the_rest_is_by_default(found):
    args = parsed("--permutations", "20", "--trust-seed", "3", "--outer-folds", "2")
    plan = trust_plan.read_plan(args, found.problem, found.settings)
    assert plan == Plan(n_outer_folds=2, n_permutations=20, seed=3)
    assert trust_plan.read_plan(parsed(), found.problem, found.settings) == Plan(n_permutations=5040)


def test_words_make_the_same_plan(found):
    problem, settings = found.problem, found.settings
    plan = Plan(n_permutations=70, n_pairs=0, n_subsamples=4, seed=9, n_outer_folds=2)
    args = parsed(*trust_plan.words(problem, settings, plan))
    assert trust_plan.read_plan(args, problem, settings) == plan
    assert trust_plan.words(problem, settings, trust_plan.read_plan(parsed(), problem, settings)) == []


def test_every_wrong_value_is_told(found):
    with pytest.raises(InputError) as caught:
        trust_plan.read_plan(parsed("--permutations", "-1", "--resamples", "-2"), found.problem, found.settings)
    assert len(caught.value.faults) == 2


def test_too_long_says_how_long_and_what_to_do():
    assert trust_plan.too_long(3600, 1.0, ["table.csv"]) == ""
    said = trust_plan.too_long(9000, 1.0, ["a table.csv", "--subset-size", "7", "--trust"])
    assert "about 2.5 hours" in said
    assert "sbatch slurm/subset_search.sh 'a table.csv' --subset-size 7 --trust." in said
    assert "--max-hours 3." in said


@pytest.mark.parametrize("n", [1, 19])
def test_too_few_permutations_to_tell_chance_are_refused(n):
    with pytest.raises(InputError, match=f"--permutations {n}: p would be"):
        trust_plan.given_values(parsed("--permutations", str(n)))
    assert trust_plan.given_values(parsed("--permutations", "0")) == {"n_permutations": 0}
