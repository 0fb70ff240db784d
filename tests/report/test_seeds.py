"""Intervals over seeds: by hand, with the rows that do not belong left out and said so."""

from dataclasses import replace

import numpy as np
import pytest

from rlhpc.errors import DatasetError
from rlhpc.report.seeds import read_seeds, safe_link
from rlhpc.search import Problem

HEADER = "benchmark,env_id,algo,seed,score,total_timesteps,wandb_url"
ROWS = [
    "a,E1,ppo,3,30,100,https://wandb.ai/me/p/runs/3",
    "a,E1,ppo,1,10,100,",
    "a,E1,ppo,2,20,100,",
    "a,E1,a2c,1,50,100,",
    "b,E2,ppo,1,7,100,",
    "b,E2,ppo,2,8,999,",
]


@pytest.fixture
def problem():
    scores = np.array([[20.0, np.nan], [50.0, 3.0]])
    return Problem(
        X=np.zeros((2, 2)),
        y=np.zeros(2),
        algos=("ppo", "a2c"),
        env_ids=("E1", "E2"),
        benchmarks=("a", "b"),
        action_spaces=("Discrete",) * 2,
        scores=scores,
        random_scores=np.array([10.0, 0.0]),
        reference_scores=np.array([60.0, 10.0]),
    )


@pytest.fixture
def read(tmp_path, problem):
    def read(*rows, header=HEADER, problem=problem):
        (tmp_path / "scores.csv").write_text("\n".join([header, *rows]))
        return read_seeds(tmp_path / "scores.csv", problem)

    return read


def test_interval_is_students_t_of_normalised_scores(read):
    interval = read(*ROWS).intervals["E1", "ppo"]
    assert interval.mean == pytest.approx(20.0)
    # standard deviation 20 (of 0, 20, 40), over the root of 3 seeds, times the 0.975 quantile of t with 2 degrees of freedom
    assert interval.half_width == pytest.approx(4.302652729911275 * 20 / np.sqrt(3))
    assert interval.seeds == ((1, ""), (2, ""), (3, "https://wandb.ai/me/p/runs/3"))


def test_one_seed_has_no_interval(read):
    interval = read(*ROWS).intervals["E1", "a2c"]
    assert (interval.mean, interval.half_width) == (pytest.approx(80.0), None)


def test_reference_below_random_keeps_intervals_positive(read, problem):
    turned = replace(problem, random_scores=np.array([60.0, 0.0]), reference_scores=np.array([10.0, 10.0]))
    assert read(*ROWS, problem=turned).intervals["E1", "ppo"].half_width > 0


def test_seeds_of_different_budgets_are_not_averaged(read):
    scores = read(*ROWS)
    interval = scores.intervals["E2", "ppo"]
    assert np.isnan(interval.mean)
    assert interval.half_width is None
    assert any("ppo on E2 is not averaged: its trainings differ in total_timesteps" in note for note in scores.notes)


def test_environments_whose_algorithms_have_different_budgets_are_named(read):
    rows = ["a,E1,ppo,1,10,100,", "a,E1,a2c,1,9,200,", "b,E2,ppo,1,9,100,", "b,E2,ppo_converged,1,9,900,"]
    assert read(*rows).unequal == ("E1: 100 (ppo) and 200 (a2c)",)
    assert read(*ROWS).unequal == ()


def test_environments_whose_reference_had_not_converged_are_named(read):
    rows = ["a,E1,ppo,1,10,False", "a,E1,ppo_converged,1,9,True", "a,E1,ppo_converged,2,9,False", "b,E2,ppo_converged,1,9,True"]
    header = "benchmark,env_id,algo,seed,score,converged"
    assert read(*rows, "b,Other,ppo_converged,1,9,False", header=header).unconverged == ("E1",)
    assert read(*rows[:2], header=header).unconverged == ()
    assert read(*rows, "x,E2,ppo_converged,2,9,False", header=header).unconverged == ("E1",)  # of another benchmark
    mixed = [f"a,E1,ppo_converged,{seed},9,False,{steps}" for seed, steps in ((1, 100), (2, 200))]
    assert read("a,E1,ppo,1,10,,5", *mixed, header=f"{header},total_timesteps").unconverged == ()  # they are no reference
    assert read(*ROWS).unconverged == ()


def test_rows_that_were_not_searched_are_left_out_and_counted(read):
    scores = read(*ROWS, "a,E1,random,1,5,0,", "a,E9,ppo,1,5,100,", "other,E1,ppo,1,5,100,", "a,E1,a2c,2,,100,")
    assert set(scores.intervals) == {("E1", "ppo"), ("E1", "a2c"), ("E2", "ppo")}
    assert scores.notes[0].startswith("4 of 10 rows of scores.csv")


def test_means_of_other_trainings_than_searched_are_reported(read):
    assert not any("were searched (" in note for note in read(*ROWS).notes)
    changed = read(*ROWS[1:])
    assert any("1 of these means are not those that were searched (ppo on E1)" in note for note in changed.notes)


def test_blank_benchmark_is_that_of_the_search(read):
    scores = read("E1,ppo,1,20", header="env_id,algo,seed,score")
    assert scores.intervals["E1", "ppo"].mean == pytest.approx(20.0)
    assert scores.notes == ()


def test_repeated_training_is_an_error(read):
    with pytest.raises(DatasetError, match=r"seed 1 of 'ppo' on 'E1' \(a\) has 2 rows"):
        read(*ROWS, ROWS[1])


def test_table_without_seeds_is_refused_by_its_columns(read):
    with pytest.raises(DatasetError, match=r"lacks the columns algo, seed, score.*collect_scores"):
        read("E1,a,20,30", header="env_id,Benchmark,ppo,a2c")


@pytest.mark.parametrize(
    ("url", "link"),
    [
        ("https://wandb.ai/x", "https://wandb.ai/x"),
        ("http://localhost:8080/x", "http://localhost:8080/x"),
        ("javascript:alert(1)", ""),
        (" JavaScript:alert(1)", ""),
        ("data:text/html,x", ""),
        ("file:///etc/passwd", ""),
        ("http://[", ""),
        ("", ""),
    ],
)
def test_only_web_links_are_kept(url, link):
    assert safe_link(url) == link


def test_the_scores_of_another_grid_are_refused(read):
    with pytest.raises(DatasetError, match="of another grid"):
        read("a,E9,ppo,1,10,100,")


def test_scores_budgets_and_the_number_of_seeds_are_those_that_were_searched(read):
    seeds = read(*ROWS)
    assert seeds.scores.shape == (2, 3, 2)
    assert seeds.scores[0, :, 0].tolist() == [10, 20, 30]
    assert np.isnan(seeds.scores[0, :, 1]).all()  # budgets differ
    assert seeds.budgets == {"E1": 100}
    assert seeds.n_seeds == 2


def test_budgets_of_other_trainings_than_searched_are_not_taken(read):
    assert read("a,E1,ppo,1,11,100,").budgets == {}


def test_a_table_without_a_usable_score_has_no_number_of_seeds(read):
    assert read("b,E2,ppo,1,7,100,", "b,E2,ppo,2,8,999,").n_seeds is None
    assert read("a,E1,ppo,1,,100,").n_seeds is None
