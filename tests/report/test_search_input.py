"""From a table of scores to the problem that is searched."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rlhpc.errors import DatasetError
from rlhpc.report.search_input import rescore, search_input
from rlhpc.results.coverage import KEEP_ALL, CoverageRules
from rlhpc.results.dataset import Dataset, read_table

TABLE = Path("table.csv")
THESIS = Path(__file__).parents[3] / "shared" / "data" / "thesis_scores.csv"


@pytest.fixture
def dataset():
    scores = np.array([[[50.0, 10.0], [70.0, np.nan]], [[np.nan] * 2] * 2, [[0.0, 109.0], [0.0, 109.0]]])
    return Dataset(
        scores=scores,
        algos=("ppo", "absent", "dqn"),
        env_ids=("Pong", "Hopper"),
        benchmarks=("atari", "dmc"),
        action_spaces=("Discrete", "Continuous"),
        random_scores=np.array([0.0, 10.0]),
        reference_scores=np.array([100.0, 110.0]),
        random_sources=("own", "file"),
        reference_sources=("file", "own"),
    )


def test_the_problem_holds_means_over_seeds_and_their_logarithms(dataset):
    given = search_input(TABLE, dataset)
    problem = given.problem
    np.testing.assert_array_equal(problem.scores, [[60.0, 10.0], [0.0, 109.0]])
    np.testing.assert_allclose(problem.X, np.log10([[61.0, 1.0], [1.0, 100.0]]))
    np.testing.assert_allclose(problem.y, np.log10([31.0, 50.5]))
    assert (problem.env_ids, problem.benchmarks) == (dataset.env_ids, dataset.benchmarks)
    assert (given.path, given.dataset) == (TABLE, dataset)


def test_algorithms_without_a_score_are_no_part_of_the_problem(dataset):
    given = search_input(TABLE, dataset)
    assert (given.problem.algos, given.left_out) == (("ppo", "dqn"), ("absent",))


def test_every_name_that_holds_the_separator_is_refused(dataset):
    with pytest.raises(DatasetError, match="'; ' separates names, and a; b, c; d contain it"):
        search_input(TABLE, replace(dataset, env_ids=("a; b", "c; d")))
    assert search_input(TABLE, replace(dataset, env_ids=("a;b", "c ;d"))).problem.env_ids[0] == "a;b"


def test_algorithms_that_all_score_the_same_leave_nothing_to_predict(dataset):
    scores = np.broadcast_to([[[50.0, 60.0]]], (3, 2, 2))
    with pytest.raises(DatasetError, match=r"all 3 algorithms have the same benchmark score, 50: there is nothing to predict"):
        search_input(TABLE, replace(dataset, scores=scores))


@pytest.fixture
def blocky():
    """Ten algorithms on two benchmarks of three environments; three lack the second one, one nearly all, and one a score."""
    rng = np.random.default_rng(2)
    scores = 10 ** rng.normal(1.3, 0.3, (10, 1, 1)) * 10 ** rng.normal(0, 0.2, (10, 1, 6)) * np.repeat([1, 0.4], 3)
    scores[:3, :, 3:] = np.nan
    scores[3, :, 1:] = np.nan
    scores[4, :, 0] = np.nan
    return Dataset(
        scores=scores,
        algos=tuple(f"algo{row}" for row in range(10)),
        env_ids=tuple(f"Env {column}" for column in range(6)),
        benchmarks=("easy",) * 3 + ("hard",) * 3,
        action_spaces=("Discrete",) * 6,
        random_scores=np.linspace(-3, 1, 6),
        reference_scores=np.linspace(80, 120, 6),
        random_sources=("file",) * 6,
        reference_sources=("file",) * 6,
    )


EVERY = CoverageRules(0.5, 0.7, "difference")


def test_rules_say_what_is_left_of_a_table_and_nothing_is_left_out_unnamed(blocky):
    given = search_input(TABLE, blocky, rules=EVERY)
    assert [one.name for one in given.uncovered] == ["algo3"]
    assert {*given.problem.algos, *(one.name for one in given.uncovered), *given.left_out} == {*blocky.algos}
    assert [env.name for env in given.unchoosable] == ["Env 3", "Env 4", "Env 5"]
    assert given.problem.env_ids == blocky.env_ids
    assert given.dataset is blocky
    assert given.rules == EVERY
    assert given.corrections.references == (4, 5, 6, 7, 8)
    plain = search_input(TABLE, blocky, rules=CoverageRules(0.5)).problem
    np.testing.assert_allclose(given.problem.y - plain.y, given.corrections.values)
    assert np.flatnonzero(given.corrections.values).tolist() == [0, 1, 2, 3]


def test_by_default_a_table_with_gaps_is_what_it_was(blocky):
    plain, kept = search_input(TABLE, blocky), search_input(TABLE, blocky, (), KEEP_ALL)
    for given in (plain, kept):
        assert (given.uncovered, given.unchoosable, given.corrections.references) == ((), (), ())
        assert given.problem.algos == blocky.algos
    easy = np.log10(1 + 100 * (blocky.scores[0, 0, :3] - blocky.random_scores[:3]) / np.subtract([80, 88, 96], [-3, -2.2, -1.4]))
    assert plain.problem.y[0] == pytest.approx(np.median(easy))


def test_complete_tables_are_the_same_problem_to_the_bit_by_every_rule():
    if not THESIS.exists():
        pytest.skip(f"absent: {THESIS.name} beside this repository")
    thesis = read_table(THESIS)
    plain, ruled = (search_input(THESIS, thesis, rules=rules).problem for rules in (KEEP_ALL, CoverageRules(1, 1, "difference")))
    for name in ("X", "y", "scores"):
        assert getattr(plain, name).tobytes() == getattr(ruled, name).tobytes()


@pytest.mark.parametrize("rules", [KEEP_ALL, EVERY])
def test_the_same_scores_give_the_same_problem_to_the_bit(blocky, rules):
    problem = search_input(TABLE, blocky, rules=rules).problem
    again = rescore(problem, problem.scores, rules)
    for name in ("X", "y", "scores"):
        assert getattr(again, name).tobytes() == getattr(problem, name).tobytes()


@pytest.mark.parametrize("rules", [CoverageRules(0.5), EVERY])
def test_changed_scores_give_the_problem_of_a_table_that_has_them(blocky, rules):
    problem = search_input(TABLE, blocky, rules=rules).problem
    rng = np.random.default_rng(7)
    for _ in range(20):
        scores = problem.scores.copy()
        for column in scores.T:
            column[~np.isnan(column)] = rng.permutation(column[~np.isnan(column)])
        again = rescore(problem, scores, rules)
        expected = search_input(TABLE, replace(blocky, scores=scores[:, np.newaxis], algos=problem.algos), rules=rules).problem
        for name in ("X", "y", "scores"):
            assert getattr(again, name).tobytes() == getattr(expected, name).tobytes()
        assert not np.array_equal(again.y, problem.y)
    assert again.algos == problem.algos


def test_scores_that_leave_no_target_are_refused(blocky):
    problem = search_input(TABLE, blocky).problem
    scores = problem.scores.copy()
    scores[[2, 5]] = np.nan
    with pytest.raises(DatasetError, match="no score is left of algo2, algo5"):
        rescore(problem, scores, KEEP_ALL)
    scores = problem.scores.copy()
    scores[5:8, 0] = np.nan
    with pytest.raises(DatasetError, match="at least 3 algorithms with every score, and 2 of 10 have"):
        rescore(problem, scores, EVERY)


def test_rules_that_leave_too_little_are_refused(blocky):
    with pytest.raises(DatasetError, match=r"--min-env-coverage 0\.99 leaves no environment to choose"):
        search_input(TABLE, blocky, rules=CoverageRules(min_env=0.99))
