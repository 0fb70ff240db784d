"""What became of missing scores: by flags, and as data."""

import argparse
import json
from pathlib import Path

import numpy as np
import pytest

from rlhpc.errors import InputError
from rlhpc.report import search_coverage
from rlhpc.report.search_input import search_input
from rlhpc.results.coverage import KEEP_ALL, CoverageRules
from rlhpc.results.dataset import Dataset
from rlhpc.search import Settings

TABLE = Path("table.csv")


@pytest.fixture
def dataset():
    """Six algorithms on two benchmarks; two lack the second one, one all but a score."""
    scores = np.array([[50.0, 40, 20, 10], [30, 35, 10, 14], [60, 70, 30, 25], [20, 40, 10, 5], [33, 44, 11, 22], [9, 8, 7, 6]])
    scores[:2, 2:] = np.nan
    scores[5, 1:] = np.nan
    return Dataset(
        scores=scores[:, np.newaxis],
        algos=("a2c", "ppo", "dqn", "sac", "td3", "few"),
        env_ids=("Pong", "Breakout", "Hopper", "Walker"),
        benchmarks=("atari", "atari", "dmc", "dmc"),
        action_spaces=("Discrete",) * 4,
        random_scores=np.zeros(4),
        reference_scores=np.full(4, 100.0),
        random_sources=("file",) * 4,
        reference_sources=("file",) * 4,
    )


EVERY = CoverageRules(0.5, 0.7, "difference")


def parsed(*words):
    built = argparse.ArgumentParser()
    search_coverage.add_flags(built)
    return built.parse_args(words)


@pytest.mark.parametrize("rules", [KEEP_ALL, EVERY, CoverageRules(min_env=1 / 3)])
def test_the_flags_of_rules_make_them_again(rules):
    assert search_coverage.read_flags(parsed(*search_coverage.words(rules))) == rules


def test_flags_as_by_default_are_left_out():
    assert search_coverage.words(KEEP_ALL) == []
    assert search_coverage.words(EVERY) == [
        *("--min-algo-coverage", "0.5", "--min-env-coverage", "0.7", "--target-correction", "difference")
    ]


def test_every_rule_has_a_flag():
    assert search_coverage.FLAGS.keys() == CoverageRules.__dataclass_fields__.keys()


def test_shares_that_are_none_are_refused():
    with pytest.raises(InputError, match=r"--min-env-coverage -1\.0 is no share"):
        search_coverage.read_flags(parsed("--min-env-coverage", "-1"))


def test_environments_that_few_algorithms_have_are_in_no_subset(dataset):
    given = search_input(TABLE, dataset, rules=EVERY)
    chosen = search_coverage.choose_covered(Settings(1, excluded=("Pong",)), given)
    assert chosen == Settings(1, excluded=("Hopper", "Pong", "Walker"))
    assert search_coverage.choose_covered(Settings(2), search_input(TABLE, dataset)) == Settings(2)


def test_every_forced_environment_that_few_algorithms_have_is_named(dataset):
    given = search_input(TABLE, dataset, rules=EVERY)
    with pytest.raises(InputError) as caught:
        search_coverage.choose_covered(Settings(3, forced=("Hopper", "Pong", "Walker")), given)
    why = "is forced, and --min-env-coverage leaves it out: scores of 0.6 of the algorithms left, less than"
    assert caught.value.faults == tuple(f"'{env_id}' {why} --min-env-coverage 0.7." for env_id in ("Hopper", "Walker"))


def test_a_record_holds_all_that_was_left_out_and_corrected_and_is_json(dataset):
    given = search_input(TABLE, dataset, rules=EVERY)
    record = json.loads(json.dumps(search_coverage.coverage_record(given), allow_nan=False))
    assert (record["n_algos"], record["n_complete"]) == (5, 3)
    assert [(one["name"], one["share"]) for one in record["algos"]] == [("few", 0.25)]
    assert [(one["name"], one["share"]) for one in record["envs"]] == [("Hopper", 0.6), ("Walker", 0.6)]
    assert record["references"] == ["dqn", "sac", "td3"]
    assert record["blocks"] == [{"algos": ["a2c", "ppo"], "lacking": ["dmc"], "having": ["atari"], "share": 0.5}]
    corrections = [tuple(one.values()) for one in record["corrections"]]
    made = given.corrections
    assert corrections == [
        (algo, made.values[row], made.standard_errors[row], made.spreads[row]) for row, algo in enumerate(["a2c", "ppo"])
    ]
    assert search_coverage.recorded_rules(record) == EVERY


def test_without_a_correction_a_record_has_none(dataset):
    record = search_coverage.coverage_record(search_input(TABLE, dataset))
    assert (record["corrections"], record["references"], record["algos"], record["envs"]) == ([], [], [], [])
    assert (record["n_algos"], record["n_complete"]) == (6, 3)
    assert [block["algos"] for block in record["blocks"]] == [("a2c", "ppo", "few")]
    assert search_coverage.recorded_rules(record) == KEEP_ALL
