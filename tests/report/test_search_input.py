"""From a table of scores to the problem that is searched."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rlhpc.errors import DatasetError
from rlhpc.report.search_input import search_input
from rlhpc.results.dataset import Dataset

TABLE = Path("table.csv")


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
