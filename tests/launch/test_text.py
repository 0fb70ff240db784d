"""What is said before and after a launch."""

import shlex
from dataclasses import replace

import pytest

from rlhpc.config import CONFIGS
from rlhpc.launch import text
from rlhpc.records import Result, Training
from rlhpc.results.ledger import Ledger
from rlhpc.results.store import Store
from rlhpc.training.estimate import MeasuredHours
from rlhpc.training.grid import Grid
from rlhpc.training.outcome import Outcome
from rlhpc.training.plan import pack

PPO = Training("b", "X-v0", "ppo", 1, "Discrete", 1_000_000, {"class": "PPO"})
RANDOM = Training("b", "X-v0", "random", 1, "Discrete", 0, {"class": "Random"})
GRID = Grid((PPO, replace(PPO, seed=2), RANDOM), (("sac", "X-v0"), ("sac", "Y-v0")))


def facts(
    *to_train,
    cluster="local",
    stored=(),
    damaged=(),
    n_gpus=2,
    partition=None,
    n_in_queue=0,
    n_others=0,
    image=None,
    device="cuda",
):
    results = [Result(each, 1.0, (1.0,), 1, 3600.0, 0.0, "", "") for each in stored]
    found = Ledger(tuple(results), tuple(to_train), (), tuple(damaged))
    nodes = pack(found.to_train, n_gpus=n_gpus, trainings_per_gpu=3)
    told = {"name": "mine", "results": "logs/mine", "cluster": cluster}
    told |= text.facts_of(GRID, found, nodes, MeasuredHours(results, "cuda"))
    element = {"cpus": 6, "memory_gb": 24.0, "timeout_min": 90, "partition": partition, "image": image}
    told |= {"namesakes": [], "n_others": n_others, "device": device}
    return told | {"n_in_queue": n_in_queue, "element": element, "notes": ["A note."], "n_files": 1234, "gigabytes": 5.67}


def test_facts_count_the_grid_what_is_stored_and_what_is_left():
    told = facts(PPO, stored=[RANDOM], damaged=[(GRID.trainings[1], "cut")])
    assert (told["n_trainings"], told["n_stored"], told["n_to_train"]) == (3, 1, 2)
    assert told["kinds"] == [
        {"benchmark": "b", "algo": "ppo", "total_timesteps": 1_000_000, "n_random_episodes": 0, "n": 2},
        {"benchmark": "b", "algo": "random", "total_timesteps": 0, "n_random_episodes": 1, "n": 1},
    ]
    assert told["incompatible"] == [{"algo": "sac", "env_id": "X-v0"}, {"algo": "sac", "env_id": "Y-v0"}]
    assert told["damaged"] == [{"training": "b/X-v0/ppo/2", "reason": "cut"}]
    assert told["n_array_elements"] == 1


def test_a_plan_for_this_machine_says_how_many_at_once():
    lines = text.before(facts(PPO, stored=[RANDOM], damaged=[(GRID.trainings[1], "cut")])).splitlines()
    assert lines == [
        "3 trainings in the grid 'mine':",
        "     2  b            ppo              1,000,000 agent steps",
        "     1  b            random           1 episode, no training",
        "Left out, because the algorithm cannot act in the environment's action space:",
        "  sac in 2: X-v0, Y-v0",
        "damaged result, to be trained again: cut",
        "1 are stored in logs/mine; 2 to train.",
        "On this machine, 6 at a time, the long ones first; about 47 minutes.",
        "Times are estimates: 2 trainings (ppo) by priors of an A100.",
    ]


ELEMENT = (
    "1 array element of 2 GPUs x 3 trainings; about 1.6 GPU-hours, the longest element 47 minutes (short ones end much earlier)."
)


def test_a_plan_for_slurm_says_what_it_costs():
    assert text.before(facts(PPO, cluster="slurm", partition="gpu", n_in_queue=7)).splitlines()[-7:] == [
        "0 are stored in logs/mine; 7 wait or run in the queue; 1 to train.",
        ELEMENT,
        "Times are estimates: 1 training (ppo) by priors of an A100.",
        "Until all is done, by the number of nodes that the cluster gives at a time: 47 minutes on 1.",
        "Each takes 6 cores and 24 GB, and 90 minutes in partition gpu; what is not done then is saved, requeued and continued.",
        "About 1,234 files and 5.7 GB will be written.",
        "A note.",
    ]


def test_a_plan_for_slurm_claims_no_size_that_options_decide():
    told = facts(PPO, cluster="slurm")
    lines = text.before(told | {"element": {**told["element"], "memory_gb": None}}).splitlines()
    assert lines[-3].startswith("Each takes 6 cores and memory as slurm.options say, and 90 minutes in")


def test_a_plan_for_slurm_names_the_image_that_elements_run_in():
    lines = text.before(facts(PPO, cluster="slurm", image="/images/rlhpc.sif")).splitlines()
    assert "90 minutes in the default partition, in the image /images/rlhpc.sif; what" in lines[-3]


def test_a_plan_for_cores_counts_nodes_and_one_with_results_goes_by_them():
    lines = text.before(facts(PPO, cluster="slurm", n_gpus=0, stored=[GRID.trainings[1]])).splitlines()
    assert lines[-6:-4] == [
        "1 array element of 3 trainings on cores; about 1 node-hour, the longest element 1 hour (short ones end much earlier).",
        "Times are estimates: 1 training (ppo) by your own trainings so far.",
    ]
    assert "in the default partition; " in lines[-3]


@pytest.mark.parametrize("cluster", ["slurm", "local"])
def test_where_nothing_is_left_the_plan_ends_with_that(cluster):
    assert text.before(facts(cluster=cluster, stored=GRID.trainings)).endswith("3 are stored in logs/mine; 0 to train.")


def test_after_a_launch_every_failure_is_named_with_its_record(tmp_path):
    store = Store(tmp_path)
    assert text.after(Outcome([PPO], [(RANDOM, "killed by SIGKILL")]), store).splitlines() == [
        f"1 training stored by this launch, in {tmp_path}/trainings",
        "1 failed; start again to try them again:",
        "  b/X-v0/random/1: killed by SIGKILL",
        f"    see {tmp_path}/trainings/b/X-v0/random/1/attempts.json",
    ]
    assert text.after(Outcome([PPO]), store) == f"1 training stored by this launch, in {tmp_path}/trainings"
    assert text.after(Outcome(), store).startswith("Nothing to train: ")


def test_runs_that_went_offline_though_they_were_to_be_online_are_told(tmp_path):
    store = Store(tmp_path)
    for each, mode in ((PPO, "offline"), (GRID.trainings[1], "online")):
        store.write(Result(each, 1.0, (1.0,), 1, 1.0, 0.0, "", "", wandb={"mode": mode}))
    done = Outcome([PPO, GRID.trainings[1], RANDOM])  # of the last, the result is gone
    assert text.after(done, store, is_online=True).splitlines()[1] == (
        "1 of them went on offline, as Weights & Biases could not be reached. Send them later: "
        + text.job("sync_wandb", tmp_path)
    )
    assert len(text.after(done, store).splitlines()) == 1


def test_trainings_of_other_launches_in_the_folder_are_told_with_where_their_configurations_are():
    assert (
        "logs/mine also holds 12 trainings of other launches, not named by this grid; their configurations are kept there"
        " (config*.yaml)."
    ) in text.before(facts(PPO, n_others=12)).splitlines()
    assert "also holds" not in text.before(facts(PPO))


@pytest.mark.parametrize(
    ("cpus", "memory_gb", "said"),
    [
        (1, 1.5, "1 core and 1.5 GB"),
        (None, 96.0, "cores as slurm.options say and 96 GB"),
        (24, None, "24 cores and memory as slurm.options say"),
        (None, None, "cores and memory as slurm.options say"),
    ],
)
def test_what_own_options_decide_is_told_as_theirs(cpus, memory_gb, said):
    assert text.share(cpus, memory_gb) == said


def test_where_the_algorithm_does_not_tell_why_its_times_come_from_elsewhere_the_environments_do():
    a2c = [replace(PPO, algo="a2c", env_id=env_id, action_space="Box", hyperparameters={"class": "A2C"}) for env_id in "XY"]
    others = [replace(each, env_id=env_id, action_space="Discrete") for env_id, each in zip("VW", a2c, strict=True)]
    lines = text.before(facts(*a2c, *others, PPO)).splitlines()
    assert lines[-1] == (
        "Times are estimates: 3 trainings (a2c, ppo) by priors of an A100; 2 trainings (a2c in V, W) as if they were PPO on an"
        " A100, for want of a prior."
    )
    more = [replace(others[0], env_id=env_id) for env_id in "QRSTU"]
    assert "5 trainings (a2c in Q, R and 3 more) as if" in text.before(facts(a2c[0], *more))


def test_without_a_gpu_a_machine_is_said_to_be_slower_than_the_a100_of_the_estimates():
    slower = "These trainings run on cores, which may take much longer than an A100."
    assert text.before(facts(PPO, device="cpu")).endswith(slower)
    assert slower not in text.before(facts(PPO))
    assert slower not in text.before(facts(RANDOM, device="cpu"))  # which was measured on a core
    assert slower not in text.before(facts(PPO, device="cpu", cluster="slurm"))
    assert slower not in text.before(facts(PPO, device="cpu", stored=[GRID.trainings[1]]))  # by its own trainings


def test_numbers_of_episodes_are_told_as_those_of_steps_are():
    told = facts(PPO)
    kind = {**told["kinds"][1], "n_random_episodes": 1_000}
    assert "random           1,000 episodes, no training" in text.before(told | {"kinds": [kind]})


def test_commands_that_are_printed_can_be_pasted_in_this_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    script = shlex.split(text.job("status", "my logs/../my logs/mine", "--watch"))
    assert script[2:] == ["my logs/mine", "--watch"]
    assert (tmp_path / script[1]).resolve() == CONFIGS.parent / "jobs" / "status.py"


def test_where_nothing_is_left_the_next_step_is_told(tmp_path):
    store = Store(tmp_path)
    told = {"n_in_queue": 0, "in_queue": {}, "n_unfinished": 3}
    assert "collect_scores.py" in text.nothing(told, store, only_failed=False)
    assert "3 trainings without a result" in text.nothing(told, store, only_failed=True)
    queued = told | {"n_in_queue": 3, "in_queue": {"a": "12_1", "b": "9", "c": "12_0"}}
    assert "stop it: scancel 9 12" in text.nothing(queued, store, only_failed=False)


def test_the_place_of_a_log_is_told_as_it_is(tmp_path):
    arrays = [{"job_id": "12", "logs": "a/12_%a_0_log.out"}, {"job_id": "13", "logs": "a/13_0_log.out"}]
    lines = text.submitted(arrays, Store(tmp_path)).splitlines()
    assert lines[:2] == ["output of job 12: a/12_%a_0_log.out (%a: the element)", "output of job 13: a/13_0_log.out"]
    assert "stop it: scancel 12 13" in lines


def test_numbers_of_nodes_that_gain_nothing_are_told_together():
    walls = {"1": 4.0, "2": 2.0, "4": 2.001}
    told = text.before(facts(PPO, cluster="slurm") | {"estimated_wall_hours": walls, "least_wall_hours": walls})
    assert "at a time: 4 hours on 1" in told
    assert "2 hours on 2 or more" in told
    assert " on 4" not in told


def test_a_bound_is_told_where_it_is_less_than_the_plan():
    told = text.before(facts(*[replace(PPO, seed=seed) for seed in range(7)], cluster="slurm"))
    assert "at a time: 94 minutes on 1 (no packing is quicker than 55 minutes), 47 minutes on 2." in told


def test_after_a_stop_what_had_begun_and_what_had_not_is_told(tmp_path):
    store = Store(tmp_path)
    assert text.after(Outcome(stopped=[PPO, RANDOM]), store).splitlines()[1] == "2 not begun: start again to go on."
    store.folder(PPO).mkdir(parents=True)
    assert text.after(Outcome(stopped=[PPO, RANDOM]), store).splitlines()[1] == "1 stopped, 1 not begun: start again to go on."
    (store.folder(PPO) / "checkpoint-000000000064").touch()
    assert text.after(Outcome(stopped=[PPO, RANDOM]), store).splitlines()[1] == (
        "1 stopped, 1 not begun: start again, and each goes on from its checkpoint, if it has one."
    )
    _, stopped, command = text.after(Outcome(stopped=[PPO]), store, command="python it").splitlines()
    assert stopped.startswith("1 stopped: start again")
    assert command == "  python it"


def test_an_environment_that_is_a_game_of_a_benchmark_under_another_id_is_told():
    same = {"env_id": "ALE/Pong-v5", "other": "PongNoFrameskip-v4", "benchmark": "atari100k"}
    assert (
        "ALE/Pong-v5 is another environment than PongNoFrameskip-v4 of atari100k, though the same game: its scores are not that"
        " benchmark's."
    ) in text.before(facts(PPO) | {"namesakes": [same]})
