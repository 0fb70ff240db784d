"""What is said before and after a launch."""

from dataclasses import replace

import pytest

from rlhpc.records import Training
from rlhpc.results.ledger import Ledger
from rlhpc.results.store import Store
from rlhpc.training import launch_text
from rlhpc.training.grid import Grid
from rlhpc.training.outcome import Outcome
from rlhpc.training.plan import pack

PPO = Training("b", "X-v0", "ppo", 1, "Discrete", 1_000_000, {"class": "PPO"})
RANDOM = Training("b", "X-v0", "random", 1, "Discrete", 0, {"class": "Random"})
GRID = Grid((PPO, replace(PPO, seed=2), RANDOM), (("sac", "X-v0"), ("sac", "Y-v0")))


def facts(*to_train, cluster="local", stored=(), damaged=()):
    found = Ledger(tuple(stored), tuple(to_train), (), tuple(damaged))
    nodes = pack(found.to_train, n_gpus=2, trainings_per_gpu=3)
    return {"name": "mine", "results": "logs/mine", "cluster": cluster, **launch_text.facts_of(GRID, found, nodes)}


def test_facts_count_the_grid_what_is_stored_and_what_is_left():
    told = facts(PPO, stored=[RANDOM], damaged=[(GRID.trainings[1], "cut")])
    assert (told["n_trainings"], told["n_stored"], told["n_to_train"]) == (3, 1, 2)
    assert told["kinds"] == [
        {"benchmark": "b", "algo": "ppo", "total_timesteps": 1_000_000, "n": 2},
        {"benchmark": "b", "algo": "random", "total_timesteps": 0, "n": 1},
    ]
    assert told["incompatible"] == [{"algo": "sac", "env_id": "X-v0"}, {"algo": "sac", "env_id": "Y-v0"}]
    assert told["damaged"] == [{"training": "b/X-v0/ppo/2", "reason": "cut"}]
    assert told["n_array_elements"] == 1


def test_a_plan_for_this_machine_says_how_many_at_once():
    lines = launch_text.before(facts(PPO, stored=[RANDOM], damaged=[(GRID.trainings[1], "cut")])).splitlines()
    assert lines == [
        "3 trainings in the grid 'mine':",
        "     2  b            ppo              1,000,000 agent steps",
        "     1  b            random           no training",
        "Left out, because the algorithm cannot act in the environment's action space:",
        "  sac in 2: X-v0, Y-v0",
        "damaged result, to be trained again: cut",
        "1 are stored in logs/mine; 2 to train.",
        "On this machine, 6 at a time, the long ones first.",
    ]


def test_a_plan_for_slurm_says_what_it_costs():
    assert launch_text.before(facts(PPO, cluster="slurm")).splitlines()[-1] == (
        "1 array elements of 2 GPUs x 3 trainings; about 2 GPU-hours, the longest element 1 hours "
        "(priors of an A100; short ones end much earlier)."
    )


@pytest.mark.parametrize("cluster", ["slurm", "local"])
def test_where_nothing_is_left_the_plan_ends_with_that(cluster):
    assert launch_text.before(facts(cluster=cluster, stored=GRID.trainings)).endswith("3 are stored in logs/mine; 0 to train.")


def test_after_a_launch_every_failure_is_named_with_its_record(tmp_path):
    store = Store(tmp_path)
    assert launch_text.after(Outcome([PPO], [(RANDOM, "killed by SIGKILL")]), store).splitlines() == [
        f"1 training stored in {tmp_path}/trainings",
        "1 failed; start again to try them again:",
        "  b/X-v0/random/1: killed by SIGKILL",
        f"    see {tmp_path}/trainings/b/X-v0/random/1/attempts.json",
    ]
    assert launch_text.after(Outcome([PPO]), store) == f"1 training stored in {tmp_path}/trainings"
    assert launch_text.after(Outcome(), store).startswith("Nothing to train: ")
