"""Early scores, from learning curves as trainings write them."""

import csv

import pytest

from rlhpc.results.early import early_scores, write_early


def curve(store, result, episodes):
    lines = ["timesteps,episode_score,episode_length", *(f"{ended},{score},10" for ended, score in episodes)]
    (store.folder(result.training) / "learning_curve.csv").write_text("\n".join(lines) + "\n")


def test_score_is_the_mean_of_the_last_tenth_of_the_steps(store, put):
    result = put("Pong", "ppo", 1, 5.0)
    curve(store, result, [(10 * i, float(i)) for i in range(1, 101)])  # an episode every 10 steps
    early = early_scores([result], store, (400, 800))
    assert early.problems == ()
    first, second = early.rows
    assert (first["env_id"], first["algo"], first["seed"], first["total_timesteps"]) == ("Pong@400", "ppo", 1, 400)
    assert (first["score"], first["n_episodes"]) == (pytest.approx(sum(range(31, 41)) / 10), 10)  # few: the last ten
    curve(store, result, [(i, float(i)) for i in range(1, 1001)])
    dense = early_scores([result], store, (400,)).rows[0]
    assert (dense["score"], dense["n_episodes"]) == (pytest.approx(sum(range(361, 401)) / 40), 40)
    assert first["train_seconds"] == pytest.approx(12.5 * 0.4)
    assert second["train_seconds"] == pytest.approx(12.5 * 0.8)


def test_trainings_that_ended_by_then_have_no_early_score(store, put):
    result = put("Pong", "ppo", 1, 5.0)
    curve(store, result, [(10, 1.0)])
    longer = put("Pong", "ppo", 2, 5.0, total_timesteps=1000)
    curve(store, longer, [(10, 1.0)])
    early = early_scores([result, longer], store, (1000, 2000))
    assert early.rows == ()
    assert early.problems == tuple(
        f"no training went on after {at} steps, so none has an early score there." for at in (1000, 2000)
    )


def test_the_random_agent_which_has_no_curve_is_no_problem(store, put):
    assert early_scores([put("Pong", "random", 1, 5.0, total_timesteps=0)], store, ()).problems == ()


def test_what_has_no_early_score_is_told(store, put):
    late, none, broken = (put("Pong", "ppo", seed, 5.0) for seed in (1, 2, 3))
    curve(store, late, [(600, 1.0)])
    curve(store, broken, [(100, "high")])
    early = early_scores([late, none, broken], store, (500,))
    assert early.rows == ()
    assert "ppo/1 after 500 steps: no episode had ended by then" in early.problems[0]
    assert "ppo/2: it has no learning curve; perhaps no episode ever ended." in early.problems[1]
    assert "could not convert string 'high'" in early.problems[2]


@pytest.mark.parametrize("text", ["steps,score\n10,1.0\n", "timesteps,episode_score,episode_length\n10,1.0,1\n20,,1\n"])
def test_a_foreign_or_damaged_curve_keeps_no_other_training_from_its_early_score(store, put, text):
    damaged, sound = (put("Pong", "ppo", seed, 5.0) for seed in (1, 2))
    (store.folder(damaged.training) / "learning_curve.csv").write_text(text)
    curve(store, sound, [(10, 1.0), (20, 3.0)])
    early = early_scores([damaged, sound], store, (500,))
    assert [(row["seed"], row["score"]) for row in early.rows] == [(2, 2.0)]
    (problem,) = early.problems
    assert problem.startswith("no early score of bench/Pong/ppo/1: the learning curve '")


def test_table_has_a_row_for_each_training_and_budget(store, put, tmp_path):
    results = [put("dm_control/walker", "ppo", seed, 5.0) for seed in (1, 2)]
    for result in results:
        curve(store, result, [(50, 2.0), (150, 4.0)])
    path = write_early(early_scores(results, store, (100, 200)), tmp_path / "early.csv")
    with path.open() as stream:
        rows = [*csv.DictReader(stream)]
    assert [(row["env_id"], row["seed"], row["score"]) for row in rows] == [
        ("dm_control/walker@100", "1", "2.0"),
        ("dm_control/walker@200", "1", "3.0"),
        ("dm_control/walker@100", "2", "2.0"),
        ("dm_control/walker@200", "2", "3.0"),
    ]
