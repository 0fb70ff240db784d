"""Environments stopped early as candidates."""

import numpy as np
import pytest

from rlhpc.errors import InputError
from rlhpc.report.search_early import excluded_with, split_early, with_early
from rlhpc.report.search_input import rescore
from rlhpc.results.coverage import KEEP_ALL
from rlhpc.search import load, save

ENV = "dm_control/cartpole-swingup_sparse-v0"


def table(path, *rows):
    path.write_text("\n".join(["env_id,algo,seed,score", *rows]))
    return path


def test_early_candidates_are_normalised_as_their_environment_and_leave_the_target_alone(found, tmp_path):
    problem = found.problem
    rows = [f"{ENV}@{at},{algo},{seed},{10 * seed + at}" for at in (50, 9) for algo in problem.algos for seed in (1, 2)]
    early = with_early(problem, table(tmp_path / "early.csv", *rows, f"{ENV}@50,random,1,0"))
    assert early.env_ids == (*problem.env_ids, f"{ENV}@9", f"{ENV}@50")
    column = problem.env_ids.index(ENV)
    assert early.full.tolist() == [0, 1, 2, 3, 4, column, column]
    assert early.in_target.tolist() == [True] * 5 + [False] * 2
    assert np.array_equal(early.y, problem.y)
    assert early.scores[:, 5].tolist() == [15 + 9] * 6
    normalised = 100 * (24 - problem.random_scores[column]) / (problem.reference_scores[column] - problem.random_scores[column])
    assert early.X[:, 5] == pytest.approx([np.log10(1 + normalised)] * 6)
    assert (early.benchmarks[5], early.action_spaces[5]) == (problem.benchmarks[column], problem.action_spaces[column])


def test_algorithms_without_an_early_score_lack_it(found, tmp_path):
    early = with_early(found.problem, table(tmp_path / "early.csv", f"Pong@10,{found.problem.algos[2]},1,5"))
    assert np.isnan(early.X[:, 5]).tolist() == [True, True, False, True, True, True]


def test_changed_scores_change_the_target_by_full_budgets_alone(found, tmp_path):
    rows = [f"Pong@10,{algo},1,{place}" for place, algo in enumerate(found.problem.algos)]
    early = with_early(found.problem, table(tmp_path / "early.csv", *rows))
    scores = early.scores.copy()
    scores[:, 5] += 50
    changed = rescore(early, scores, KEEP_ALL)
    assert np.array_equal(changed.y, rescore(early, early.scores, KEEP_ALL).y)
    assert not np.array_equal(changed.X[:, 5], early.X[:, 5])


def test_file_gives_back_what_was_written(found, tmp_path):
    early = with_early(found.problem, table(tmp_path / "early.csv", f"Pong@10,{found.problem.algos[2]},1,5"))
    back = load(save(early, tmp_path / "problem.npz"))
    assert (back.env_ids, back.cost_unit, back.full.tolist()) == (early.env_ids, "", early.full.tolist())


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("Pong,ppo,1,5", "'Pong' is no environment at a number of steps"),
        ("Pong@many,ppo,1,5", "is no environment at a number of steps"),
        ("Pon@10,ppo,1,5", "the table has no environment 'Pon'. Did you mean 'Pong'?"),
        ("Pong@10,ppo,1,high", "'high' is not a number"),
        ("Pong@10,ppo,1,1e308", "too extreme to be normalised"),
        ("Pong@10,ppo,1,5\nPong@10,ppo,1,6", "stands in line 2 already"),
        ("Pong@10,nobody,1,5", "holds no score of an algorithm that is searched"),
    ],
)
def test_wrong_rows_are_refused(found, tmp_path, row, said):
    with pytest.raises(InputError) as caught:
        with_early(found.problem, table(tmp_path / "early.csv", row))
    assert said in str(caught.value)


def test_a_table_of_another_kind_is_refused_by_its_columns(found, tmp_path):
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="lacks the columns env_id, algo, seed, score; it has a, b"):
        with_early(found.problem, tmp_path / "x.csv")


def test_what_is_excluded_is_excluded_early_too(found, tmp_path):
    early = with_early(found.problem, table(tmp_path / "early.csv", f"Pong@10,{found.problem.algos[2]},1,5"))
    assert excluded_with(early, ("Pong",)) == ("Pong", "Pong", "Pong@10")
    assert excluded_with(early, (ENV,)) == (ENV, ENV)


def test_names_are_split_at_the_last_at():
    assert split_early("a@b@12") == ("a@b", 12)
    assert [split_early(name) for name in ("Pong", "@5", "Pong@", "Pong@5k")] == [None] * 4
