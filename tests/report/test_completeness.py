import os

import pytest

from rlhpc.records import Result, Training
from rlhpc.report.completeness import by_state, read_completeness
from rlhpc.results.store import Store


def training(env_id, algo, seed):
    return Training("b", env_id, algo, seed, "Discrete", 10, {"class": "PPO"})


TRAININGS = [training(env_id, algo, seed) for env_id in ("dm_control/x-v0", "Y-v0") for algo in ("a2c", "ppo") for seed in (1, 2)]


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path)
    store.write_grid(TRAININGS)
    return store


def table(store, trainings):
    path = store.root / "scores.csv"
    rows = [f"{each.benchmark},{each.env_id},{each.algo},{each.seed},1.0" for each in trainings]
    path.write_text("\n".join(["benchmark,env_id,algo,seed,score", *rows]))
    return path


def test_where_every_training_has_a_score_the_grid_is_complete(store):
    found = read_completeness(table(store, [*TRAININGS, training("Z-v0", "other", 9)]))
    assert (found.n_launched, found.lacking) == (8, ())
    assert found.launched == found.scored == {(env_id, algo): 2 for env_id in found.env_ids for algo in found.algos}
    assert (found.env_ids, found.algos) == (("Y-v0", "dm_control/x-v0"), ("a2c", "ppo"))


def test_each_training_without_a_score_is_named_with_how_far_it_is(store):
    store.write(Result(TRAININGS[1], 1.0, (1.0,), 10, 1.0, 1.0, "", ""))
    store.write_attempts(TRAININGS[2], [{"attempt": 1, "reason": "ValueError: boom"}])
    found = read_completeness(table(store, [TRAININGS[0], *TRAININGS[4:]]))
    assert dict(found.lacking) == {
        "b/dm_control/x-v0/a2c/2": "not collected: its result came later, or is damaged",
        "b/dm_control/x-v0/ppo/1": "failed: ValueError: boom (1 attempt)",
        "b/dm_control/x-v0/ppo/2": "never begun",
    }
    assert found.scored.get(("dm_control/x-v0", "ppo"), 0) == 0
    assert found.scored["dm_control/x-v0", "a2c"] == 1
    assert by_state(found.lacking) == {"not collected": 1, "failed": 1, "never begun": 1}


def test_a_training_whose_supervisor_died_elsewhere_is_no_longer_called_running(store):
    folder = store.folder(TRAININGS[0])
    folder.mkdir(parents=True)
    (folder / "checkpoint-64").touch()
    (folder / "lease.json").write_text('{"host": "a-node-that-died"}')
    assert by_state(read_completeness(table(store, TRAININGS[1:])).lacking) == {"running": 1}
    os.utime(folder / "lease.json", (0, 0))
    assert by_state(read_completeness(table(store, TRAININGS[1:])).lacking) == {"stopped": 1}


@pytest.mark.parametrize("benchmark", ["benchmark,", ""])
def test_a_table_that_says_no_benchmark_is_matched_by_the_rest(store, benchmark):
    path = store.root / "scores.csv"
    blank = benchmark and ","
    path.write_text(f"{benchmark}env_id,algo,seed,score\n{blank}Y-v0,ppo,1,1.0\n{blank}Y-v0,ppo,2,1.0\n")
    found = read_completeness(path)
    assert found.scored == {("Y-v0", "ppo"): 2}
    assert len(found.lacking) == len(TRAININGS) - 2


def test_the_same_environment_of_another_benchmark_counts_for_nothing(store):
    path = table(store, TRAININGS)
    path.write_text(path.read_text().replace("b,Y-v0", "c,Y-v0"))
    assert {name.split("/")[1] for name, _ in read_completeness(path).lacking} == {"Y-v0"}


def test_a_row_without_a_score_counts_for_nothing(store):
    path = table(store, TRAININGS)
    path.write_text(path.read_text().replace("Y-v0,ppo,1,1.0", "Y-v0,ppo,1,").replace("Y-v0,ppo,2,1.0", "Y-v0,ppo,2,NaN"))
    assert [name for name, _ in read_completeness(path).lacking] == ["b/Y-v0/ppo/1", "b/Y-v0/ppo/2"]


def test_a_table_that_lies_elsewhere_says_nothing_of_it(tmp_path):
    assert read_completeness(table(Store(tmp_path), TRAININGS)) is None


@pytest.mark.parametrize("text", ["[1, 2]", '["no name"]', "{"])
def test_where_the_record_of_launches_is_damaged_the_folders_of_trainings_count(store, text):
    store.write(Result(TRAININGS[0], 1.0, (1.0,), 10, 1.0, 1.0, "", ""))
    store.folder(TRAININGS[1]).mkdir(parents=True)
    store.grid.write_text(text)
    found = read_completeness(table(store, TRAININGS[:1]))
    assert (found.n_launched, [name for name, _ in found.lacking]) == (2, ["b/dm_control/x-v0/a2c/2"])
